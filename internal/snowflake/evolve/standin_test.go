//go:build standin

package evolve_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

// newTables makes the tables of a contract in a new database.
func newTables(t *testing.T, c *contract.Contract) (*snowflake.Session, *evolve.Evolver) {
	t.Helper()
	session := laptoptest.OpenSnowflake(t, fmt.Sprintf("FIRN_EVOLVE_%d", time.Now().UnixNano()))
	laptoptest.MakeTables(t, session, ddl.File(c))
	return session, &evolve.Evolver{Session: session}
}

func plan(t *testing.T, e *evolve.Evolver, c *contract.Contract) evolve.Change {
	t.Helper()
	change, err := e.Plan(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// everyType returns a contract with a column of each type, to compare the types from
// Snowflake with the types from ddl.
func everyType() *contract.Contract {
	return orders("1.0.0",
		id, name, price, paidAt,
		contract.Column{Name: "weight", Type: contract.Double}, contract.Column{Name: "is_gift", Type: contract.Boolean},
		contract.Column{Name: "due_on", Type: contract.Date}, contract.Column{Name: "due_at", Type: contract.Time},
		contract.Column{Name: "more", Type: contract.JSON},
	)
}

func TestNewTableNeedsNoChange(t *testing.T) {
	t.Parallel()
	c := everyType()
	_, e := newTables(t, c)
	if change := plan(t, e, c); !change.IsNone() {
		t.Errorf("a new table differs from its contract: %+v", change)
	}
}

func TestApplyChangesTableToContract(t *testing.T) {
	t.Parallel()
	session, e := newTables(t, orders("1.0.0", id, name, price))
	if _, err := session.Exec(t.Context(), "load", "insert into raw.shop_order (id, price, _firn_object, _firn_record) select 7, 1.25, 'o', 1"); err != nil {
		t.Fatal(err)
	}
	newer := orders("1.1.0", id, name, widePrice, paidAt)
	planned := plan(t, e, newer)
	done, err := e.Apply(t.Context(), newer, planned)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(planned, done); diff != "" {
		t.Errorf("the change differs from the plan (-want +got):\n%s", diff)
	}
	if change := plan(t, e, newer); !change.IsNone() {
		t.Errorf("after the change, the plan is still %+v", change)
	}
	rows, err := session.Query(t.Context(), "read rows", "select id, price, paid_at from raw.shop_order")
	if err != nil {
		t.Fatal(err)
	}
	if got := rows.Text(0, "id") + " " + rows.Text(0, "price") + " " + rows.Text(0, "paid_at"); got != "7 1.25 " {
		t.Errorf("the existing row is %q", got)
	}
	if changed, err := e.Resume(t.Context(), newer); err != nil || changed {
		t.Errorf("the dataset stayed paused: %t, %v", changed, err)
	}
}

// TestApplyAddsMissingLedgerColumns adds the missing columns to the ledger of an older
// firn. The ledger already has a row.
func TestApplyAddsMissingLedgerColumns(t *testing.T) {
	t.Parallel()
	c := orders("1.0.0", id)
	session, e := newTables(t, c)
	added := []string{"bytes", "transform_started_at", "duplicate_of"}
	for _, name := range added {
		if _, err := session.Query(t.Context(), "remove new columns", "alter table raw.shop_order_loads drop column "+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := session.Exec(t.Context(), "load", "insert into raw.shop_order_loads (object, rows_loaded) select 'o', 3"); err != nil {
		t.Fatal(err)
	}
	planned := plan(t, e, c)
	if len(planned.Steps) != len(added) {
		t.Fatalf("planned %+v, want a step for each of %v", planned, added)
	}
	if _, err := e.Apply(t.Context(), c, planned); err != nil {
		t.Fatal(err)
	}
	if change := plan(t, e, c); !change.IsNone() {
		t.Errorf("after the change, the plan is still %+v", change)
	}
	rows, err := session.Query(t.Context(), "read rows", "select rows_loaded, "+strings.Join(added, ", ")+" from raw.shop_order_loads where object = 'o'")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows.Rows) != 1 || rows.Text(0, "rows_loaded") != "3" || rows.Text(0, "bytes") != "" {
		t.Errorf("the existing row is %+v", rows.Rows)
	}
	if changed, err := e.Resume(t.Context(), c); err != nil || changed {
		t.Errorf("the dataset stayed paused: %t, %v", changed, err)
	}
}

func TestApplyFinishesInterruptedMigration(t *testing.T) {
	t.Parallel()
	session, e := newTables(t, orders("1.0.0", id, price))
	newer := orders("1.1.0", id, widePrice, paidAt)
	change := plan(t, e, newer)
	// An earlier migration paused the dataset, made the first step and died.
	if changed, err := e.Pause(t.Context(), newer); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if _, err := session.Query(t.Context(), "change table", "alter table raw.shop_order alter column price set data type number(12, 2)"); err != nil {
		t.Fatal(err)
	}
	_, err := e.Apply(t.Context(), newer, change)
	if f := fault.As(err); err == nil || f.Code != fault.DatasetPaused || !strings.Contains(f.Hint, "firn resume shop.order") {
		t.Fatalf("error for a paused dataset: %v", err)
	}
	if changed, err := e.Resume(t.Context(), newer); err != nil || !changed {
		t.Fatal(changed, err)
	}
	rest := plan(t, e, newer)
	if diff := cmp.Diff([]evolve.Step{{Kind: evolve.Add, Column: "paid_at", Type: "timestamp_ltz", Comment: paidAt.Description}}, rest.Steps); diff != "" {
		t.Errorf("remaining steps (-want +got):\n%s", diff)
	}
	if _, err := e.Apply(t.Context(), newer, rest); err != nil {
		t.Fatal(err)
	}
	if change := plan(t, e, newer); !change.IsNone() {
		t.Errorf("after the change, the plan is still %+v", change)
	}
}

// TestApplyAfterConcurrentMigration applies a plan after another migration changed the
// table: to the same contract, or to a newer contract.
func TestApplyAfterConcurrentMigration(t *testing.T) {
	t.Parallel()
	ours := orders("1.1.0", id, name, paidAt)
	for _, test := range []struct {
		name   string
		theirs *contract.Contract
		refuse bool
	}{
		{"to the same contract", ours, false},
		{"to a newer contract", orders("1.2.0", id, name, paidAt, price), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, e := newTables(t, orders("1.0.0", id, name))
			planned := plan(t, e, ours)
			if _, err := e.Apply(t.Context(), test.theirs, plan(t, e, test.theirs)); err != nil {
				t.Fatal(err)
			}
			done, err := e.Apply(t.Context(), ours, planned)
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Steps) > 0 || len(done.Refusals) > 0 != test.refuse {
				t.Errorf("got change %+v", done)
			}
			if change := plan(t, e, test.theirs); !change.IsNone() {
				t.Errorf("the table differs from the other contract: %+v", change)
			}
			if changed, err := e.Resume(t.Context(), ours); err != nil || changed {
				t.Errorf("the dataset stayed paused: %t, %v", changed, err)
			}
		})
	}
}

// TestAllMakesViews takes a dataset through versions of its contract. A new column of
// the table is also in the view. A refused change keeps the view. A mode without a view
// drops the view.
func TestAllMakesViews(t *testing.T) {
	t.Parallel()
	merging := orders("1.0.0", id, name)
	merging.Mode = contract.Merge
	session, e := newTables(t, merging)
	all := func(c *contract.Contract) error {
		_, err := e.All(t.Context(), contract.Set{c}, false)
		return err
	}
	columns := func() string {
		rows, err := session.Query(t.Context(), "read rows", "select * from raw.shop_order_current")
		if err != nil {
			return err.Error()
		}
		return strings.Join(rows.Columns, " ")
	}
	const added = " _firn_object _firn_record _firn_loaded_at"
	if _, err := e.All(t.Context(), contract.Set{merging}, true); err != nil || !strings.Contains(columns(), "does not exist") {
		t.Errorf("plan alone made a view, or failed: %v, %s", err, columns())
	}
	if err := all(merging); err != nil || columns() != "id name"+added {
		t.Fatalf("got error %v and view columns %s", err, columns())
	}
	wider := orders("1.1.0", id, paidAt, name)
	wider.Mode, wider.OrderBy = contract.Merge, []string{"paid_at"}
	if err := all(wider); err != nil || columns() != "id paid_at name"+added {
		t.Errorf("with another column: got error %v and view columns %s", err, columns())
	}
	refused := orders("1.2.0", id)
	refused.Mode = contract.Merge
	if err := all(refused); err == nil || columns() != "id paid_at name"+added {
		t.Errorf("after a refused change: got error %v and view columns %s", err, columns())
	}
	wider.Mode, wider.Version = contract.Append, "1.3.0"
	if err := all(wider); err != nil || !strings.Contains(columns(), "does not exist") {
		t.Errorf("in mode append: got error %v and view columns %s", err, columns())
	}
}

// viewStatements is a session that records the statements on views.
type viewStatements struct {
	*snowflake.Session

	ran []string
}

func (v *viewStatements) Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error) {
	if op == "make view of current rows" {
		v.ran = append(v.ran, strings.Join(strings.Fields(statement)[:3], " "))
	}
	return v.Session.Query(ctx, op, statement, args...)
}

