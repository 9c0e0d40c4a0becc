package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// account records statements and keeps the history.
type account struct {
	ran     []string
	history [][2]string
	exists  bool
	fails   string
}

func (a *account) Query(_ context.Context, op, statement string, _ ...any) (snowflake.Result, error) {
	switch {
	case op == "read change history" && !a.exists:
		return snowflake.Result{}, fault.Permanentf(op, fault.TableMissing, "no table")
	case op == "read change history":
		result := snowflake.Result{Columns: []string{"script", "checksum"}}
		for _, row := range a.history {
			result.Rows = append(result.Rows, []sql.NullString{{String: row[0], Valid: true}, {String: row[1], Valid: true}})
		}
		return result, nil
	case op == "prepare change history":
		a.exists = true
		return snowflake.Result{}, nil
	case statement == a.fails:
		return snowflake.Result{}, errors.New("refused")
	}
	a.ran = append(a.ran, statement)
	return snowflake.Result{}, nil
}

func (a *account) Exec(_ context.Context, _, _ string, args ...any) (snowflake.Result, error) {
	a.history = append(a.history, [2]string{args[0].(string), args[1].(string)})
	return snowflake.Result{Affected: 1}, nil
}

func parse(t *testing.T, bodies map[string]string) []migrate.Script {
	t.Helper()
	var scripts []migrate.Script
	for name, body := range bodies {
		s, err := migrate.Parse(name, body, nil)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, s)
	}
	return scripts
}

// run plans and applies, and returns what was planned and what ran.
func run(t *testing.T, m *migrate.Migrator, a *account, bodies map[string]string) (planned, ran []string) {
	t.Helper()
	a.ran = nil
	steps, err := m.Plan(t.Context(), parse(t, bodies))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		planned = append(planned, s.Reason+" "+s.Script.Name)
	}
	if err := m.Apply(t.Context(), steps); err != nil {
		t.Fatal(err)
	}
	return planned, a.ran
}

func TestPlanAndApply(t *testing.T) {
	t.Parallel()
	a := &account{}
	m := &migrate.Migrator{Session: a, Database: "FIRN"}
	bodies := map[string]string{"R__view.sql": "view 1;", "V2__b.sql": "b;", "V1__a.sql": "a 1;\na 2;"}
	expect := func(wantPlanned, wantRan []string) {
		t.Helper()
		planned, ran := run(t, m, a, bodies)
		if diff := cmp.Diff(wantPlanned, planned); diff != "" {
			t.Errorf("plan (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantRan, ran); diff != "" {
			t.Errorf("statements (-want +got):\n%s", diff)
		}
	}
	expect([]string{"new V1__a.sql", "new V2__b.sql", "new R__view.sql"}, []string{"a 1", "a 2", "b", "view 1"})
	expect(nil, nil)
	bodies["R__view.sql"] = "view 2;"
	expect([]string{"changed R__view.sql"}, []string{"view 2"})
	expect(nil, nil)
	bodies["R__view.sql"] = "view 1;" // back to what ran first: the newest checksum counts
	expect([]string{"changed R__view.sql"}, []string{"view 1"})
	m.Forgotten = []string{"V2__b.sql"}
	expect([]string{"forgotten V2__b.sql"}, []string{"b"})

	bodies["V1__a.sql"] = "a 3;"
	if _, err := m.Plan(t.Context(), parse(t, bodies)); err == nil || !strings.Contains(err.Error(), "V1__a.sql was changed after it ran") {
		t.Errorf("a changed versioned script: %v", err)
	}
}

func TestApplyStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	a := &account{fails: "a 2"}
	m := &migrate.Migrator{Session: a, Database: "FIRN"}
	steps, err := m.Plan(t.Context(), parse(t, map[string]string{"V1__a.sql": "a 1;\na 2;", "V2__b.sql": "b;"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(t.Context(), steps); err == nil || !strings.Contains(err.Error(), "V1__a.sql") {
		t.Errorf("the error doesn't name the script: %v", err)
	}
	if diff := cmp.Diff([]string{"a 1"}, a.ran); diff != "" || len(a.history) != 0 {
		t.Errorf("history %v, statements (-want +got):\n%s", a.history, diff)
	}
}

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

// TestLaptop migrates the laptop's Snowflake with the repository's own scripts,
// twice.
func TestLaptop(t *testing.T) {
	t.Parallel()
	session := laptoptest.OpenSnowflake(t, "")
	database := fmt.Sprintf("FIRN_MIGRATE_%d", time.Now().UnixNano())
	scripts, err := migrate.Read(os.DirFS("../../../snowflake"), map[string]string{
		"database": database, "loader_role_arn": "arn:aws:iam::1:role/load", "curated_bucket": "curated", "storage_role_arn": "arn:aws:iam::1:role/stage", "external_id": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &migrate.Migrator{Session: session, Database: database}
	for _, want := range []int{len(scripts), 0} {
		steps, err := m.Plan(t.Context(), scripts)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != want {
			t.Errorf("%d scripts to run, want %d", len(steps), want)
		}
		if err := m.Apply(t.Context(), steps); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := session.Query(t.Context(), "read lock row", "select contract, paused from raw.nycflights_flight_loads where object = '~lock'")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows.Rows) != 1 || rows.Text(0, "contract") == "" || rows.Bool(0, "paused") {
		t.Errorf("lock rows %+v", rows.Rows)
	}
}
