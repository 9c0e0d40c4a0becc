//go:build standin

package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// counted has a script that shows how often it ran.
func counted(t *testing.T) []migrate.Script {
	t.Helper()
	return parse(t, map[string]string{
		"V1__table.sql": "create table if not exists ops.ran (n number(38, 0));",
		"V2__row.sql":   "insert into ops.ran values (1);",
		"V3__more.sql":  "select 1;",
	})
}

// runs counts the runs of V2__row.sql.
func runs(t *testing.T, session *snowflake.Session, database string) int64 {
	t.Helper()
	result, err := session.Query(t.Context(), "count runs", "select count(*) as n from "+database+".ops.ran")
	if err != nil {
		t.Fatal(err)
	}
	return result.Number(0, "n")
}

// TestConcurrentMigrationsRunEachScriptOnce races migrations of a database that isn't there yet:
// each script runs once, and who comes second is told of the first.
func TestConcurrentMigrationsRunEachScriptOnce(t *testing.T) {
	t.Parallel()
	for round := range 2 {
		database := newDatabase()
		scripts := counted(t)
		var all sync.WaitGroup
		for i := range 4 {
			m, _ := newMigrator(t, database, fmt.Sprintf("migration %d of round %d", i, round))
			all.Go(func() {
				for {
					_, err := m.Apply(t.Context(), scripts)
					if err == nil {
						return
					}
					if !fault.Is(err, fault.LockBusy) {
						t.Errorf("%s: %v", m.Name, err)
						return
					}
				}
			})
		}
		all.Wait()
		if n := runs(t, laptoptest.OpenSnowflake(t, ""), database); n != 1 {
			t.Errorf("round %d: the script ran %d times", round, n)
		}
	}
}

// TestSecondMigrationIsRefused begins a migration in the midst of another one.
func TestSecondMigrationIsRefused(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	first, session := newMigrator(t, database, "the first")
	second, _ := newMigrator(t, database, "the second")
	session.before = func(statement string) error {
		if !strings.HasPrefix(statement, "insert") {
			return nil
		}
		_, err := second.Apply(t.Context(), counted(t))
		f := fault.As(err)
		if f == nil || f.Code != fault.LockBusy || !strings.Contains(f.Error(), "a migration runs: the first, last heard of at 20") || !strings.Contains(f.Hint, "--break-lock") {
			t.Errorf("the second one is told %v", err)
		}
		return nil
	}
	if _, err := first.Apply(t.Context(), counted(t)); err != nil {
		t.Fatal(err)
	}
	done, err := second.Apply(t.Context(), counted(t))
	if err != nil || len(done.Steps) > 0 || done.TookOver != nil {
		t.Errorf("after the first one, the second did %+v, %v", done, err)
	}
	if n := runs(t, session.Session, database); n != 1 {
		t.Errorf("the script ran %d times", n)
	}
}

// TestScriptRunByAnotherMigrationIsSkipped: what another migration ran between a migration's
// first look and its lock doesn't run again.
func TestScriptRunByAnotherMigrationIsSkipped(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	first, session := newMigrator(t, database, "the first")
	second, _ := newMigrator(t, database, "the second")
	late := &hookedSession{Session: session.Session, op: "prepare change history", do: func() {
		if _, err := second.Apply(t.Context(), counted(t)); err != nil {
			t.Error(err)
		}
	}}
	first.Session = late
	done, err := first.Apply(t.Context(), counted(t))
	if err != nil || len(done.Steps) > 0 {
		t.Errorf("it did %v, %v", words(done.Steps), err)
	}
	if n := runs(t, session.Session, database); n != 1 {
		t.Errorf("the script ran %d times", n)
	}
}

// hookedSession is a session that does something before the first statement of an
// operation.
type hookedSession struct {
	*snowflake.Session
	op string
	do func()
}

func (i *hookedSession) Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error) {
	if op == i.op && i.do != nil {
		do := i.do
		i.do = nil
		do()
	}
	return i.Session.Query(ctx, op, statement, args...)
}

// interruptedMigration leaves the lock as a migration does that dies in its second script, and
// was last heard of so many minutes ago.
func interruptedMigration(t *testing.T, minutesAgo int) (database string, scripts []migrate.Script) {
	t.Helper()
	database, scripts = newDatabase(), counted(t)
	m, session := newMigrator(t, database, "the dead one")
	killed := errors.New("killed")
	session.before = func(statement string) error {
		if !strings.HasPrefix(statement, "insert") {
			return nil
		}
		return killed
	}
	if _, err := m.Apply(t.Context(), scripts); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	// A killed process doesn't release it.
	statement := fmt.Sprintf("update %s.ops.change_history set holder = 'the dead one', seen_at = dateadd(minute, -%d, current_timestamp()) where script = '~lock'", database, minutesAgo)
	if _, err := session.Exec(t.Context(), "leave lock", statement); err != nil {
		t.Fatal(err)
	}
	return database, scripts
}

