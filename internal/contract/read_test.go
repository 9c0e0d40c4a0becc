package contract_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
)

const completePath = "testdata/complete.odcs.yaml"

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadReturnsEveryProperty(t *testing.T) {
	t.Parallel()
	got, err := contract.Read("contract.odcs.yaml", readFile(t, completePath))
	if err != nil {
		t.Fatal(err)
	}
	three, eight, rejects := 3, 8, 0.01
	want := &contract.Contract{
		File: "contract.odcs.yaml", Version: "2.3.4", Source: "shop", Entity: "order",
		Description: "Orders of the shop, one row an order.",
		KeyPrefix:   "legacy/orders/", Format: contract.CSV, Delimiter: ';', NullValues: []string{"NA", "-"},
		Encoding: contract.Windows1252, Engine: contract.GlueEngine,
		MaxRejectRatio: 0.25, MaxRejects: 3, MaxUnique: 1000, LoadEvery: 90 * time.Second,
		Mode: contract.Merge, OrderBy: []string{"paid_at", "number"}, DuplicateContent: contract.RefuseDuplicate, OnDelete: contract.WithdrawOnDelete,
		QuotedNull: contract.QuotedIsValue, NewColumns: contract.RefuseNewColumns,
		Expect: contract.Expectations{NewFileWithin: 26 * time.Hour, Rows: 0.5, Rejects: &rejects},
		Columns: []contract.Column{
			{
				Name: "number", Header: "Order No.", Path: "/number", Description: "The shop's number.", Type: contract.Integer,
				Required: true, PrimaryKey: 2, ExclusiveMinimum: "0",
			},
			{
				Name: "shop", Header: "shop", Path: "/shop", Type: contract.String, Required: true, PrimaryKey: 1,
				Pattern: "[A-Z]{2}[0-9]+", MinLength: &three, MaxLength: &eight,
			},
			{Name: "status", Header: "status", Path: "/status", Type: contract.String, Enum: []string{"open", "paid"}},
			{
				Name: "amount", Header: "amount", Path: "/amount", Type: contract.Decimal, Precision: 12, Scale: 2,
				Required: true, Minimum: "-1.5", Maximum: "1.0e+6",
			},
			{Name: "weight", Header: "weight", Path: "/weight", Type: contract.Double, ExclusiveMaximum: "99.5"},
			{Name: "gift", Header: "gift", Path: "/gift", Type: contract.Boolean},
			{Name: "day", Header: "day", Path: "/day", Type: contract.Date},
			{Name: "paid_at", Header: "paid_at", Path: "/paid_at", Type: contract.Timestamp},
			{Name: "slot", Header: "slot", Path: "/slot", Type: contract.Time},
			{Name: "reference", Header: "reference", Path: "/reference", Type: contract.String, Format: "uuid", Unique: true},
			{Name: "lines", Header: "lines", Path: "/lines", Type: contract.JSON},
		},
	}
	ignoreLine := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Columns.Line" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, ignoreLine); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	lines := strings.Split(string(readFile(t, completePath)), "\n")
	for _, column := range got.Columns {
		if line := lines[column.Line-1]; !strings.Contains(line, "name: "+column.Name) {
			t.Errorf("%s has line %d: %q", column.Name, column.Line, line)
		}
	}
	if key := got.PrimaryKeyColumns(); len(key) != 2 || key[0].Name != "shop" || key[1].Name != "number" {
		t.Errorf("primary key %v", key)
	}
	if got.Column("amount") != &got.Columns[3] || got.Column("Order No.") != nil {
		t.Error("Column doesn't find columns by name")
	}
	if got.Dataset() != "shop.order" || got.Table() != "SHOP_ORDER" {
		t.Errorf("dataset %s, table %s", got.Dataset(), got.Table())
	}
}

// minimal is a valid contract of NDJSON files. Tests edit the text.
const minimal = `apiVersion: v3.1.0
kind: DataContract
id: station.event
name: station.event
version: 1.0.0
status: active
description: {purpose: Events.}
customProperties:
  - {property: firn.format, value: ndjson}
  - {property: firn.ingest, value: {api: fdsn-event, url: "https://example.org/query"}}
schema:
  - name: event
    properties:
      - name: id
        logicalType: string
        primaryKey: true
      - name: mag
        logicalType: number
        physicalType: double
        customProperties: [{property: firn.path, value: /properties/mag}]
      - name: record
        logicalType: object
        customProperties: [{property: firn.path, value: ""}]
`

func TestReadDefaults(t *testing.T) {
	t.Parallel()
	c, err := contract.Read("datasets/station/event/contract.odcs.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := contract.Contract{
		File: c.File, Version: "1.0.0", Source: "station", Entity: "event", Description: "Events.", KeyPrefix: "station/event/",
		Format: contract.NDJSON, Delimiter: ',', Encoding: contract.UTF8, Engine: contract.AutoEngine,
		MaxRejectRatio: 0.05, MaxRejects: 10, MaxUnique: 4_000_000, LoadEvery: time.Minute,
		Mode: contract.Append, DuplicateContent: contract.WarnDuplicate, OnDelete: contract.KeepOnDelete,
		QuotedNull: contract.QuotedIsNull, NewColumns: contract.ReportNewColumns,
		Columns: c.Columns, Ingest: &contract.Ingest{API: "fdsn-event", URL: "https://example.org/query", PageSize: 20000},
	}
	if diff := cmp.Diff(&want, c); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var paths []string
	for _, column := range c.Columns {
		paths = append(paths, column.Path)
	}
	if diff := cmp.Diff([]string{"/id", "/properties/mag", ""}, paths); diff != "" {
		t.Errorf("paths, -want +got:\n%s", diff)
	}
	if id := c.Column("id"); id.PrimaryKey != 1 || !id.Required {
		t.Errorf("the only column of the key isn't at position 1 or isn't required: %+v", id)
	}
}

