package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// lockRow is the SCRIPT of the history's lock row. HOLDER is the migration with the lock,
// also after a kill of the migration. A free lock has a null. SEEN_AT is the time of the
// claim or of the holder's last refresh.
//
// No transaction can hold a lock over a script, because DDL commits the open
// transaction (docs.snowflake.com, sql-reference/transactions). So each claim of the
// lock row is one UPDATE with a condition, which commits by itself. Of two concurrent
// claims, one finds the condition false.
//
// The lock row is in the history's own table, because an UPDATE reads the newest
// version of its table. So a history that is read after the claim is as new as the
// lock. In another table, a session may see an older state (sql-reference/parameters,
// READ_CONSISTENCY_MODE).
const lockRow = "~lock"

const (
	// refreshEvery is the shortest time between two refreshes of the lock. A refresh only
	// runs between statements.
	refreshEvery = time.Minute
	// expiresAfterMinutes is the age by Snowflake's clock at which a lock without
	// refresh counts as free. The limit exceeds the sum of three times: refreshEvery, a
	// statement (5 minutes, snowflake.Config) and a statement without connection (5
	// minutes, ABORT_DETACHED_QUERY).
	expiresAfterMinutes = 15
	// releaseTimeout limits the release after the end of the caller's time.
	releaseTimeout = 10 * time.Second
)

// Holder is a migration that holds the lock.
type Holder struct {
	Name string `json:"name"`
	// SeenAt is the time of the claim or of the last refresh, by Snowflake's clock.
	SeenAt time.Time `json:"seenAt"`
}

// lock is the history's lock row, held by this migration.
type lock struct {
	*Migrator
	tookOver    *Holder
	refreshedAt time.Time
}

// Locked runs a function under the history's lock, and returns the migration that lost
// the lock; nil if the lock was free. The history must exist. The function calls refresh
// before each statement: an error of refresh means that no further statement may run. If
// another migration is running, the error is a fault of code lock_busy.
func (m *Migrator) Locked(ctx context.Context, do func(refresh func(context.Context) error) error) (*Holder, error) {
	if err := m.prepare(ctx, false); err != nil {
		return nil, explainMissingWarehouse(err)
	}
	l, err := m.takeLock(ctx)
	if err != nil {
		return nil, explainMissingWarehouse(err)
	}
	err = do(l.refresh)
	return l.tookOver, errors.Join(err, l.release(ctx))
}

// takeLock claims the lock row if the lock is free, or if the holder hasn't refreshed the
// lock for expiresAfterMinutes. With BreakLock, takeLock claims any lock.
func (m *Migrator) takeLock(ctx context.Context) (*lock, error) {
	for {
		if claimed, err := m.claim(ctx, "holder is null"); err != nil || claimed {
			return m.newLock(nil), err
		}
		holder, err := m.holder(ctx)
		if err != nil {
			return nil, err
		}
		if holder.Name == "" { // the holder released the lock in between
			continue
		}
		switch claimed, err := m.takeOver(ctx, holder); {
		case err != nil:
			return nil, err
		case !claimed:
			return nil, busyFault(holder)
		}
		return m.newLock(&holder), nil
	}
}

func (m *Migrator) takeOver(ctx context.Context, from Holder) (bool, error) {
	condition := "holder = ?"
	if !m.BreakLock {
		condition += fmt.Sprintf(" and seen_at < dateadd(minute, -%d, current_timestamp())", expiresAfterMinutes)
	}
	return m.claim(ctx, condition, from.Name)
}

func (m *Migrator) newLock(tookOver *Holder) *lock {
	return &lock{Migrator: m, tookOver: tookOver, refreshedAt: m.Now()}
}

// claim updates the lock row if the condition is true for the row.
func (m *Migrator) claim(ctx context.Context, condition string, args ...any) (bool, error) {
	result, err := m.Session.Exec(ctx, "take lock of migrations", "update "+m.table()+
		" set holder = ?, seen_at = current_timestamp() where script = '"+lockRow+"' and "+condition, append([]any{m.Name}, args...)...)
	return result.Affected > 0, err
}

// holder reads the lock's holder. Without a holder, the name is empty.
func (m *Migrator) holder(ctx context.Context) (Holder, error) {
	const op = "read lock of migrations"
	result, err := m.Session.Query(ctx, op, "select holder, seen_at from "+m.table()+" where script = '"+lockRow+"'")
	if err != nil {
		return Holder{}, err
	}
	if len(result.Rows) != 1 {
		f := fault.Permanentf(op, fault.LedgerBroken, "%s has %d lock rows", m.table(), len(result.Rows))
		f.Hint = "The change history must have exactly one lock row: restore the table by Time Travel."
		return Holder{}, f
	}
	return Holder{Name: result.Text(0, "holder"), SeenAt: result.Time(0, "seen_at")}, nil
}

func busyFault(by Holder) *fault.Fault {
	f := fault.Dependency("take lock of migrations", fault.LockBusy,
		fmt.Errorf("another migration is running: %s, last refresh of its lock at %s", by.Name, by.SeenAt.Format(time.RFC3339)))
	f.Hint = fmt.Sprintf("Run `firn migrate` again after the other migration. If the other migration died, `firn migrate` works from %s on, and `firn migrate --break-lock` works at once.",
		by.SeenAt.Add(expiresAfterMinutes*time.Minute).Format(time.RFC3339))
	return f
}

// refresh updates the lock row's time at most once a minute. After an error no further
// statement may run: another migration took the lock over, or Snowflake didn't answer.
func (l *lock) refresh(ctx context.Context) error {
	now := l.Now()
	if now.Sub(l.refreshedAt) < refreshEvery {
		return nil
	}
	refreshed, err := l.claim(ctx, "holder = ?", l.Name)
	if err == nil && !refreshed {
		err = l.lostFault()
	}
	l.refreshedAt = now
	return err
}

// record writes a script to the history, if this migration still holds the lock.
func (l *lock) record(ctx context.Context, s Script) error {
	result, err := l.Session.Exec(ctx, "write change history", "insert into "+l.table()+" (script, checksum, applied_at, applied_by)"+
		" select ?, ?, current_timestamp(), holder from "+l.table()+" where script = '"+lockRow+"' and holder = ?", s.Name, s.Checksum(), l.Name)
	if err == nil && result.Affected == 0 {
		err = l.lostFault()
	}
	return err
}

func (l *lock) lostFault() *fault.Fault {
	f := fault.Permanentf("refresh lock of migrations", fault.LockBusy, "another migration took the lock over from %s", l.Name)
	f.Hint = "Run `firn migrate` again after the other migration. The new migration continues where this migration stopped."
	return f
}

// release frees the lock, even if the caller's context is over, and waits at most ten
// seconds. A lock of another migration stays.
func (l *lock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_, err := l.Session.Exec(ctx, "release lock of migrations", "update "+l.table()+
		" set holder = null, seen_at = null where script = '"+lockRow+"' and holder = ?", l.Name)
	return err
}
