package contract_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
)

// snapshot returns a contract of shop.price with the mode snapshot. delivery is the
// YAML of firn.delivery; empty for none.
func snapshot(t *testing.T, delivery string) *contract.Contract {
	t.Helper()
	property := ""
	if delivery != "" {
		property = "\n  - {property: firn.delivery, value: " + delivery + "}"
	}
	text := strings.NewReplacer(
		"station.event", "shop.price", "name: event", "name: price",
		`  - {property: firn.ingest, value: {api: fdsn-event, url: "https://example.org/query"}}`,
		"  - {property: firn.mode, value: snapshot}"+property,
	).Replace(minimal)
	c, err := contract.Read("shop/price/contract.odcs.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDeliveryPattern(t *testing.T) {
	t.Parallel()
	const ofParts = `{key: "{delivery}/part-{part}-of-{parts}.csv"}`
	const ofFiles = `{key: "prices_{delivery}_{part}.csv", files: 3}`
	tests := []struct {
		name, delivery, key string
		// groups are in the order of the form; nil for a key without a match.
		groups []string
	}{
		{"the name alone", `{key: "{delivery}"}`, "shop/price/2026 b/1.csv", []string{"2026 b/1.csv"}},
		{"a file of a test", `{key: "{delivery}"}`, "shop/price/test.csv", nil},
		{"a folder beside the deliveries", `{key: "{delivery}/prices.csv"}`, "shop/price/processed/2026-01/prices.csv", nil},
		{"an ending", `{key: "{delivery}.csv"}`, "shop/price/2026-01.csv", []string{"2026-01"}},
		{"another ending", `{key: "{delivery}.csv"}`, "shop/price/2026-01xcsv", nil},
		{"another folder", `{key: "{delivery}.csv"}`, "shop/prices/2026-01.csv", nil},
		{"more text after the ending", `{key: "{delivery}.csv"}`, "shop/price/2026-01.csv.gz", nil},
		{"parts", ofParts, "shop/price/2026/01/part-02-of-3.csv", []string{"2026/01", "02", "3"}},
		{"part without a number", ofParts, "shop/price/2026/part-b-of-3.csv", nil},
		{"files", ofFiles, "shop/price/prices_2026_01_north.csv", []string{"2026_01", "north"}},
		{"part in a folder", ofFiles, "shop/price/prices_2026_01/north.csv", nil},
		{"special characters of patterns", `{key: "a+(b)/{delivery}"}`, "shop/price/a+(b)/1x", []string{"1x"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pattern := snapshot(t, test.delivery).DeliveryPattern()
			found := regexp.MustCompile("(?s)" + pattern).FindStringSubmatch(test.key)
			if strings.Contains(pattern, `\`) || (found == nil) != (test.groups == nil) || found != nil && strings.Join(found[1:], "|") != strings.Join(test.groups, "|") {
				t.Errorf("%s finds %q in the key %s, want %q", pattern, found, test.key, test.groups)
			}
		})
	}
	d := snapshot(t, ofParts).Delivery
	if d.Group(contract.DeliveryName) != 1 || d.Group(contract.DeliveryParts) != 3 || (contract.Delivery{}).Group(contract.DeliveryPart) != 0 {
		t.Error("the groups don't have the order of the placeholders")
	}
}

func TestModeWithoutRequiredPropertiesIsRefused(t *testing.T) {
	t.Parallel()
	prefixed := strings.Replace(minimal, `  - {property: firn.ingest, value: {api: fdsn-event, url: "https://example.org/query"}}`,
		"  - {property: firn.mode, value: snapshot}\n  - {property: firn.keyPrefix, value: 'station/[old]/'}", 1)
	keyless := strings.Replace(strings.Replace(minimal, "        primaryKey: true\n", "", 1),
		"customProperties:\n", "customProperties:\n  - {property: firn.mode, value: merge}\n", 1)
	for name, test := range map[string]struct{ contract, want string }{
		"merge without a primary key":               {keyless, "merge keeps the newest row of each primary key"},
		"snapshot with a bracket in the key prefix": {prefixed, "has a character that firn doesn't allow"},
	} {
		if _, err := contract.Read("station/event/contract.odcs.yaml", []byte(test.contract)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestHoldBelow(t *testing.T) {
	t.Parallel()
	if got := snapshot(t, `{key: "{delivery}.csv"}`).HoldBelow; got != 0.5 {
		t.Errorf("the default is %v, want 0.5", got)
	}
	if got := snapshot(t, `{key: "{delivery}.csv"}}`+"\n  - {property: firn.holdBelow, value: 0").HoldBelow; got != 0 {
		t.Errorf("with firn.holdBelow 0: %v", got)
	}
}

// TestInDelivery compares a contract from a file with the same contract from Go code,
// which has no compiled pattern.
func TestInDelivery(t *testing.T) {
	t.Parallel()
	read := snapshot(t, `{key: "{delivery}/part-{part}-of-{parts}.csv"}`)
	made := *read
	made.Delivery = &contract.Delivery{Key: read.Delivery.Key}
	for key, want := range map[string]bool{
		"shop/price/2026/01/part-02-of-3.csv":  true,
		"shop/price/2026\n01/part-2-of-3.csv":  true,
		"shop/price/2026/01/part-2-of-3.csv\n": false,
		"shop/price/2026/part-b-of-3.csv":      false,
		"shop/prices/2026/part-1-of-3.csv":     false,
	} {
		if read.InDelivery(key) != want || made.InDelivery(key) != want {
			t.Errorf("%s: %t and %t, want %t", key, read.InDelivery(key), made.InDelivery(key), want)
		}
	}
	if got := read.DeliveryOf("shop/price/2026/01/part-02-of-3.csv"); got != "2026/01" {
		t.Errorf("delivery %q, want 2026/01", got)
	}
	if (&contract.Contract{}).InDelivery("shop/price/a.csv") {
		t.Error("a contract without deliveries has a key of a delivery")
	}
}
