//go:build standin

package load_test

import (
	"context"
	"testing"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
)

// onAccount runs a statement as the account's administrator.
func onAccount(t *testing.T, db *loadtest.Snowflake, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	session, err := snowflake.Open(ctx, db.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Query(ctx, "administer account", statement); err != nil {
		t.Error(err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// accountParameters have values other than the values of firn's sessions.
const accountParameters = "timestamp_input_format = 'DD-MON-YYYY' autocommit = false default_ddl_collation = 'en-ci'" +
	" timezone = 'Asia/Kolkata' transaction_abort_on_error = false"

// TestParametersOfAccountDontMatter: the tables are made, an object is replaced, and two
// keys that differ in case stay two objects.
func TestParametersOfAccountDontMatter(t *testing.T) {
	t.Parallel()
	db := laptop(t)
	onAccount(t, db, "alter account set "+accountParameters)
	t.Cleanup(func() {
		onAccount(t, db, "alter account unset timestamp_input_format, autocommit, default_ddl_collation, timezone, transaction_abort_on_error")
	})
	fixture := loadtest.NewFixture(t, db)
	lower := fixture.Deliver(t, loadtest.Delivery{Key: "a.csv", Sequencer: "1", Rows: 3, Rejects: 1})
	upper := fixture.Deliver(t, loadtest.Delivery{Key: "A.csv", Sequencer: "1", Rows: 2})
	fixture.MustHandle(t, lower, upper)
	fixture.CheckRows(t, map[object.ID]int64{lower.ID: 3, upper.ID: 2})
	newer := fixture.Deliver(t, loadtest.Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 1})
	fixture.MustHandle(t, newer)
	fixture.CheckRows(t, map[object.ID]int64{newer.ID: 1, upper.ID: 2})
	fixture.CheckState(t, newer.ID, journal.Loaded)
	fixture.Warehouse.Pause(t, fixture.Dataset, true)
	again := fixture.Deliver(t, loadtest.Delivery{Key: "b.csv", Rows: 1})
	loadtest.CheckFault(t, fixture.Handle(t, again)[0], fault.DatasetPaused, fault.RetryAfter, again.ID)
}

// TestLoadWaitsForHiddenTable: a table that was renamed, or that the role can't see, is
// no reason to fail an object. Snowflake's answer is the same in both cases.
func TestLoadWaitsForHiddenTable(t *testing.T) {
	t.Parallel()
	db := laptop(t)
	for _, suffix := range []string{"", "_LOADS", "_REJECTS"} {
		t.Run("table"+suffix, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewFixture(t, db)
			delivered := fixture.Deliver(t, loadtest.Delivery{Rows: 3, Rejects: 1})
			table := "RAW." + loadtest.TableOf(fixture.Dataset) + suffix
			onAccount(t, db, "alter table "+table+" rename to "+table+"_HIDDEN")
			for range 5 { // more receives than attempts
				failed := fixture.Loader.Handle(t.Context(), []batch.Message{fixture.Message(delivered)})
				for _, err := range failed {
					f := loadtest.CheckFault(t, err, fault.TableMissing, fault.RetryAfter, delivered.ID)
					if f.Dataset != fixture.Dataset {
						t.Errorf("the fault names dataset %q, want %q", f.Dataset, fixture.Dataset)
					}
				}
				if len(failed) != 1 {
					t.Fatalf("%d messages failed, want 1", len(failed))
				}
			}
			fixture.CheckState(t, delivered.ID, journal.Transformed)
			onAccount(t, db, "alter table "+table+"_HIDDEN rename to "+table)
			fixture.MustHandle(t, delivered)
			fixture.CheckRows(t, map[object.ID]int64{delivered.ID: 3})
		})
	}
}
