package audit_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/operator/audit"
)

// TestRunbookHasEveryKind compares the kinds and their order with docs/runbook.md.
func TestRunbookHasEveryKind(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Differences of the audit\n")
	var found []audit.Kind
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(section, -1) {
		found = append(found, audit.Kind(row[1]))
	}
	if diff := cmp.Diff(audit.Kinds(), found); diff != "" {
		t.Errorf("kinds (-code +runbook):\n%s", diff)
	}
}