// contractOf returns the minimal contract for another dataset. more is added to the
// custom properties.
func contractOf(source, entity string, more ...string) *fstest.MapFile {
	text := strings.NewReplacer(
		"name: station.event", "name: "+source+"."+entity, "- name: event", "- name: "+entity,
		"customProperties:\n", "customProperties:\n"+strings.Join(more, ""),
	).Replace(minimal)
	return &fstest.MapFile{Data: []byte(text)}
}

func TestReadAllSortsAndFinds(t *testing.T) {
	t.Parallel()
	set, err := contract.ReadAll(fstest.MapFS{
		"station/event/contract.odcs.yaml": contractOf("station", "event"),
		"shop/order/contract.odcs.yaml":    contractOf("shop", "order"),
		"shop/order/orders.csv":            {Data: []byte("a")},
		"shop/orders/contract.odcs.yaml":   contractOf("shop", "orders", "  - {property: firn.keyPrefix, value: old/}\n"),
		"README.md":                        {Data: []byte("a")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var datasets []string
	for _, c := range set {
		datasets = append(datasets, c.Dataset())
	}
	if diff := cmp.Diff([]string{"shop.order", "shop.orders", "station.event"}, datasets); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	byKey := map[string]string{
		"shop/order/a.csv": "shop.order", "old/2013/a.csv": "shop.orders", "station/event/run=1/part-00001.ndjson.gz": "station.event",
		"shop/orders/a.csv": "", "shop/orde": "", "": "",
	}
	for key, want := range byKey {
		got := ""
		if c := set.ByKey(key); c != nil {
			got = c.Dataset()
		}
		if got != want {
			t.Errorf("ByKey(%q) = %q, want %q", key, got, want)
		}
	}
	if set.ByDataset("shop.order") != set[0] || set.ByDataset("shop") != nil {
		t.Error("ByDataset doesn't find datasets by the whole name")
	}
}

func TestReadAllShowsEveryProblem(t *testing.T) {
	t.Parallel()
	broken := contractOf("shop", "broken")
	broken.Data = []byte(strings.ReplaceAll(string(broken.Data), "status: active", "status: actve\nteams: []"))
	_, err := contract.ReadAll(fstest.MapFS{
		"station/event/contract.odcs.yaml": contractOf("station", "event"),
		"copy/event/contract.odcs.yaml":    contractOf("station", "event"),
		"shop/broken/contract.odcs.yaml":   broken,
		"shop/order/contract.odcs.yaml":    contractOf("shop", "order", "  - {property: firn.keyPrefix, value: station/}\n"),
		"shop/empty/contract.odcs.yaml":    {Data: []byte("# nothing\n")},
		"shop/two/contract.odcs.yaml":      {Data: []byte(minimal + "---\n" + minimal)},
		"shop/syntax/contract.odcs.yaml":   {Data: []byte("a: [1\nb: 2\n")},
		"shop/contract.odcs.yaml":          contractOf("shop", "order"),
		"shop/renamed/contract.odcs.yml":   contractOf("shop", "renamed"),
		"shop/renamed2/contract.yaml":      contractOf("shop", "renamed2"),
		"shop/order/deep/a/orders.csv.gz":  {Data: []byte("a")},
	})
	golden(t, "testdata/set.golden", err.Error()+"\n")
	var first *contract.Problem
	if !errors.As(err, &first) || first.File != "copy/event/contract.odcs.yaml" || first.Line == 0 {
		t.Errorf("the first problem is %+v", first)
	}
}

func TestReadAllWithoutContracts(t *testing.T) {
	t.Parallel()
	if _, err := contract.ReadAll(fstest.MapFS{"README.md": {Data: []byte("a")}}); err == nil {
		t.Error("a root without a contract gave no error")
	}
	if _, err := contract.ReadAll(os.DirFS(filepath.Join(t.TempDir(), "missing"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing root gave %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(readFile(f, completePath))
	f.Add([]byte(minimal))
	for _, seed := range []string{"", "a: &a [*a]", "{}", "[]", "schema: [{properties: [{logicalTypeOptions: {minimum: 1e999999}}]}]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := contract.Read("contract.odcs.yaml", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("contract %v and error %v, want a contract or an error", c, err)
		}
		if err != nil {
			return
		}
		if c.Source == "" || c.Entity == "" || c.KeyPrefix == "" || len(c.Columns) == 0 {
			t.Errorf("the contract has empty fields: %+v", c)
		}
		again, err := contract.Read("contract.odcs.yaml", data)
		if diff := cmp.Diff(c, again); err != nil || diff != "" {
			t.Errorf("second read: error %v (-first +second)\n%s", err, diff)
		}
	})
}

// TestSnapshotAllowsRejectsByShareOnly: the number of allowed rejects is 0 in mode
// snapshot, also in the contract for Glue.
func TestSnapshotAllowsRejectsByShareOnly(t *testing.T) {
	t.Parallel()
	for mode, want := range map[contract.Mode]int64{contract.Append: 10, contract.Merge: 10, contract.Snapshot: 0} {
		c := &contract.Contract{Mode: mode, MaxRejects: 10}
		if got := c.AllowedRejects(); got != want {
			t.Errorf("%s: %d rejects are allowed, want %d", mode, got, want)
		}
		portable, err := c.Portable()
		if err != nil {
			t.Fatal(err)
		}
		if part := fmt.Sprintf(`"max_rejects":%d,`, want); !strings.Contains(string(portable), part) {
			t.Errorf("%s: the contract for Glue lacks %s: %s", mode, part, portable)
		}
	}
}
