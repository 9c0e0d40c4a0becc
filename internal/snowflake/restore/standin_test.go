//go:build standin

package restore_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/migrate"
	"github.com/firn-data/firn/internal/snowflake/restore"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

const repository = "../../.."

var databases atomic.Int64

// database is a migrated database with a session, and a restorer for the database.
type database struct {
	*restore.Restorer

	session *snowflake.Session
	name    string
}

// newDatabase runs firn's own scripts with the contracts of the made-up project. The
// dataset shop.item has two objects: a with two rows and one reject, b with one row. A
// new database takes seconds, so the cases of a test share a database in sequence.
func newDatabase(t *testing.T) database {
	t.Helper()
	name := fmt.Sprintf("FIRN_RESTORE_%d_%d", time.Now().UnixNano(), databases.Add(1))
	scripts := readScripts(t, name)
	contracts, err := contract.ReadAll(os.DirFS(repository + "/testdata/project/datasets"))
	if err != nil {
		t.Fatal(err)
	}
	migrator := &migrate.Migrator{Session: laptoptest.OpenSnowflake(t, ""), Database: name, Name: "setup", Now: time.Now}
	if _, err := migrator.Apply(t.Context(), scripts); err != nil {
		t.Fatal(err)
	}
	session := laptoptest.OpenSnowflake(t, name)
	if _, err := (&evolve.Evolver{Session: session}).All(t.Context(), contracts, false); err != nil {
		t.Fatal(err)
	}
	d := database{session: session, name: name, Restorer: &restore.Restorer{
		Session: session, Database: name, Scripts: scripts, Contracts: contracts, History: migrator.HistoryTable(),
		Refresh: func(context.Context) error { return nil },
	}}
	d.fill(t)
	return d
}

// fill gives the tables of shop.item and the table of ended rows their content.
func (d database) fill(t *testing.T) {
	t.Helper()
	d.run(t, "delete from raw.shop_item", "delete from raw.shop_item_rejects", "delete from raw.shop_item_loads where object <> '~lock'", "delete from ops.ended",
		"update raw.shop_item_loads set paused = false where object = '~lock'",
		`insert into raw.shop_item_loads (object, rows_read, rows_written, rows_rejected, rows_loaded)
			select 'a', 3, 2, 1, 2 union all select 'b', 1, 1, 0, 1`,
		"insert into raw.shop_item (_firn_object, _firn_record) select 'a', 1 union all select 'a', 2 union all select 'b', 1",
		"insert into raw.shop_item_rejects (_firn_object, _firn_record, rule) select 'a', 3, 'r'",
		"insert into ops.ended (dataset, object) select 'shop.item', 'old'")
}

