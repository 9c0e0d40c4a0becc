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

// countingScripts returns scripts; the second script inserts a row for each of its runs.
func countingScripts(t *testing.T) []migrate.Script {
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

// TestConcurrentMigrationsRunEachScriptOnce runs concurrent migrations of a missing
// database. Each script runs once, and a second migration gets a fault with the name of
// the first.
func TestConcurrentMigrationsRunEachScriptOnce(t *testing.T) {
	t.Parallel()
	for round := range 2 {
		database := newDatabase()
		scripts := countingScripts(t)
		var group sync.WaitGroup
		for i := range 4 {
			m, _ := newMigrator(t, database, fmt.Sprintf("migration %d of round %d", i, round))
			group.Go(func() {
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
		group.Wait()
		if n := runs(t, laptoptest.OpenSnowflake(t, ""), database); n != 1 {
			t.Errorf("round %d: the script ran %d times, want 1", round, n)
		}
	}
}

// TestSecondMigrationIsRefused starts a migration during another migration.
func TestSecondMigrationIsRefused(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	first, session := newMigrator(t, database, "the first")
	second, _ := newMigrator(t, database, "the second")
	session.before = func(statement string) error {
		if !strings.HasPrefix(statement, "insert") {
			return nil
		}
		_, err := second.Apply(t.Context(), countingScripts(t))
		f := fault.As(err)
		if f == nil || f.Code != fault.LockBusy || !strings.Contains(f.Error(), "another migration is running: the first, last refresh of its lock at 20") || !strings.Contains(f.Hint, "--break-lock") {
			t.Errorf("error of the second migration: %v", err)
		}
		return nil
	}
	if _, err := first.Apply(t.Context(), countingScripts(t)); err != nil {
		t.Fatal(err)
	}
	done, err := second.Apply(t.Context(), countingScripts(t))
	if err != nil || len(done.Steps) > 0 || done.TookOver != nil {
		t.Errorf("second migration after the first: got %+v, %v, want no steps", done, err)
	}
	if n := runs(t, session.Session, database); n != 1 {
		t.Errorf("the script ran %d times, want 1", n)
	}
}

// TestScriptRunByAnotherMigrationIsSkipped runs another migration between the first
// plan and the lock of a migration. The scripts of the other migration don't run again.
func TestScriptRunByAnotherMigrationIsSkipped(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	first, session := newMigrator(t, database, "the first")
	second, _ := newMigrator(t, database, "the second")
	late := &hookedSession{Session: session.Session, op: "prepare change history", do: func() {
		if _, err := second.Apply(t.Context(), countingScripts(t)); err != nil {
			t.Error(err)
		}
	}}
	first.Session = late
	done, err := first.Apply(t.Context(), countingScripts(t))
	if err != nil || len(done.Steps) > 0 {
		t.Errorf("got steps %v, error %v", describeSteps(done.Steps), err)
	}
	if n := runs(t, session.Session, database); n != 1 {
		t.Errorf("the script ran %d times, want 1", n)
	}
}

// hookedSession is a session that calls a function before the first statement of an
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

// interruptedMigration leaves the lock of a migration that died in its second script,
// with the last refresh so many minutes ago.
func interruptedMigration(t *testing.T, minutesAgo int) (database string, scripts []migrate.Script) {
	t.Helper()
	database, scripts = newDatabase(), countingScripts(t)
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
	// A killed process doesn't release the lock.
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
		{"last refresh within the limit", 14, false, false},
		{"last refresh before the limit", 16, false, true},
		{"lock broken by a person", 0, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			database, scripts := interruptedMigration(t, test.minutesAgo)
			m, session := newMigrator(t, database, "ours")
			m.BreakLock = test.breakLock
			done, err := m.Apply(t.Context(), scripts)
			if !test.want {
				if !fault.Is(err, fault.LockBusy) || len(done.Steps) > 0 {
					t.Errorf("got steps %v, error %v", describeSteps(done.Steps), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if done.TookOver == nil || done.TookOver.Name != "the dead one" || time.Since(done.TookOver.SeenAt) < time.Duration(test.minutesAgo)*time.Minute {
				t.Errorf("TookOver is %+v", done.TookOver)
			}
			if n := runs(t, session.Session, database); n != 1 || len(done.Steps) != 2 {
				t.Errorf("the script ran %d times, want 1; steps %v, want 2", n, describeSteps(done.Steps))
			}
			again, err := m.Apply(t.Context(), parse(t, map[string]string{"V4__next.sql": "select 4;"}))
			if err != nil || again.TookOver != nil {
				t.Errorf("the lock wasn't released: %+v, %v", again, err)
			}
		})
	}
}

// TestRunningMigrationRefreshesLock uses a clock with two minutes for each statement.
// The lock row's time increases.
func TestRunningMigrationRefreshesLock(t *testing.T) {
	t.Parallel()
	m, session := newMigrator(t, newDatabase(), "ours")
	now := time.Now()
	m.Now = func() time.Time {
		now = now.Add(2 * time.Minute)
		return now
	}
	seen := func() time.Time {
		result, err := session.Session.Query(t.Context(), "read history", "select seen_at from ops.change_history where script = '~lock'")
		if err != nil {
			t.Fatal(err)
		}
		return result.Time(0, "seen_at")
	}
	var last time.Time
	session.before = func(string) error {
		at := seen()
		if !at.After(last) {
			t.Errorf("the last refresh is still at %s", at)
		}
		last = at
		return nil
	}
	if _, err := m.Apply(t.Context(), countingScripts(t)); err != nil {
		t.Fatal(err)
	}
}

// TestMigrationStopsAfterLosingLock lets another migration take the lock over: during a
// statement, or during a long pause before a statement.
func TestMigrationStopsAfterLosingLock(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		pause time.Duration
		after string
		ran   int
	}{
		{"during a statement", 0, "insert into ops.ran values (1)", 2},
		{"during a pause", time.Hour, "create table if not exists ops.ran (n number(38, 0))", 1},
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
				now = now.Add(test.pause)
				_, err := session.Exec(t.Context(), "take over", "update ops.change_history set holder = 'theirs' where script = '~lock'")
				return err
			}
			body := "create table if not exists ops.ran (n number(38, 0));\ninsert into ops.ran values (1);"
			_, err := m.Apply(t.Context(), parse(t, map[string]string{"V1__a.sql": body, "V2__b.sql": "select 1;"}))
			if !fault.Is(err, fault.LockBusy) || !strings.Contains(err.Error(), "another migration took the lock over from ours") {
				t.Errorf("got error %v", err)
			}
			if len(session.ran) != test.ran {
				t.Errorf("statements ran: %v", session.ran)
			}
			result, err := session.Session.Query(t.Context(), "read history", "select script, holder from ops.change_history")
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Rows) != 1 || result.Text(0, "holder") != "theirs" {
				t.Errorf("history rows %+v", result.Rows)
			}
		})
	}
}

