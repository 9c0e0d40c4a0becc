package warehouse_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// TestEndWritesEveryColumn: the loader fills each column of the table of ended rows.
func TestEndWritesEveryColumn(t *testing.T) {
	t.Parallel()
	want := ddl.EndedColumns()
	got := slices.Clone(warehouse.EndedColumns)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-table +loader):\n%s", diff)
	}
}