func readScripts(t *testing.T, database string) []migrate.Script {
	t.Helper()
	scripts, err := migrate.Read(migrate.Files(os.DirFS(repository+"/snowflake"), os.DirFS(repository+"/testdata/project/snowflake")), map[string]string{
		"database": database, "loader_role_arn": "arn:aws:iam::1:role/load", "curated_bucket": "curated", "storage_role_arn": "arn:aws:iam::1:role/stage", "external_id": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	return scripts
}

// run runs statements. {db} is the name of the database.
func (d database) run(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := d.session.Query(t.Context(), "set up test", strings.ReplaceAll(statement, "{db}", d.name)); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// text returns the first value of a query as text.
func (d database) text(t *testing.T, query string) string {
	t.Helper()
	result, err := d.session.Query(t.Context(), "read", query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return result.Rows[0][0].String
}

// lines describes steps without the name of the database, each with its note.
func (d database) lines(steps []restore.Step) []string {
	lines := []string{}
	for _, s := range steps {
		lines = append(lines, strings.TrimSuffix(strings.ReplaceAll(s.String(), d.name+".", "")+" | "+s.Note, " | "))
	}
	return lines
}

// plan returns the steps of all parts, without a change.
func (d database) plan(t *testing.T) []string {
	t.Helper()
	objects, objectsErr := d.PlanObjects(t.Context())
	views, viewsErr := d.PlanViews(t.Context())
	grants, grantsErr := d.PlanGrants(t.Context())
	for _, err := range []error{objectsErr, viewsErr, grantsErr} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(grants.Unseen) > 0 {
		t.Errorf("unseen grants: %v", grants.Unseen)
	}
	return d.lines(append(append(objects, views...), grants.Steps...))
}

// restore restores all parts, and returns the steps of the objects and views, and the steps of
// the grants.
func (d database) restore(t *testing.T) (objects, grants []string) {
	t.Helper()
	made, objectsErr := d.Objects(t.Context())
	views, viewsErr := d.Views(t.Context())
	granted, grantsErr := d.Grants(t.Context())
	for _, err := range []error{objectsErr, viewsErr, grantsErr} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return d.lines(append(made, views...)), d.lines(granted.Steps)
}

func (d database) expectNothingToDo(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff([]string{}, d.plan(t)); diff != "" {
		t.Errorf("steps of a complete database (-want +got):\n%s", diff)
	}
}

// itemCounts counts rows, rejects, ledger rows and ended rows.
const itemCounts = `select (select count(*) from raw.shop_item) || ' ' || (select count(*) from raw.shop_item_rejects) || ' ' ||
	(select count(*) from raw.shop_item_loads) || ' ' || (select count(*) from ops.ended)`

// TestDroppedObjectIsRestored drops each kind of object. Tables have their rows again.
func TestDroppedObjectIsRestored(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, test := range []struct {
		name   string
		drop   []string
		want   []string
		exists string
	}{
		{"raw table", []string{"drop table raw.shop_item"}, []string{"undrop table RAW.SHOP_ITEM"}, ""},
		{"ledger", []string{"drop table raw.shop_item_loads"}, []string{"undrop table RAW.SHOP_ITEM_LOADS"}, ""},
		{"rejects", []string{"drop table raw.shop_item_rejects"}, []string{"undrop table RAW.SHOP_ITEM_REJECTS"}, ""},
		{"all tables of a dataset", []string{"drop table raw.shop_item_rejects", "drop table raw.shop_item_loads", "drop table raw.shop_item"}, []string{
			"undrop table RAW.SHOP_ITEM", "undrop table RAW.SHOP_ITEM_REJECTS", "undrop table RAW.SHOP_ITEM_LOADS",
		}, ""},
		{"table of ended rows", []string{"drop table ops.ended"}, []string{"undrop table OPS.ENDED"}, ""},
		{"stage", []string{"drop stage raw.curated"}, []string{"create stage RAW.CURATED"}, "show stages in schema raw"},
		{"file format", []string{"drop file format raw.parquet"}, []string{"create file format RAW.PARQUET"}, "show file formats in schema raw"},
		{"view over all datasets", []string{"drop view ops.freshness"}, []string{"create view OPS.FRESHNESS"}, "select count(*) from ops.freshness"},
		{"view and the view below", []string{"drop view ops.loads", "drop view ops.objects"}, []string{"create view OPS.OBJECTS", "create view OPS.LOADS"}, "select count(*) from ops.loads"},
		{"view of a script without contracts", []string{"drop view ops.cost_by_day"}, []string{"create view OPS.COST_BY_DAY"}, "select count(*) from ops.cost_by_day"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := d.text(t, itemCounts)
			d.run(t, test.drop...)
			planned := d.plan(t)
			objects, grants := d.restore(t)
			if diff := cmp.Diff(test.want, objects); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, planned); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			for _, line := range grants {
				if !strings.HasPrefix(line, "grant ") || !strings.Contains(line, strings.Fields(test.want[0])[len(strings.Fields(test.want[0]))-1]) {
					t.Errorf("a grant of another object: %s", line)
				}
			}
			if after := d.text(t, itemCounts); after != before {
				t.Errorf("counts %s, want %s", after, before)
			}
			if test.exists != "" {
				d.text(t, test.exists)
			}
			d.expectNothingToDo(t)
		})
	}
}

// TestPurgedTableIsCreatedEmpty drops tables that Snowflake can't undrop. The notes name
// the commands that load the lost rows.
func TestPurgedTableIsCreatedEmpty(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	const (
		noRows    = "The table is empty, but the ledger has 3 rows of 2 objects: `firn reload --dataset shop.item` loads the rows again."
		noRejects = "The table is empty, but the ledger has 1 rejects of 2 objects: `firn reload --dataset shop.item` loads the rejects again."
		noLedger  = "The tables have 3 rows and 1 rejects of unknown objects, so the loads wait. Follow `firn audit --dataset shop.item`, then run `firn resume shop.item`."
		noEnded   = "The earlier rows of the table are lost: run dbt once with `--full-refresh`."
	)
	for _, test := range []struct {
		name   string
		tables []string
		want   []string
		counts string
		paused string
	}{
		{"raw table", []string{"raw.shop_item"}, []string{"create table RAW.SHOP_ITEM | " + noRows}, "0 1 3 1", "false"},
		{"rejects", []string{"raw.shop_item_rejects"}, []string{"create table RAW.SHOP_ITEM_REJECTS | " + noRejects}, "3 0 3 1", "false"},
		{"ledger", []string{"raw.shop_item_loads"}, []string{"create table RAW.SHOP_ITEM_LOADS | " + noLedger}, "3 1 1 1", "true"},
		{"all tables of a dataset", []string{"raw.shop_item", "raw.shop_item_loads", "raw.shop_item_rejects"}, []string{
			"create table RAW.SHOP_ITEM", "create table RAW.SHOP_ITEM_REJECTS", "create table RAW.SHOP_ITEM_LOADS",
		}, "0 0 1 1", "false"},
		{"table of ended rows", []string{"ops.ended"}, []string{"create table OPS.ENDED | " + noEnded}, "3 1 3 0", "false"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.fill(t)
			for _, table := range test.tables {
				d.run(t, "alter table "+table+" set data_retention_time_in_days = 0", "drop table "+table)
			}
			objects, _ := d.restore(t)
			for _, table := range test.tables {
				d.run(t, "alter table "+table+" set data_retention_time_in_days = 1")
			}
			if diff := cmp.Diff(test.want, objects); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if counts := d.text(t, itemCounts); counts != test.counts {
				t.Errorf("counts %s, want %s", counts, test.counts)
			}
			if paused := d.text(t, "select paused from raw.shop_item_loads where object = '~lock' and contract = '1.0.0'"); paused != test.paused {
				t.Errorf("paused %s, want %s", paused, test.paused)
			}
			if later := d.text(t, "select seq > 1000000000 from raw.shop_item_loads where object = '~lock'"); slices.Contains(test.tables, "raw.shop_item_loads") && later != "true" {
				t.Error("the number of the new lock row can be lower than the journal's number")
			}
			d.expectNothingToDo(t)
		})
	}
	t.Run("undropped table of another time than the ledger", func(t *testing.T) {
		d.fill(t)
		d.run(t, "drop table raw.shop_item", "delete from raw.shop_item_loads where object = 'b'")
		objects, _ := d.restore(t)
		want := []string{"undrop table RAW.SHOP_ITEM | The tables and the ledger differ: run `firn audit --dataset shop.item`."}
		if diff := cmp.Diff(want, objects); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
	})
}

func TestMissingLockRowIsInserted(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	const note = "Objects may have failed meanwhile: `firn redrive --dataset shop.item --code ledger_broken` loads the objects."
	for _, test := range []struct {
		name     string
		drop     []string
		want     []string
		contract string
	}{
		{"of a ledger", nil, []string{"insert lock row into table RAW.SHOP_ITEM_LOADS | " + note}, "1.0.0"},
		{"of an undropped ledger", []string{"drop table raw.shop_item_loads"}, []string{
			"undrop table RAW.SHOP_ITEM_LOADS", "insert lock row into table RAW.SHOP_ITEM_LOADS | " + note,
		}, "1.0.0"},
		{"of a table without a column of the contract", []string{"alter table raw.shop_item drop column weight"}, []string{
			"insert lock row into table RAW.SHOP_ITEM_LOADS | " + note,
		}, "0.0.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.run(t, "delete from raw.shop_item_loads where object = '~lock'")
			d.run(t, test.drop...)
			objects, _ := d.restore(t)
			if diff := cmp.Diff(test.want, objects); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			got := d.text(t, "select count(*) || ' ' || max(contract) || ' ' || count_if(seq > 1000000000) || ' ' || count_if(paused) from raw.shop_item_loads where object = '~lock'")
			if want := "1 " + test.contract + " 1 0"; got != want {
				t.Errorf("lock rows: %s, want %s", got, want)
			}
			d.expectNothingToDo(t)
		})
	}
}

