package contract_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
)

func TestFileColumnsAreNamesInFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		contract contract.Contract
		want     []string
		whole    bool
	}{
		"headers": {contract.Contract{Format: contract.CSV, Columns: []contract.Column{
			{Name: "number", Header: "Order No.", Path: "/number"}, {Name: "shop", Header: "shop", Path: "/shop"},
		}}, []string{"Order No.", "shop"}, false},
		"members": {contract.Contract{Format: contract.NDJSON, Columns: []contract.Column{
			{Name: "id", Header: "id", Path: "/id"},
			{Name: "mag", Header: "mag", Path: "/properties/mag"},
			{Name: "place", Header: "place", Path: "/properties/place"},
			{Name: "odd", Header: "odd", Path: "/a~1b~01/c"},
			{Name: "empty", Header: "empty", Path: "/"},
		}}, []string{"id", "properties", "a/b~1", ""}, false},
		"whole record": {contract.Contract{Format: contract.NDJSON, Columns: []contract.Column{
			{Name: "id", Header: "id", Path: "/id"}, {Name: "record", Header: "record", Path: ""},
		}}, []string{"id"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, whole := test.contract.FileColumns()
			if diff := cmp.Diff(test.want, got); diff != "" || whole != test.whole {
				t.Errorf("whole record %t, want %t; names (-want +got):\n%s", whole, test.whole, diff)
			}
		})
	}
}
