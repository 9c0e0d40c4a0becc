package demo_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// contracts are the contracts of a shop. The visits go to Glue.
var contracts = contract.Set{
	{Source: "shop", Entity: "item"}, {Source: "shop", Entity: "order"}, {Source: "shop", Entity: "visit", Engine: contract.GlueEngine},
}

func put(key string, state journal.State, cause string) journal.Entry {
	return journal.Entry{Object: object.Object{Bucket: "landing", Key: key}, State: state, Cause: cause}
}

// TestMissingRowsAreNamed changes a number or a state of a complete demo and compares
// the reported sentences.
func TestMissingRowsAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(r *demo.Row)
		entries []journal.Entry
		broken  journal.State
		want    []string
	}{
		{name: "complete", broken: journal.Failed},
		{
			name: "missing row in the table", broken: journal.Failed,
			change: func(r *demo.Row) { r.Counted-- },
			want:   []string{"shop.order: 9 rows in the ledger, but the table has 8"},
		},
		{
			name: "additional row in the table", broken: journal.Failed,
			change: func(r *demo.Row) { r.Counted++ },
			want:   []string{"shop.order: 9 rows in the ledger, but the table has 10"},
		},
		{
			name: "missing reject", broken: journal.Failed,
			change: func(r *demo.Row) { r.CountedRejects-- },
			want:   []string{"shop.order: 1 rows rejected, but the table of rejects has 0"},
		},
		{
			name: "other sum in the ledger", broken: journal.Failed,
			change: func(r *demo.Row) { r.Loaded-- },
			want: []string{
				"shop.order: 10 rows read, but the sum of loaded and rejected rows is 9",
				"shop.order: 8 rows in the ledger, but the table has 9",
			},
		},
		{
			name: "row lost before the receipt", broken: journal.Failed,
			change: func(r *demo.Row) { r.Read++ },
			want:   []string{"shop.order: 11 rows read, but the sum of loaded and rejected rows is 10"},
		},
		{
			name: "Glue in place of Lambda", broken: journal.Failed,
			change: func(r *demo.Row) { r.Engine = "glue" },
			want:   []string{"shop.order was transformed by glue"},
		},
		{
			name: "Lambda in place of Glue", broken: journal.Failed,
			change: func(r *demo.Row) { r.Dataset, r.Engine = "shop.visit", "lambda" },
			want:   []string{"shop.visit was transformed by lambda"},
		},
		{
			name: "failed object", broken: journal.Failed,
			entries: []journal.Entry{put("a.csv", journal.Loaded, ""), put("b.csv", journal.Failed, "no column x")},
			want:    []string{"s3://landing/b.csv is failed, not loaded: no column x"},
		},
		{
			name: "loaded broken file", broken: journal.Loaded,
			want: []string{"s3://landing/broken.csv is broken, but loaded"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			row := demo.Row{Dataset: "shop.order", Objects: 1, Read: 10, Written: 9, Rejected: 1, Loaded: 9, Counted: 9, CountedRejects: 1, Engine: "lambda"}
			if test.change != nil {
				test.change(&row)
			}
			complete := demo.Row{Dataset: "shop.item"}
			got := demo.Unaccounted([]demo.Row{complete, row}, contracts, test.entries, put("broken.csv", test.broken, ""))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("sentences (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAddCountsLoadedObjectsOfDataset adds entries with other states and of other
// datasets, which don't count.
func TestAddCountsLoadedObjectsOfDataset(t *testing.T) {
	t.Parallel()
	entry := func(dataset string, state journal.State) journal.Entry {
		return journal.Entry{Dataset: dataset, State: state, RowsRead: 10, RowsWritten: 9, RowsRejected: 1}
	}
	row := demo.Row{Dataset: "shop.order"}
	row.Add([]journal.Entry{
		entry("shop.order", journal.Loaded), entry("shop.order", journal.Loaded), entry("shop.order", journal.Failed),
		entry("shop.item", journal.Loaded), entry("", journal.Ignored),
	})
	want := demo.Row{Dataset: "shop.order", Objects: 2, Read: 20, Written: 18, Rejected: 2}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}