// TestRenamedTableIsNotReplaced: an empty table in place of a renamed table would hide
// the rows.
func TestRenamedTableIsNotReplaced(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	for _, suffix := range []string{"", "_LOADS", "_REJECTS"} {
		t.Run("table"+suffix, func(t *testing.T) {
			d.CreateEmpty = false
			table := d.name + ".RAW.SHOP_ITEM" + suffix
			d.run(t, "alter table "+table+" rename to "+table+"_OLD")
			made, err := d.Objects(t.Context())
			f := fault.As(err)
			if len(made) > 0 || f == nil || f.Code != fault.TableMissing || !strings.Contains(f.Hint, "alter table "+table+"_OLD rename to "+table) {
				t.Fatalf("steps %v, error %v", made, err)
			}
			d.CreateEmpty = true
			objects, _ := d.restore(t)
			if len(objects) != 1 || !strings.HasPrefix(objects[0], "create table RAW.SHOP_ITEM"+suffix) {
				t.Errorf("steps with CreateEmpty: %v", objects)
			}
		})
	}
	t.Run("CreateEmpty undrops nothing", func(t *testing.T) {
		d.fill(t)
		d.run(t, "drop table raw.shop_item", "drop table raw.shop_item_loads", "drop table raw.shop_item_rejects")
		d.CreateEmpty = true
		objects, _ := d.restore(t)
		want := []string{"create table RAW.SHOP_ITEM", "create table RAW.SHOP_ITEM_REJECTS", "create table RAW.SHOP_ITEM_LOADS"}
		if diff := cmp.Diff(want, objects); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if counts := d.text(t, itemCounts); counts != "0 0 1 1" {
			t.Errorf("counts %s", counts)
		}
	})
}

