//go:build standin

package load_test

import (
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/load/loadtest"
)

// snapshotYAML has the mode and the form of the keys, and no other property: the tests
// use the defaults.
const snapshotYAML = `apiVersion: v3.1.0
kind: DataContract
id: x
name: shop.list
version: 1.0.0
status: active
description: {purpose: A list.}
customProperties:
  - {property: firn.mode, value: snapshot}
  - {property: firn.delivery, value: {key: "list_{delivery}.csv"}}
schema:
  - name: list
    properties:
      - {name: id, logicalType: integer, primaryKey: true, required: true}
`

// byDefault gives a contract the snapshot properties of snapshotYAML.
func byDefault(t *testing.T) func(*contract.Contract) {
	t.Helper()
	read, err := contract.Read("contract.odcs.yaml", []byte(snapshotYAML))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *contract.Contract) {
		prefix, columns, source, entity := c.KeyPrefix, c.Columns, c.Source, c.Entity
		*c = *read
		c.KeyPrefix, c.Columns, c.Source, c.Entity = prefix, columns, source, entity
		c.Delivery = &contract.Delivery{Key: read.Delivery.Key}
	}
}

// list returns n rows.
func list(n int) []loadtest.Value {
	values := make([]loadtest.Value, n)
	for i := range values {
		values[i] = loadtest.Value{ID: int64(i), Name: "row"}
	}
	return values
}

// TestSmallSnapshotLeavesViewUnchanged: a file that was cut off, and a file without a
// row, change no row of the view. Both are in the raw table.
func TestSmallSnapshotLeavesViewUnchanged(t *testing.T) {
	t.Parallel()
	snowflake := laptop(t)
	for name, rows := range map[string]int{"cut off": 9, "no row": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewModeFixture(t, snowflake, byDefault(t))
			fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Key: "list_2026-01-31.csv", Sequencer: "1", Values: list(33)}))
			before := snowflake.Current(t, fixture.Dataset)
			small := fixture.Deliver(t, loadtest.Delivery{Key: "list_2026-02-28.csv", Sequencer: "2", Values: list(rows)})
			fixture.MustHandle(t, small)
			if after := snowflake.Current(t, fixture.Dataset); len(before) != 33 || strings.Join(after, ";") != strings.Join(before, ";") {
				t.Errorf("the view has %d rows after a delivery of %d rows, want the %d rows of the delivery before", len(after), rows, len(before))
			}
			if got := snowflake.Contents(t, fixture.Dataset).Rows[small.ID]; got != int64(rows) {
				t.Errorf("the raw table has %d rows of the small delivery, want %d", got, rows)
			}
		})
	}
}
