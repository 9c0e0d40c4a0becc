//go:build standin

package main_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// saleContract has the columns of the files of package loadtest.
const saleContract = `apiVersion: v3.1.0
kind: DataContract
id: x
name: shop.sale
version: 1.0.0
status: active
description: {purpose: One row a sale.}
customProperties:
  - {property: firn.keyPrefix, value: shop/sale/}
  - {property: firn.mode, value: merge}
schema:
  - name: sale
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: updated, logicalType: integer}
      - {name: name, logicalType: string}
`

// sales is a deployed stack with a migrated database, a loader, and the dataset
// shop.sale.
type sales struct {
	*loadtest.Fixture

	firn func(arguments ...string) call
	// rows has the expected rows of each object.
	rows map[object.ID]int64
}

func newSales(t *testing.T, database string) sales {
	t.Helper()
	f, folder := newFixture(t), copyRepository(t)
	for _, old := range []string{"datasets/shop", "datasets/station"} {
		if err := os.RemoveAll(filepath.Join(folder, old)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(folder, "datasets/shop/sale", contract.FileName), saleContract)
	contracts, err := contract.ReadAll(os.DirFS(filepath.Join(folder, "datasets")))
	if err != nil {
		t.Fatal(err)
	}
	old, err := filepath.Glob(filepath.Join(folder, "snowflake/R__dataset_*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range ddl.Generate(contracts) {
		write(t, filepath.Join(folder, "snowflake", name), script)
	}
	f.variables = append(f.variables, "FIRN_DATASETS="+filepath.Join(folder, "datasets"), "SNOWFLAKE_DATABASE="+database)
	s := sales{rows: make(map[object.ID]int64), firn: func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = folder
		return c
	}}
	s.firn("migrate").succeed(t)

	login, err := laptoptest.SnowflakeConfig()
	if err != nil {
		t.Fatal(err)
	}
	login.Database, login.Schema = database, "RAW"
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := laptoptest.Outputs(t.Context(), cfg, f.stack)
	if err != nil {
		t.Fatal(err)
	}
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	db := loadtest.NewAccount(login, login, store, outputs["CuratedBucket"])
	s.Fixture = &loadtest.Fixture{
		Warehouse: db, Journal: loadtest.NewJournal(), Receipts: loadtest.NewReceipts(), Publisher: &loadtest.Publisher{}, Files: &loadtest.Files{},
		Notices: &loadtest.Notices{}, Versions: make(loadtest.Versions), Dataset: "shop.sale", Contract: contracts.ByDataset("shop.sale"),
	}
	s.Loader = s.NewLoaderOn(db)
	return s
}

// deliver makes an object with rows and a reject. A later version of a key replaces the
// rows of the earlier version.
func (s sales) deliver(t *testing.T, key string, version, rows int) loadtest.Delivered {
	t.Helper()
	values := make([]loadtest.Value, rows)
	for i := range values {
		values[i] = loadtest.Value{ID: int64(i + 1), Name: key}
	}
	return s.Deliver(t, loadtest.Delivery{Key: key, Version: fmt.Sprintf("v%d", version), Sequencer: fmt.Sprint(version), Values: values, Rejects: 1})
}

// TestMigrateRestoresDroppedObject: a load that waits for a dropped object continues
// after `firn migrate`, and the earlier rows are there again. Each case loads an object,
// drops something, and loads a newer version of the object.
func TestMigrateRestoresDroppedObject(t *testing.T) {
	t.Parallel()
	s := newSales(t, "FIRN_RESTORE_CLI")
	other := s.deliver(t, "other.csv", 1, 5)
	s.MustHandle(t, other)
	s.rows[other.ID] = 5
	for i, test := range []struct {
		name  string
		drop  []string
		waits bool
		want  string
	}{
		{"raw table", []string{"drop table RAW.SHOP_SALE"}, true, "undrop table {db}.RAW.SHOP_SALE\n"},
		{"ledger", []string{"drop table RAW.SHOP_SALE_LOADS"}, true, "undrop table {db}.RAW.SHOP_SALE_LOADS\n"},
		{"rejects", []string{"drop table RAW.SHOP_SALE_REJECTS"}, true, "undrop table {db}.RAW.SHOP_SALE_REJECTS\n"},
		{
			"all tables",
			[]string{"drop table RAW.SHOP_SALE", "drop table RAW.SHOP_SALE_LOADS", "drop table RAW.SHOP_SALE_REJECTS"},
			true,
			"undrop table {db}.RAW.SHOP_SALE\nundrop table {db}.RAW.SHOP_SALE_REJECTS\nundrop table {db}.RAW.SHOP_SALE_LOADS\n",
		},
		{"view of current rows", []string{"drop view RAW.SHOP_SALE_CURRENT"}, false, "create view {db}.RAW.SHOP_SALE_CURRENT\n"},
		{"stage", []string{"drop stage RAW.CURATED"}, true, "create stage {db}.RAW.CURATED\n"},
		{"file format", []string{"drop file format RAW.PARQUET"}, false, "create file format {db}.RAW.PARQUET\n"},
		{"table of ended rows", []string{"drop table OPS.ENDED"}, true, "undrop table {db}.OPS.ENDED\n"},
		{"view over all datasets", []string{"drop view OPS.FRESHNESS"}, false, "create view {db}.OPS.FRESHNESS\n"},
		{"history of migrations", []string{"drop table OPS.CHANGE_HISTORY"}, false, "undrop table {db}.OPS.CHANGE_HISTORY\n"},
		{"grants", []string{"revoke insert, update on table RAW.SHOP_SALE from role FIRN_LOADER"}, false, "grant insert, update on table {db}.RAW.SHOP_SALE to role FIRN_LOADER\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := fmt.Sprintf("%d.csv", i)
			older := s.deliver(t, key, 1, 2)
			s.MustHandle(t, older)
			for _, statement := range test.drop {
				s.firn("query", statement).succeed(t)
			}
			newer := s.deliver(t, key, 2, 3)
			if test.waits {
				loadtest.CheckFault(t, s.Handle(t, newer)[0], fault.TableMissing, fault.RetryAfter, newer.ID)
			}
			want := strings.ReplaceAll(test.want, "{db}", "FIRN_RESTORE_CLI")
			if got := s.firn("migrate").succeed(t); !strings.HasPrefix(got, want) || !strings.Contains(got, "0 scripts run, ") {
				t.Errorf("migrate prints\n%s\nwant\n%s", got, want)
			}
			s.MustHandle(t, newer)
			s.rows[newer.ID] = 3
			s.CheckRows(t, maps.Clone(s.rows))
		})
	}
	if current := s.firn("query", "--json", "select count(*) as n from RAW.SHOP_SALE_CURRENT").succeed(t); !strings.Contains(current, `"n": "5"`) {
		t.Errorf("the view of current rows has %s, want 5", current)
	}
	if got := s.firn("migrate").succeed(t); got != "nothing to do\n" {
		t.Errorf("last migrate prints %s", got)
	}
}

