//go:build standin

package migration_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/operator/migration"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/migrate"
	"github.com/firn-data/firn/internal/snowflake/restore"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

const repository = "../../.."

var databases atomic.Int64

// newMigration returns a migration of a new database, with the contracts of the made-up
// project.
func newMigration(t *testing.T, database, name string) *migration.Migration {
	t.Helper()
	contracts, err := contract.ReadAll(os.DirFS(repository + "/testdata/project/datasets"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := migrate.Read(migrate.Files(os.DirFS(repository+"/snowflake"), os.DirFS(repository+"/testdata/project/snowflake")), map[string]string{
		"database": database, "loader_role_arn": "arn:aws:iam::1:role/load", "curated_bucket": "curated", "storage_role_arn": "arn:aws:iam::1:role/stage", "external_id": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	config, err := laptoptest.SnowflakeConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.Database = database
	return &migration.Migration{
		Migrator: &migrate.Migrator{Session: laptoptest.OpenSnowflake(t, ""), Database: database, Name: name, Now: time.Now},
		Open:     func(ctx context.Context) (migration.Session, error) { return snowflake.Open(ctx, config) },
		Scripts:  scripts, Contracts: contracts,
	}
}

// newDatabase migrates a new database, and returns its name and a session. The table of
// shop.item has a row.
func newDatabase(t *testing.T) (string, *snowflake.Session) {
	t.Helper()
	database := fmt.Sprintf("FIRN_MIGRATION_%d_%d", time.Now().UnixNano(), databases.Add(1))
	done, err := newMigration(t, database, "setup").Apply(t.Context())
	if err != nil || len(done.Objects) > 0 {
		t.Fatalf("first migration: restored %v, error %v", done.Objects, err)
	}
	session := laptoptest.OpenSnowflake(t, database)
	run(t, session, "insert into raw.shop_item (_firn_object, _firn_record) select 'a', 1")
	return database, session
}

func run(t *testing.T, session *snowflake.Session, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := session.Query(t.Context(), "set up test", statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// describe returns the steps on objects, without grants and without the database.
func describe(r migration.Result, database string) []string {
	lines := []string{}
	for _, s := range r.Objects {
		if line := strings.ReplaceAll(s.String(), database+".", ""); !strings.HasPrefix(line, "grant ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func expectNothingToDo(t *testing.T, m *migration.Migration) {
	t.Helper()
	for _, do := range []func(context.Context) (migration.Result, error){m.Plan, m.Apply} {
		if done, err := do(t.Context()); err != nil || !done.IsNone() || len(done.Unseen) > 0 {
			t.Errorf("a complete database has steps %+v, error %v", done, err)
		}
	}
}

// TestApplyMakesPlannedSteps damages every part of a database. The plan has all steps
// except the grants of restored objects.
func TestApplyMakesPlannedSteps(t *testing.T) {
	t.Parallel()
	database, session := newDatabase(t)
	m := newMigration(t, database, "ours")
	expectNothingToDo(t, m)
	run(t, session,
		"drop table raw.shop_item", "drop stage raw.curated", "drop view raw.shop_order_current", "create or replace view raw.shop_customer_current as select 1 as id",
		"drop view ops.loads", "delete from raw.station_event_loads where object = '~lock'", "revoke usage on schema raw from role firn_loader")
	want := []string{
		"undrop table RAW.SHOP_ITEM", "insert lock row into table RAW.STATION_EVENT_LOADS", "create stage RAW.CURATED",
		"replace view RAW.SHOP_CUSTOMER_CURRENT", "create view RAW.SHOP_ORDER_CURRENT", "create view OPS.LOADS",
	}
	for _, do := range []func(context.Context) (migration.Result, error){m.Plan, m.Apply} {
		done, err := do(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, describe(done, database)); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		const granted = "grant usage on schema RAW to role FIRN_LOADER"
		if !slices.ContainsFunc(done.Objects, func(s restore.Step) bool { return strings.ReplaceAll(s.String(), database+".", "") == granted }) {
			t.Errorf("no step %q in %v", granted, done.Objects)
		}
		if len(done.Scripts)+len(done.Tables) > 0 {
			t.Errorf("scripts %v, tables %v", done.Scripts, done.Tables)
		}
	}
	expectNothingToDo(t, m)
}

// TestDroppedHistoryIsUndropped: no script runs again.
func TestDroppedHistoryIsUndropped(t *testing.T) {
	t.Parallel()
	database, session := newDatabase(t)
	m := newMigration(t, database, "ours")
	run(t, session, "drop table ops.change_history", "drop table raw.shop_item")
	planned, err := m.Plan(t.Context())
	if diff := cmp.Diff([]string{"undrop table OPS.CHANGE_HISTORY"}, describe(planned, database)); err != nil || diff != "" {
		t.Errorf("plan: error %v (-want +got):\n%s", err, diff)
	}
	done, err := m.Apply(t.Context())
	want := []string{"undrop table OPS.CHANGE_HISTORY", "undrop table RAW.SHOP_ITEM"}
	if diff := cmp.Diff(want, describe(done, database)); err != nil || diff != "" || len(done.Scripts) > 0 {
		t.Errorf("scripts %v, error %v, steps (-want +got):\n%s", done.Scripts, err, diff)
	}
	expectNothingToDo(t, m)
}

// TestLostHistoryRunsScriptsAgain: the scripts don't make an empty table in place of a
// dropped table.
func TestLostHistoryRunsScriptsAgain(t *testing.T) {
	t.Parallel()
	database, session := newDatabase(t)
	m := newMigration(t, database, "ours")
	run(t, session, "alter table ops.change_history set data_retention_time_in_days = 0", "drop table ops.change_history", "drop table raw.shop_item")
	done, err := m.Apply(t.Context())
	if diff := cmp.Diff([]string{"undrop table RAW.SHOP_ITEM"}, describe(done, database)); err != nil || diff != "" {
		t.Errorf("error %v, steps (-want +got):\n%s", err, diff)
	}
	if len(done.Scripts) != len(m.Scripts) {
		t.Errorf("%d scripts ran, want %d", len(done.Scripts), len(m.Scripts))
	}
	rows, err := session.Query(t.Context(), "count rows", "select count(*) as n from raw.shop_item")
	if err != nil || rows.Number(0, "n") != 1 {
		t.Errorf("rows %+v, error %v", rows.Rows, err)
	}
	expectNothingToDo(t, m)
}

// TestRefusedRestorationRunsNoScript: a changed script would make an empty table in place
// of a renamed table.
func TestRefusedRestorationRunsNoScript(t *testing.T) {
	t.Parallel()
	database, session := newDatabase(t)
	m := newMigration(t, database, "ours")
	run(t, session, "alter table raw.shop_item rename to raw.shop_item_old", "update ops.change_history set checksum = 'older' where script = 'R__dataset_shop_item.sql'")
	done, err := m.Apply(t.Context())
	if f := fault.As(err); f == nil || f.Code != fault.TableMissing || !strings.Contains(err.Error(), "SHOP_ITEM_OLD") || !done.IsNone() {
		t.Errorf("steps %+v, error %v", done, err)
	}
	run(t, session, "alter table raw.shop_item_old rename to raw.shop_item")
	if done, err := m.Apply(t.Context()); err != nil || len(done.Scripts) != 1 || len(describe(done, database)) > 0 {
		t.Errorf("after the rename back: steps %+v, error %v", done, err)
	}
}

// TestConcurrentMigrationsRestoreOnce: of concurrent migrations, one restores, and the
// others wait for their turn with lock_busy, or find nothing to do.
func TestConcurrentMigrationsRestoreOnce(t *testing.T) {
	t.Parallel()
	database, session := newDatabase(t)
	run(t, session, "drop table raw.shop_item", "drop stage raw.curated", "drop view ops.loads", "drop table ops.change_history", "delete from raw.shop_order_loads where object = '~lock'")
	var group sync.WaitGroup
	var mutex sync.Mutex
	var made []string
	for i := range 3 {
		m := newMigration(t, database, fmt.Sprintf("migration %d", i))
		group.Go(func() {
			for {
				done, err := m.Apply(t.Context())
				mutex.Lock()
				made = append(made, describe(done, database)...)
				mutex.Unlock()
				if err == nil {
					return
				}
				if !fault.Is(err, fault.LockBusy) {
					t.Errorf("%s: %v", m.Migrator.Name, err)
					return
				}
			}
		})
	}
	group.Wait()
	slices.Sort(made)
	want := []string{
		"create stage RAW.CURATED", "create view OPS.LOADS", "insert lock row into table RAW.SHOP_ORDER_LOADS",
		"undrop table OPS.CHANGE_HISTORY", "undrop table RAW.SHOP_ITEM",
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("steps of all migrations (-want +got):\n%s", diff)
	}
	expectNothingToDo(t, newMigration(t, database, "last"))
}

// TestKilledMigrationBlocksRestoration: the lock of a killed migration also protects a
// restoration.
func TestKilledMigrationBlocksRestoration(t *testing.T) {
	t.Parallel()
	database, session := newDatabase(t)
	run(t, session, "drop stage raw.curated", "update ops.change_history set holder = 'ann', seen_at = current_timestamp() where script = '~lock'")
	m := newMigration(t, database, "ours")
	if done, err := m.Apply(t.Context()); !fault.Is(err, fault.LockBusy) || !done.IsNone() {
		t.Errorf("steps %+v, error %v", done, err)
	}
	m.Migrator.BreakLock = true
	done, err := m.Apply(t.Context())
	if err != nil || done.TookOver == nil || done.TookOver.Name != "ann" || len(describe(done, database)) != 1 {
		t.Errorf("with BreakLock: steps %+v, error %v", done, err)
	}
}