func TestDeadMigrationBlocksForFifteenMinutes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		minutesAgo int
		breakLock  bool
		want       bool
	}{
		{"it may be alive", 14, false, false},
		{"it is dead", 16, false, true},
		{"a person says that it is dead", 0, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			database, scripts := interruptedMigration(t, test.minutesAgo)
			m, session := newMigrator(t, database, "ours")
			m.BreakLock = test.breakLock
			done, err := m.Apply(t.Context(), scripts)
			if !test.want {
				if !fault.Is(err, fault.LockBusy) || len(done.Steps) > 0 {
					t.Errorf("it did %v, %v", words(done.Steps), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if done.TookOver == nil || done.TookOver.Name != "the dead one" || time.Since(done.TookOver.SeenAt) < time.Duration(test.minutesAgo)*time.Minute {
				t.Errorf("it says that it took over from %+v", done.TookOver)
			}
			if n := runs(t, session.Session, database); n != 1 || len(done.Steps) != 2 {
				t.Errorf("the script ran %d times, and %v", n, words(done.Steps))
			}
			again, err := m.Apply(t.Context(), parse(t, map[string]string{"V4__next.sql": "select 4;"}))
			if err != nil || again.TookOver != nil {
				t.Errorf("it didn't release the lock: %+v, %v", again, err)
			}
		})
	}
}

// TestRunningMigrationRefreshesLock: with a clock that says that each statement
// took two minutes, the lock row's time moves on.
func TestRunningMigrationRefreshesLock(t *testing.T) {
	t.Parallel()
	m, session := newMigrator(t, newDatabase(), "ours")
	now := time.Now()
	m.Now = func() time.Time {
		now = now.Add(2 * time.Minute)
		return now
	}
	seen := func() time.Time {
		result, err := session.Session.Query(t.Context(), "look", "select seen_at from ops.change_history where script = '~lock'")
		if err != nil {
			t.Fatal(err)
		}
		return result.Time(0, "seen_at")
	}
	var last time.Time
	session.before = func(string) error {
		at := seen()
		if !at.After(last) {
			t.Errorf("the last sign of life is of %s still", at)
		}
		last = at
		return nil
	}
	if _, err := m.Apply(t.Context(), counted(t)); err != nil {
		t.Fatal(err)
	}
}

// TestMigrationStopsAfterLosingLock: another one took the lock over while a
// statement ran, or while the migration slept before one.
func TestMigrationStopsAfterLosingLock(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		slept time.Duration
		after string
		ran   int
	}{
		{"a statement ran", 0, "insert into ops.ran values (1)", 2},
		{"it slept", time.Hour, "create table if not exists ops.ran (n number(38, 0))", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, session := newMigrator(t, newDatabase(), "ours")
			now := time.Now()
			m.Now = func() time.Time { return now }
			session.before = func(statement string) error {
				if statement != test.after {
					return nil
				}
				now = now.Add(test.slept)
				_, err := session.Exec(t.Context(), "take over", "update ops.change_history set holder = 'theirs' where script = '~lock'")
				return err
			}
			body := "create table if not exists ops.ran (n number(38, 0));\ninsert into ops.ran values (1);"
			_, err := m.Apply(t.Context(), parse(t, map[string]string{"V1__a.sql": body, "V2__b.sql": "select 1;"}))
			if !fault.Is(err, fault.LockBusy) || !strings.Contains(err.Error(), "another migration took it over from ours") {
				t.Errorf("it says %v", err)
			}
			if len(session.ran) != test.ran {
				t.Errorf("it ran %v", session.ran)
			}
			result, err := session.Session.Query(t.Context(), "look", "select script, holder from ops.change_history")
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Rows) != 1 || result.Text(0, "holder") != "theirs" {
				t.Errorf("the history holds %+v", result.Rows)
			}
		})
	}
}

// TestMigrationWithoutWarehouseExplainsSetup: a new account's user may have none.
func TestMigrationWithoutWarehouseExplainsSetup(t *testing.T) {
	t.Parallel()
	m, session := newMigrator(t, newDatabase(), "ours")
	m.Session = refused{session}
	_, err := m.Apply(t.Context(), counted(t))
	if f := fault.As(err); f == nil || f.Code != fault.WarehouseAway || !strings.Contains(f.Hint, "SNOWFLAKE_WAREHOUSE") {
		t.Errorf("it says %v", err)
	}
}

// refused is a session without a warehouse, in which a table can't be made of a
// select.
type refused struct{ migrate.Session }

func (r refused) Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error) {
	if strings.Contains(statement, " as select ") {
		return snowflake.Result{}, snowflake.Fault(op, statement,
			&sf.SnowflakeError{Number: 606, SQLState: "57P03", Message: "No active warehouse selected in the current session"})
	}
	return r.Session.Query(ctx, op, statement, args...)
}

// TestInterruptedMigrationReleasesLock: the command's context ends by
// SIGINT.
func TestInterruptedMigrationReleasesLock(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	m, session := newMigrator(t, database, "ours")
	ctx, interrupt := context.WithCancel(t.Context())
	session.before = func(string) error {
		interrupt()
		return nil
	}
	if _, err := m.Apply(ctx, counted(t)); err == nil {
		t.Fatal("it went on")
	}
	next, _ := newMigrator(t, database, "the next")
	if done, err := next.Apply(t.Context(), counted(t)); err != nil || done.TookOver != nil {
		t.Errorf("the next one did %+v, %v", done, err)
	}
}
