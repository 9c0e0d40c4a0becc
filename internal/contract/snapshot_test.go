package contract_test

import (
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
)

// readSnapshot reads a contract of mode snapshot with more properties.
func readSnapshot(properties string) (*contract.Contract, error) {
	text := strings.Replace(minimal, `  - {property: firn.ingest, value: {api: fdsn-event, url: "https://example.org/query"}}`,
		"  - {property: firn.mode, value: snapshot}"+properties, 1)
	return contract.Read("station/event/contract.odcs.yaml", []byte(text))
}

// TestSnapshotNeedsFormOfKeys: without the form, the file with the greatest key would be
// the newest delivery, also next year.
func TestSnapshotNeedsFormOfKeys(t *testing.T) {
	t.Parallel()
	for name, properties := range map[string]string{
		"no firn.delivery": "",
		"no key":           "\n  - {property: firn.delivery, value: {files: 2}}",
	} {
		if _, err := readSnapshot(properties); err == nil || !strings.Contains(err.Error(), "a snapshot needs the form of its files' keys: set key in firn.delivery") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeliveryStartsWithDigit: a file of a test and a folder beside the deliveries are
// greater than each date, so they must not be deliveries.
func TestDeliveryStartsWithDigit(t *testing.T) {
	t.Parallel()
	c, err := readSnapshot("\n  - {property: firn.delivery, value: {key: '{delivery}/events.ndjson'}}")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		"station/event/2026-01-31/events.ndjson":           true,
		"station/event/2026/01/31/events.ndjson":           true,
		"station/event/test/events.ndjson":                 false,
		"station/event/processed/2026-01-31/events.ndjson": false,
		"station/event/events.ndjson":                      false,
	} {
		if got := c.InDelivery(key); got != want {
			t.Errorf("%s: %t, want %t", key, got, want)
		}
	}
}
