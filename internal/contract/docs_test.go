package contract_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
)

const guidePath = "../../docs/adding-a-dataset.md"

// TestGuideExampleIsValid reads the contract in the guide.
func TestGuideExampleIsValid(t *testing.T) {
	t.Parallel()
	_, block, _ := strings.Cut(string(readFile(t, guidePath)), "```yaml\n")
	block, _, found := strings.Cut(block, "   ```")
	if !found {
		t.Fatal("the guide has no contract")
	}
	example := regexp.MustCompile(`(?m)^ {3}`).ReplaceAllString(block, "")
	c, err := contract.Read("datasets/shop/order/contract.odcs.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if c.Delimiter != ';' || len(c.Columns) != 5 || len(c.Column("state").Enum) != 2 {
		t.Errorf("the example reads as %+v", c)
	}
}

// TestGuideListsEveryProperty compares the guide's table with the properties of firn.
func TestGuideListsEveryProperty(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(string(readFile(t, guidePath)), "## firn's properties\n")
	section, _, _ = strings.Cut(section, "\n## ")
	listed := regexp.MustCompile("(?m)^\\| `(firn\\.\\w+)`").FindAllStringSubmatch(section, -1)
	if len(listed) != 22 {
		t.Errorf("%d properties are listed, want 22", len(listed))
	}
	for _, match := range listed {
		name := match[1]
		from, to := "customProperties:\n", "customProperties:\n  - {property: "+name+", value: }\n"
		if name == "firn.path" {
			from, to = "        primaryKey: true\n", "        customProperties: [{property: firn.path, value: 1}]\n"
		}
		_, err := contract.Read("contract.odcs.yaml", []byte(strings.Replace(minimal, from, to, 1)))
		if err == nil || strings.Contains(err.Error(), "has no property") {
			t.Errorf("%s with an invalid value gives the error %v", name, err)
		}
	}
}
