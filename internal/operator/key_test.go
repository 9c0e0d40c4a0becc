package operator_test

import (
	"os"
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/operator"
)

const all = "shop.customer, shop.item, shop.order, shop.visit, station.event"

func TestKeyFor(t *testing.T) {
	t.Parallel()
	contracts, err := contract.ReadAll(os.DirFS("../../testdata/project/datasets"))
	if err != nil {
		t.Fatal(err)
	}
	o := &operator.Operator{Contracts: contracts}
	tests := []struct{ name, file, dataset, want, wantErr string }{
		{"dataset from the folder", "datasets/shop/order/orders.csv", "", "shop/order/orders.csv", ""},
		{"dataset from an absolute folder", "/data/station/event/a.ndjson.gz", "", "station/event/a.ndjson.gz", ""},
		{"named dataset", "/tmp/x.csv", "shop.order", "shop/order/x.csv", ""},
		{"named dataset in the folder of another dataset", "station/event/x.csv", "shop.order", "shop/order/x.csv", ""},
		{"special characters are not encoded", "shop/order/a b+c=%é.csv", "", "shop/order/a b+c=%é.csv", ""},
		{"file of a snapshot", "/tmp/2026-02-28.csv", "shop.customer", "shop/customer/2026-02-28.csv", ""},
		{
			"file outside of every delivery", "/tmp/test.csv", "shop.customer", "",
			"/tmp/test.csv: the key shop/customer/test.csv has no delivery: rename the file to the form {delivery}.csv, or name the whole key with --key",
		},
		{"no folder", "x.csv", "", "", `x.csv: no contract for dataset "": name one of ` + all + ` with --dataset`},
		{"one folder", "/tmp/x.csv", "", "", `/tmp/x.csv: no contract for dataset "": name one of ` + all + ` with --dataset`},
		{"folder without a dataset", "/tmp/other/x.csv", "", "", `/tmp/other/x.csv: no contract for dataset "tmp.other": name one of ` + all + ` with --dataset`},
		{"unknown dataset", "x.csv", "shop.basket", "", `x.csv: no contract for dataset "shop.basket": name one of ` + all + ` with --dataset`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := o.KeyFor(test.file, test.dataset)
			if got != test.want || message(err) != test.wantErr {
				t.Errorf("KeyFor = %q, %v; want %q, %q", got, err, test.want, test.wantErr)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
