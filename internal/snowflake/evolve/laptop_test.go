package evolve_test

import (
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
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

// made makes the tables of a contract in a database of their own.
func made(t *testing.T, c *contract.Contract) (*snowflake.Session, *evolve.Evolver) {
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

// everyType is a contract with a column of each type, so that what Snowflake
// reports of a table is what ddl wrote.
func everyType() *contract.Contract {
	return orders("1.0.0",
		id, name, price, paidAt,
		contract.Column{Name: "weight", Type: contract.Double}, contract.Column{Name: "is_gift", Type: contract.Boolean},
		contract.Column{Name: "due_on", Type: contract.Date}, contract.Column{Name: "due_at", Type: contract.Time},
		contract.Column{Name: "more", Type: contract.JSON},
	)
}

func TestTableIsWhatItsContractSays(t *testing.T) {
	t.Parallel()
	c := everyType()
	_, e := made(t, c)
	if change := plan(t, e, c); !change.IsNone() {
		t.Errorf("a table that was just made differs from its contract: %+v", change)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	session, e := made(t, orders("1.0.0", id, name, price))
	if _, err := session.Exec(t.Context(), "load", "insert into raw.shop_order (id, price, _firn_object, _firn_record) select 7, 1.25, 'o', 1"); err != nil {
		t.Fatal(err)
	}
	newer := orders("1.1.0", id, name, dear, paidAt)
	planned := plan(t, e, newer)
	done, err := e.Apply(t.Context(), newer, planned)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(planned, done); diff != "" {
		t.Errorf("it did not what it had planned (-want +got):\n%s", diff)
	}
	if change := plan(t, e, newer); !change.IsNone() {
		t.Errorf("after the change there is still %+v", change)
	}
	rows, err := session.Query(t.Context(), "look", "select id, price, paid_at from raw.shop_order")
	if err != nil {
		t.Fatal(err)
	}
	if got := rows.Text(0, "id") + " " + rows.Text(0, "price") + " " + rows.Text(0, "paid_at"); got != "7 1.25 " {
		t.Errorf("the row that was there is %q", got)
	}
	if is, err := e.Resume(t.Context(), newer); err != nil || is {
		t.Errorf("it was left paused: %t, %v", is, err)
	}
}

func TestApplyGoesOnWhereAMigrationDied(t *testing.T) {
	t.Parallel()
	session, e := made(t, orders("1.0.0", id, price))
	newer := orders("1.1.0", id, dear, paidAt)
	change := plan(t, e, newer)
	// It paused, made the first step and died.
	if is, err := e.Pause(t.Context(), newer); err != nil || !is {
		t.Fatal(is, err)
	}
	if _, err := session.Query(t.Context(), "change table", "alter table raw.shop_order alter column price set data type number(12, 2)"); err != nil {
		t.Fatal(err)
	}
	_, err := e.Apply(t.Context(), newer, change)
	if f := fault.As(err); err == nil || f.Code != fault.DatasetPaused || !strings.Contains(f.Hint, "firn resume shop.order") {
		t.Fatalf("a paused dataset was changed: %v", err)
	}
	if is, err := e.Resume(t.Context(), newer); err != nil || !is {
		t.Fatal(is, err)
	}
	rest := plan(t, e, newer)
	if diff := cmp.Diff([]evolve.Step{{Kind: evolve.Add, Column: "paid_at", Type: "timestamp_ltz", Comment: paidAt.Description}}, rest.Steps); diff != "" {
		t.Errorf("what is left to do (-want +got):\n%s", diff)
	}
	if _, err := e.Apply(t.Context(), newer, rest); err != nil {
		t.Fatal(err)
	}
	if change := plan(t, e, newer); !change.IsNone() {
		t.Errorf("after the change there is still %+v", change)
	}
}

// TestApplyAfterAnotherMigration applies what was planned before another
// migration came first: to the same contract, and to one that it can't follow.
func TestApplyAfterAnotherMigration(t *testing.T) {
	t.Parallel()
	ours := orders("1.1.0", id, name, paidAt)
	for _, test := range []struct {
		name   string
		theirs *contract.Contract
		refuse bool
	}{
		{"to the same", ours, false},
		{"to a newer one", orders("1.2.0", id, name, paidAt, price), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, e := made(t, orders("1.0.0", id, name))
			planned := plan(t, e, ours)
			if _, err := e.Apply(t.Context(), test.theirs, plan(t, e, test.theirs)); err != nil {
				t.Fatal(err)
			}
			done, err := e.Apply(t.Context(), ours, planned)
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Steps) > 0 || len(done.Refusals) > 0 != test.refuse {
				t.Errorf("it did %+v", done)
			}
			if change := plan(t, e, test.theirs); !change.IsNone() {
				t.Errorf("the table differs from the other contract: %+v", change)
			}
			if is, err := e.Resume(t.Context(), ours); err != nil || is {
				t.Errorf("it was left paused: %t, %v", is, err)
			}
		})
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	c := orders("1.0.0", id)
	_, e := made(t, c)
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

func TestNoTable(t *testing.T) {
	t.Parallel()
	_, e := made(t, orders("1.0.0", id))
	absent := &contract.Contract{Source: "shop", Entity: "nothing", Version: "1.0.0", Columns: []contract.Column{id}}
	if _, err := e.Plan(t.Context(), absent); !errors.Is(err, evolve.ErrNoTable) {
		t.Errorf("plan: %v", err)
	}
	if _, err := e.Pause(t.Context(), absent); !errors.Is(err, evolve.ErrNoTable) {
		t.Errorf("pause: %v", err)
	}
}
