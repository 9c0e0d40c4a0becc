//go:build standin

package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "snowflake")) }

var databases atomic.Int64

func newDatabase() string {
	return fmt.Sprintf("FIRN_MIGRATE_%d_%d", time.Now().UnixNano(), databases.Add(1))
}

// recordingSession is a session that records the scripts' statements and can call a
// function before each statement.
type recordingSession struct {
	*snowflake.Session
	ran    []string
	before func(statement string) error
}

func (r *recordingSession) Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error) {
	if strings.HasPrefix(op, "run statement") {
		if r.before != nil {
			if err := r.before(statement); err != nil {
				return snowflake.Result{}, err
			}
		}
		r.ran = append(r.ran, statement)
	}
	return r.Session.Query(ctx, op, statement, args...)
}

// newMigrator returns a migrator with a new session.
func newMigrator(t *testing.T, database, name string) (*migrate.Migrator, *recordingSession) {
	t.Helper()
	r := &recordingSession{Session: laptoptest.OpenSnowflake(t, "")}
	return &migrate.Migrator{Session: r, Database: database, Name: name, Now: time.Now}, r
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

func describeSteps(steps []migrate.Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Reason+" "+s.Script.Name)
	}
	return all
}

func TestPlanAndApply(t *testing.T) {
	t.Parallel()
	m, r := newMigrator(t, newDatabase(), "ours")
	bodies := map[string]string{"R__view.sql": "select 1;", "V2__b.sql": "select 'b';", "V1__a.sql": "select 'a 1';\nselect 'a 2';"}
	expect := func(wantSteps, wantRan []string) {
		t.Helper()
		r.ran = nil
		planned, err := m.Plan(t.Context(), parse(t, bodies))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantSteps, describeSteps(planned)); diff != "" {
			t.Errorf("plan (-want +got):\n%s", diff)
		}
		done, err := m.Apply(t.Context(), parse(t, bodies))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantSteps, describeSteps(done.Steps)); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantRan, r.ran); diff != "" {
			t.Errorf("statements (-want +got):\n%s", diff)
		}
	}
	expect([]string{"new V1__a.sql", "new V2__b.sql", "new R__view.sql"}, []string{"select 'a 1'", "select 'a 2'", "select 'b'", "select 1"})
	expect(nil, nil)
	bodies["R__view.sql"] = "select 2;"
	expect([]string{"changed R__view.sql"}, []string{"select 2"})
	expect(nil, nil)
	bodies["R__view.sql"] = "select 1;" // the text of the first run: only the newest checksum counts
	expect([]string{"changed R__view.sql"}, []string{"select 1"})
}

func TestChangedVersionedScriptIsRefused(t *testing.T) {
	t.Parallel()
	m, r := newMigrator(t, newDatabase(), "ours")
	if _, err := m.Apply(t.Context(), parse(t, map[string]string{"V1__a.sql": "select 1;", "V2__b.sql": "select 2;"})); err != nil {
		t.Fatal(err)
	}
	r.ran = nil
	changed := parse(t, map[string]string{"V1__a.sql": "select 3;", "V2__b.sql": "select 4;", "V3__c.sql": "select 5;"})
	_, planned := m.Plan(t.Context(), changed)
	_, applied := m.Apply(t.Context(), changed)
	for _, err := range []error{planned, applied} {
		if err == nil || !strings.Contains(err.Error(), "V1__a.sql was changed after its run") || !strings.Contains(err.Error(), "V2__b.sql was changed after its run") {
			t.Errorf("the error doesn't name both scripts: %v", err)
		}
	}
	if r.ran != nil {
		t.Errorf("statements ran: %v", r.ran)
	}
}

func TestApplyStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	m, r := newMigrator(t, newDatabase(), "ours")
	refused := errors.New("refused")
	r.before = func(statement string) error {
		if statement == "select 'b 2'" {
			return refused
		}
		return nil
	}
	scripts := parse(t, map[string]string{"V1__a.sql": "select 'a';", "V2__b.sql": "select 'b 1';\nselect 'b 2';", "V3__c.sql": "select 'c';"})
	done, err := m.Apply(t.Context(), scripts)
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "V2__b.sql") {
		t.Errorf("the error doesn't name the script: %v", err)
	}
	if diff := cmp.Diff([]string{"new V1__a.sql"}, describeSteps(done.Steps)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"select 'a'", "select 'b 1'"}, r.ran); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
	r.before = nil
	done, err = m.Apply(t.Context(), scripts) // the lock is free, and the failed script runs again
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new V2__b.sql", "new V3__c.sql"}, describeSteps(done.Steps)); diff != "" {
		t.Errorf("steps of the second run (-want +got):\n%s", diff)
	}
}

// TestOwnScriptsRunTwiceOnStandIn migrates the stand-in of Snowflake twice with firn's
// own scripts.
func TestOwnScriptsRunTwiceOnStandIn(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	scripts := ownScripts(t, database)
	m, r := newMigrator(t, database, "ours")
	for _, want := range []int{len(scripts), 0} {
		done, err := m.Apply(t.Context(), scripts)
		if err != nil {
			t.Fatal(err)
		}
		if len(done.Steps) != want {
			t.Errorf("%d scripts ran, want %d", len(done.Steps), want)
		}
	}
	rows, err := r.Session.Query(t.Context(), "read lock row", "select contract, paused from raw.shop_item_loads where object = '~lock'")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows.Rows) != 1 || rows.Text(0, "contract") == "" || rows.Bool(0, "paused") {
		t.Errorf("lock rows %+v", rows.Rows)
	}
	history, err := r.Session.Query(t.Context(), "read history", "select script, applied_by from ops.change_history where script <> '~lock' and applied_at is not null")
	if err != nil {
		t.Fatal(err)
	}
	if len(history.Rows) != len(scripts) || history.Text(0, "applied_by") != "ours" {
		t.Errorf("history rows %+v", history.Rows)
	}
}
