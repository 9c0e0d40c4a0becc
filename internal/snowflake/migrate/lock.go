package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// lockRow is the SCRIPT of the history's lock row. HOLDER is the migration that
// runs, null if none does, and SEEN_AT its last sign of life.
//
// DDL commits the open transaction (docs.snowflake.com,
// sql-reference/transactions), so no transaction can hold a lock over a script.
// The row does: each claim of it is one UPDATE with a condition, which commits by
// itself, and of two at once one finds the condition broken. It stands in the
// history's own table, because an UPDATE builds on the newest version of its
// table: what the history says after it is no older than the lock. Of another
// table a session may see an older state (sql-reference/parameters,
// READ_CONSISTENCY_MODE).
const lockRow = "~lock"

const (
	// keepEvery is how often a migration gives a sign of life, at most: it does
	// so between statements.
	keepEvery = time.Minute
	// deadAfterMinutes is how long a migration may give no sign of life: longer
	// than a minute, a statement (5 minutes, snowflake.Config), and a statement
	// whose connection was lost (5 minutes more, ABORT_DETACHED_QUERY). By the
	// clock of Snowflake.
	deadAfterMinutes = 15
	// releaseTime bounds the release after the caller's own time is over.
	releaseTime = 10 * time.Second
)

// Holder is a migration that holds the lock.
type Holder struct {
	Name string `json:"name"`
	// SeenAt is its last sign of life.
	SeenAt time.Time `json:"seenAt"`
}

// lock is the history's lock row, held by this migration.
type lock struct {
	*Migrator
	tookOver    *Holder
	refreshedAt time.Time
}

// takeLock claims the lock row: a free one, that of a dead migration, or, to
// break the lock, anybody's.
func (m *Migrator) takeLock(ctx context.Context) (*lock, error) {
	for {
		if claimed, err := m.claim(ctx, "holder is null"); err != nil || claimed {
			return m.held(nil), err
		}
		holder, err := m.holder(ctx)
		if err != nil {
			return nil, err
		}
		if holder.Name == "" { // released in between
			continue
		}
		switch claimed, err := m.takeOver(ctx, holder); {
		case err != nil:
			return nil, err
		case !claimed:
			return nil, busy(holder)
		}
		return m.held(&holder), nil
	}
}

func (m *Migrator) takeOver(ctx context.Context, from Holder) (bool, error) {
	condition := "holder = ?"
	if !m.BreakLock {
		condition += fmt.Sprintf(" and seen_at < dateadd(minute, -%d, current_timestamp())", deadAfterMinutes)
	}
	return m.claim(ctx, condition, from.Name)
}

func (m *Migrator) held(tookOver *Holder) *lock {
	return &lock{Migrator: m, tookOver: tookOver, refreshedAt: m.Now()}
}

// claim takes the lock row if the condition holds of it.
func (m *Migrator) claim(ctx context.Context, condition string, args ...any) (bool, error) {
	result, err := m.Session.Exec(ctx, "take lock of migrations", "update "+m.table()+
		" set holder = ?, seen_at = current_timestamp() where script = '"+lockRow+"' and "+condition, append([]any{m.Name}, args...)...)
	return result.Affected > 0, err
}

// holder reads who holds the lock; no name if nobody does.
func (m *Migrator) holder(ctx context.Context) (Holder, error) {
	const op = "read lock of migrations"
	result, err := m.Session.Query(ctx, op, "select holder, seen_at from "+m.table()+" where script = '"+lockRow+"'")
	if err != nil {
		return Holder{}, err
	}
	if len(result.Rows) != 1 {
		f := fault.Permanentf(op, fault.LedgerBroken, "%s has %d lock rows", m.table(), len(result.Rows))
		f.Hint = "The change history's lock row isn't there exactly once: restore the table by Time Travel."
		return Holder{}, f
	}
	return Holder{Name: result.Text(0, "holder"), SeenAt: result.Time(0, "seen_at")}, nil
}

func busy(by Holder) *fault.Fault {
	f := fault.Dependency("take lock of migrations", fault.LockBusy,
		fmt.Errorf("a migration runs: %s, last heard of at %s", by.Name, by.SeenAt.Format(time.RFC3339)))
	f.Hint = fmt.Sprintf("Give `firn migrate` again once it is over. If it died, that works from %s on; `firn migrate --break-lock` works at once.",
		by.SeenAt.Add(deadAfterMinutes*time.Minute).Format(time.RFC3339))
	return f
}

// refresh gives a sign of life, once a minute. It is an error if another migration
// took the lock over: nothing more may run then.
func (l *lock) refresh(ctx context.Context) error {
	now := l.Now()
	if now.Sub(l.refreshedAt) < keepEvery {
		return nil
	}
	kept, err := l.claim(ctx, "holder = ?", l.Name)
	if err == nil && !kept {
		err = l.lost()
	}
	l.refreshedAt = now
	return err
}

// record writes a script to the history, if the lock is still held.
func (l *lock) record(ctx context.Context, s Script) error {
	result, err := l.Session.Exec(ctx, "write change history", "insert into "+l.table()+" (script, checksum, applied_at, applied_by)"+
		" select ?, ?, current_timestamp(), holder from "+l.table()+" where script = '"+lockRow+"' and holder = ?", s.Name, s.Checksum(), l.Name)
	if err == nil && result.Affected == 0 {
		err = l.lost()
	}
	return err
}

func (l *lock) lost() *fault.Fault {
	f := fault.Permanentf("keep lock of migrations", fault.LockBusy, "another migration took it over from %s", l.Name)
	f.Hint = "Give `firn migrate` again once the other one is over: it goes on where this one stopped."
	return f
}

// release frees the lock, within ten seconds, whatever became of the caller's
// context. One that isn't held any more is left alone.
func (l *lock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	_, err := l.Session.Exec(ctx, "release lock of migrations", "update "+l.table()+
		" set holder = null, seen_at = null where script = '"+lockRow+"' and holder = ?", l.Name)
	return err
}