// TestMigrateNamesReload: a table that Snowflake can't undrop is empty, and the named
// command finds the lost objects. With the ledger lost, the loads wait.
func TestMigrateNamesReload(t *testing.T) {
	t.Parallel()
	s := newSales(t, "FIRN_RELOAD_HINT_CLI")
	first := s.deliver(t, "first.csv", 1, 4)
	s.MustHandle(t, first)
	lose := func(table string) {
		s.firn("query", "alter table "+table+" set data_retention_time_in_days = 0").succeed(t)
		s.firn("query", "drop table "+table).succeed(t)
	}
	lose("RAW.SHOP_SALE")
	waiting := s.deliver(t, "second.csv", 1, 3)
	loadtest.CheckFault(t, s.Handle(t, waiting)[0], fault.TableMissing, fault.RetryAfter, waiting.ID)
	const note = "create table FIRN_RELOAD_HINT_CLI.RAW.SHOP_SALE\n" +
		"  The table is empty, but the ledger has 4 rows of 1 objects: `firn reload --dataset shop.sale` loads the rows again.\n"
	for _, arguments := range [][]string{{"migrate", "--plan"}, {"migrate"}} {
		if got := s.firn(arguments...).succeed(t); !strings.HasPrefix(got, note) {
			t.Errorf("%v prints\n%s\nwant\n%s", arguments, got, note)
		}
	}
	s.MustHandle(t, waiting)
	if got := s.firn("reload", "--dataset", "shop.sale", "--plan").succeed(t); !strings.Contains(got, string(first.ID)) {
		t.Errorf("reload doesn't list the lost object:\n%s", got)
	}

	lose("RAW.SHOP_SALE_LOADS")
	if got := s.firn("migrate").succeed(t); !strings.Contains(got, "so the loads wait. Follow `firn audit --dataset shop.sale`, then run `firn resume shop.sale`.") {
		t.Errorf("migrate prints\n%s", got)
	}
	newer := s.deliver(t, "second.csv", 2, 2)
	loadtest.CheckFault(t, s.Handle(t, newer)[0], fault.DatasetPaused, fault.RetryAfter, newer.ID)
	s.firn("query", "delete from RAW.SHOP_SALE").succeed(t)
	s.firn("query", "delete from RAW.SHOP_SALE_REJECTS").succeed(t)
	s.firn("resume", "shop.sale").succeed(t)
	s.MustHandle(t, newer)
	s.CheckRows(t, map[object.ID]int64{newer.ID: 2})
}