// TestPendingScriptMakesItsOwnObjects: the plan leaves the objects of new scripts to the
// scripts, but restores a table of a dataset that exists in part. A dropped schema is an
// error with a command.
func TestPendingScriptMakesItsOwnObjects(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.Pending = map[string]bool{"V1.3.0__stage.sql": true, "R__ops_views.sql": true, "R__dataset_shop_item.sql": true, "R__dataset_shop_order.sql": true, "V1.4.0__grants.sql": true}
	d.run(t, "drop stage raw.curated", "drop view ops.loads", "drop table raw.shop_item", "revoke usage on schema raw from role firn_loader")
	for _, table := range []string{"raw.shop_order", "raw.shop_order_loads", "raw.shop_order_rejects"} {
		d.run(t, "alter table "+table+" set data_retention_time_in_days = 0", "drop table "+table)
	}
	if diff := cmp.Diff([]string{"undrop table RAW.SHOP_ITEM"}, d.plan(t)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	d.run(t, "drop schema staging")
	_, err := d.PlanObjects(t.Context())
	if f := fault.As(err); f == nil || f.Code != fault.TableMissing || !strings.Contains(f.Hint, "undrop schema "+d.name+".STAGING") {
		t.Errorf("error for a dropped schema: %v", err)
	}
}

// TestMissingGrantsAreGranted revokes privileges of each form of grant in the scripts.
func TestMissingGrantsAreGranted(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	cases := []struct{ name, revoke, want string }{
		{"owner of the file format", "ownership on file format raw.parquet from role firn_admin", "grant ownership on file format RAW.PARQUET to role FIRN_ADMIN"},
		{"future owner", "ownership on future views in schema ops from role firn_admin", "grant ownership on future views in schema OPS to role FIRN_ADMIN"},
		{"database", "usage on database {db} from role firn_loader", "grant usage on database {db} to role FIRN_LOADER"},
		{"future tables", "insert on future tables in schema raw from role firn_loader", "grant insert on future tables in schema RAW to role FIRN_LOADER"},
		{"schema", "usage on schema raw from role firn_loader", "grant usage on schema RAW to role FIRN_LOADER"},
		{"stage", "usage on stage raw.curated from role firn_loader", "grant usage on stage RAW.CURATED to role FIRN_LOADER"},
		{"table of ended rows", "insert on table ops.ended from role firn_loader", "grant insert on table OPS.ENDED to role FIRN_LOADER"},
		{"two privileges on a raw table", "select, update on table raw.shop_item from role firn_loader", "grant select, update on table RAW.SHOP_ITEM to role FIRN_LOADER"},
		{"ledger", "delete on table raw.shop_item_loads from role firn_loader", "grant delete on table RAW.SHOP_ITEM_LOADS to role FIRN_LOADER"},
		{"change history", "select on table ops.change_history from role firn_reporter", "grant select on table OPS.CHANGE_HISTORY to role FIRN_REPORTER"},
		{"view over all datasets", "select on view ops.loads from role firn_reporter", "grant select on view OPS.LOADS to role FIRN_REPORTER"},
		{"view of current rows", "select on view raw.shop_item_current from role firn_transformer", "grant select on view RAW.SHOP_ITEM_CURRENT to role FIRN_TRANSFORMER"},
	}
	var want []string
	for _, test := range cases {
		d.run(t, "revoke "+test.revoke)
		want = append(want, strings.ReplaceAll(test.want, "{db}", d.name))
	}
	if diff := cmp.Diff(want, d.plan(t)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	objects, grants := d.restore(t)
	if diff := cmp.Diff(want, append(objects, grants...)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	d.expectNothingToDo(t)
}