// TestMigrationWithoutWarehouseExplainsSetup checks the hint for a new account, where a
// user may have no warehouse.
func TestMigrationWithoutWarehouseExplainsSetup(t *testing.T) {
	t.Parallel()
	m, session := newMigrator(t, newDatabase(), "ours")
	m.Session = sessionWithoutWarehouse{session}
	_, err := m.Apply(t.Context(), countingScripts(t))
	if f := fault.As(err); f == nil || f.Code != fault.WarehouseAway || !strings.Contains(f.Hint, "SNOWFLAKE_WAREHOUSE") {
		t.Errorf("got error %v", err)
	}
}

// sessionWithoutWarehouse is a session without a warehouse: CREATE TABLE … AS SELECT
// fails.
type sessionWithoutWarehouse struct{ migrate.Session }

func (r sessionWithoutWarehouse) Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error) {
	if strings.Contains(statement, " as select ") {
		return snowflake.Result{}, snowflake.Fault(op, statement,
			&sf.SnowflakeError{Number: 606, SQLState: "57P03", Message: "No active warehouse selected in the current session"})
	}
	return r.Session.Query(ctx, op, statement, args...)
}

// TestInterruptedMigrationReleasesLock cancels the context, like SIGINT to the command.
func TestInterruptedMigrationReleasesLock(t *testing.T) {
	t.Parallel()
	database := newDatabase()
	m, session := newMigrator(t, database, "ours")
	ctx, interrupt := context.WithCancel(t.Context())
	session.before = func(string) error {
		interrupt()
		return nil
	}
	if _, err := m.Apply(ctx, countingScripts(t)); err == nil {
		t.Fatal("no error after the interrupt")
	}
	next, _ := newMigrator(t, database, "the next")
	if done, err := next.Apply(t.Context(), countingScripts(t)); err != nil || done.TookOver != nil {
		t.Errorf("next migration: got %+v, %v", done, err)
	}
}