// TestAllKeepsUnchangedViews: a replaced view loses its tags, its policies and its change
// tracking, so only another definition replaces the view.
func TestAllKeepsUnchangedViews(t *testing.T) {
	t.Parallel()
	c := orders("1.0.0", id, name)
	c.Mode = contract.Merge
	session, _ := newTables(t, c)
	recorded := &viewStatements{Session: session}
	for _, step := range []struct {
		name, before string
		change       func()
		want         evolve.ViewChange
	}{
		{name: "missing", want: evolve.CreateView},
		{name: "unchanged"},
		{name: "replaced by a person", before: "create or replace view raw.shop_order_current as select 1 as id", want: evolve.ReplaceView},
		{name: "made by an older firn", before: "create or replace view raw.shop_order_current copy grants as select * from raw.shop_order", want: evolve.ReplaceView},
		{name: "unchanged again"},
		{name: "another order", change: func() { c.OrderBy = []string{"name"} }, want: evolve.ReplaceView},
		{name: "dropped", before: "drop view raw.shop_order_current", want: evolve.CreateView},
		{name: "another mode", change: func() { c.Mode = contract.Append }, want: evolve.DropView},
		{name: "no view in this mode"},
	} {
		if step.before != "" {
			if _, err := session.Query(t.Context(), "change view", step.before); err != nil {
				t.Fatal(err)
			}
		}
		if step.change != nil {
			step.change()
		}
		evolver := &evolve.Evolver{Session: recorded}
		for _, onlyPlan := range []bool{true, false} {
			recorded.ran = nil
			changes, err := evolver.All(t.Context(), contract.Set{c}, onlyPlan)
			if err != nil {
				t.Fatal(err)
			}
			var got evolve.ViewChange
			if len(changes) == 1 {
				got = changes[0].View
			}
			if ran := len(recorded.ran); got != step.want || (ran == 1) != (step.want != "" && !onlyPlan) {
				t.Errorf("%s, onlyPlan %t: got change %q and statements %v, want %q", step.name, onlyPlan, got, recorded.ran, step.want)
			}
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	c := orders("1.0.0", id)
	_, e := newTables(t, c)
	for _, step := range []struct {
		name string
		does bool
		do   func() (bool, error)
	}{
		{"pause", true, func() (bool, error) { return e.Pause(t.Context(), c) }},
		{"pause again", false, func() (bool, error) { return e.Pause(t.Context(), c) }},
		{"resume", true, func() (bool, error) { return e.Resume(t.Context(), c) }},
		{"resume again", false, func() (bool, error) { return e.Resume(t.Context(), c) }},
	} {
		if did, err := step.do(); err != nil || did != step.does {
			t.Errorf("%s: %t, %v; want %t", step.name, did, err, step.does)
		}
	}
}

func TestPlanWithoutTableFails(t *testing.T) {
	t.Parallel()
	_, e := newTables(t, orders("1.0.0", id))
	absent := &contract.Contract{Source: "shop", Entity: "nothing", Version: "1.0.0", Columns: []contract.Column{id}}
	if _, err := e.Plan(t.Context(), absent); !errors.Is(err, ledger.ErrNoTable) {
		t.Errorf("plan: %v", err)
	}
	if _, err := e.Pause(t.Context(), absent); !errors.Is(err, ledger.ErrNoTable) {
		t.Errorf("pause: %v", err)
	}
}
