package demo_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

const (
	datasets = "../../testdata/project/datasets"
	orders   = datasets + "/shop/order/orders.csv"
)

// TestBrokenFileIsRefused reads the broken file like the transform: good records first,
// then a fault that refuses the whole object.
func TestBrokenFileIsRefused(t *testing.T) {
	t.Parallel()
	path, err := demo.BreakFile(orders)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	for name, file := range map[string]string{"intact": orders, "broken": path} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		records, err := count(content)
		switch f := fault.As(err); {
		case file == orders && (err != nil || records != 40):
			t.Errorf("%s: %d records, %v", name, records, err)
		case file == path && (err == nil || f.Code != fault.BadQuoting || f.Disposition != fault.Permanent):
			t.Errorf("%s: %d records, %v; want bad_quoting", name, records, err)
		case file == path && (records < 18 || records > 22):
			t.Errorf("%s: the fault comes after %d records, want the middle of 40", name, records)
		}
	}
}

func count(content []byte) (records int, err error) {
	csv := reader.NewCSV(bytes.NewReader(content), ',')
	if _, err := csv.Header(); err != nil {
		return 0, err
	}
	for {
		if _, err := csv.Next(); err == io.EOF {
			return records, nil
		} else if err != nil {
			return records, err
		}
		records++
	}
}

func TestBreakFileOfMissingFileFails(t *testing.T) {
	t.Parallel()
	if _, err := demo.BreakFile(filepath.Join(t.TempDir(), "missing.csv")); err == nil {
		t.Error("breakFile of a missing file succeeds")
	}
}

// TestSampleFiles lists the files beside the contracts, without files of ingested
// datasets.
func TestSampleFiles(t *testing.T) {
	t.Parallel()
	got, err := demo.SampleFiles(datasets, read(t))
	want := []string{"shop/customer/2026-01-31.csv", "shop/item/items.csv.gz", "shop/order/orders.csv", "shop/visit/visits.csv"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("sample files: %v (-want +got):\n%s", err, diff)
	}
}

func read(t *testing.T) contract.Set {
	t.Helper()
	set, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestReadPlan(t *testing.T) {
	t.Parallel()
	set := read(t)
	plan, err := demo.ReadPlan(datasets, set)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Ingest.Dataset != "station.event" || plan.Ingest.End.Sub(plan.Ingest.Start) != 8*24*time.Hour || plan.BrokenKey(set) != "shop/order/orders broken.csv" {
		t.Errorf("plan %+v, key %s", plan, plan.BrokenKey(set))
	}
}

func TestReadPlanRefuses(t *testing.T) {
	t.Parallel()
	complete, err := os.ReadFile(filepath.Join(datasets, demo.PlanName))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, want string }{
		{"ingest:", "ingst:", "field ingst not found"},
		{"station.event", "shop.order", `"shop.order" has no contract with firn.ingest`},
		{"station.event", "station.quake", `"station.quake" has no contract with firn.ingest`},
		{"2018-02-08", "2018-01-31", "start must be before end"},
		{"shop/order/orders.csv", "shop/ordr/orders.csv", `broken: "shop/ordr/orders.csv" must be`},
		{"shop/order/orders.csv", "shop/item/items.csv.gz", `broken: "shop/item/items.csv.gz" must be`},
		{"shop/order/orders.csv", "orders.csv", `broken: "orders.csv" must be`},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, demo.PlanName), []byte(strings.Replace(string(complete), test.from, test.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := demo.ReadPlan(folder, read(t)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s -> %s: %v, want %q", test.from, test.to, err, test.want)
		}
	}
	if _, err := demo.ReadPlan(t.TempDir(), read(t)); err == nil || !strings.Contains(err.Error(), demo.PlanName) {
		t.Errorf("without a file: %v", err)
	}
}
