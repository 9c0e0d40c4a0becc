package loadtest

import (
	"context"
	"errors"
	"sync"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// Around stands around one step of a loader: it runs the step or doesn't, and
// returns what the loader is told.
type Around func(step string, run func() error) error

// Intercept puts something around every statement of a warehouse, Open and
// Close among them.
func Intercept(on load.Warehouse, around Around) load.Warehouse {
	return &intercepted{Warehouse: on, around: around}
}

type intercepted struct {
	load.Warehouse
	around Around
}

// Open implements load.Warehouse.
func (i *intercepted) Open(ctx context.Context, dataset, loadID string) (session load.Session, err error) {
	err = i.around("log in", func() error {
		inner, err := i.Warehouse.Open(ctx, dataset, loadID)
		if err == nil {
			session = &interceptedSession{inner: inner, around: i.around}
		}
		return err
	})
	return session, err
}

type interceptedSession struct {
	inner  load.Session
	around Around
}

var _ load.Session = (*interceptedSession)(nil)

// Begin implements load.Session, and so do the others.
func (s *interceptedSession) Begin(ctx context.Context) error {
	return s.around("begin", func() error { return s.inner.Begin(ctx) })
}

// TakeLock implements load.Session.
func (s *interceptedSession) TakeLock(ctx context.Context) (rows int64, err error) {
	err = s.around("take the lock", func() (err error) { rows, err = s.inner.TakeLock(ctx); return err })
	return rows, err
}

// ReadLedger implements load.Session.
func (s *interceptedSession) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (lock load.Lock, rows []load.LedgerRow, err error) {
	err = s.around("read the ledger", func() (err error) { lock, rows, err = s.inner.ReadLedger(ctx, keys, contents); return err })
	return lock, rows, err
}

// Forget implements load.Session.
func (s *interceptedSession) Forget(ctx context.Context, objects []object.ID) error {
	return s.around("forget", func() error { return s.inner.Forget(ctx, objects) })
}

// Delete implements load.Session.
func (s *interceptedSession) Delete(ctx context.Context, from load.Table, objects []object.ID, within load.Window) (deleted int64, err error) {
	err = s.around("delete", func() (err error) { deleted, err = s.inner.Delete(ctx, from, objects, within); return err })
	return deleted, err
}

// Copy implements load.Session.
func (s *interceptedSession) Copy(ctx context.Context, into load.Table, files []string, force bool) (copied load.Copied, err error) {
	err = s.around("copy", func() (err error) { copied, err = s.inner.Copy(ctx, into, files, force); return err })
	return copied, err
}

// Count implements load.Session.
func (s *interceptedSession) Count(ctx context.Context, of load.Table, objects []object.ID) (counts map[object.ID]int64, err error) {
	err = s.around("count", func() (err error) { counts, err = s.inner.Count(ctx, of, objects); return err })
	return counts, err
}

// Record implements load.Session.
func (s *interceptedSession) Record(ctx context.Context, rows []load.LedgerRow) error {
	return s.around("record", func() error { return s.inner.Record(ctx, rows) })
}

// Standing implements load.Session.
func (s *interceptedSession) Standing(ctx context.Context, keys []load.Key) (standing load.Standing, err error) {
	err = s.around("check the ledger", func() (err error) { standing, err = s.inner.Standing(ctx, keys); return err })
	return standing, err
}

// LoadedBy implements load.Session.
func (s *interceptedSession) LoadedBy(ctx context.Context, loadID string) (objects []object.ID, err error) {
	err = s.around("ask the ledger for the load", func() (err error) { objects, err = s.inner.LoadedBy(ctx, loadID); return err })
	return objects, err
}

// Commit implements load.Session.
func (s *interceptedSession) Commit(ctx context.Context) error {
	return s.around("commit", func() error { return s.inner.Commit(ctx) })
}

// Rollback implements load.Session.
func (s *interceptedSession) Rollback(ctx context.Context) error {
	return s.around("roll back", func() error { return s.inner.Rollback(ctx) })
}

// Close implements load.Session.
func (s *interceptedSession) Close() error { return s.around("close", s.inner.Close) }

// Death ends one loader at a step, as a kill does: nothing that it tries
// afterwards reaches anybody. What its transaction holds stays until Bury.
type Death struct {
	// At is the step, from 1: the statements, the news and the journal's
	// writes. 0 is never.
	At int
	// After lets the step take effect, and only its answer is lost.
	After bool

	mutex    sync.Mutex
	steps    int
	dead     bool
	sessions []load.Session
}

// Around is an Around.
func (d *Death) Around(_ string, run func() error) error {
	if d.strikes() {
		if d.After {
			_ = run() // nobody hears of it
		}
		return nobody()
	}
	if d.Dead() {
		return nobody()
	}
	return run()
}

func nobody() error {
	return fault.Dependency("live on", fault.SnowflakeAway, errors.New("the loader is dead"))
}

func (d *Death) strikes() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.steps++
	if d.dead || d.steps != d.At {
		return false
	}
	d.dead = true
	return true
}

// Dead reports whether the loader has died.
func (d *Death) Dead() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.dead
}

// Of makes a loader mortal.
func (d *Death) Of(l *load.Loader) *load.Loader {
	mortal := *l
	mortal.Warehouse = Intercept(&attended{Warehouse: l.Warehouse, death: d}, d.Around)
	mortal.Journal = &mortalJournal{Journal: l.Journal, death: d}
	mortal.Publisher = &mortalPublisher{inner: l.Publisher, death: d}
	return &mortal
}

// Bury ends what the dead loader left open, as Snowflake does with an idle
// transaction that blocks another one.
func (d *Death) Bury() error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if !d.dead {
		return nil
	}
	var faults []error
	for _, session := range d.sessions {
		faults = append(faults, session.Close())
	}
	d.sessions = nil
	return errors.Join(faults...)
}

// attended knows which sessions are open.
type attended struct {
	load.Warehouse
	death *Death
}

// Open implements load.Warehouse.
func (a *attended) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := a.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	session := &attendedSession{Session: inner}
	a.death.mutex.Lock()
	defer a.death.mutex.Unlock()
	a.death.sessions = append(a.death.sessions, session)
	return session, nil
}

type attendedSession struct {
	load.Session

	closed bool
}

// Close implements load.Session. A session that the dead loader closed is
// buried already.
func (s *attendedSession) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.Session.Close()
}

type mortalJournal struct {
	load.Journal
	death *Death
}

// Loaded implements load.Journal.
func (j *mortalJournal) Loaded(ctx context.Context, id object.ID, l journal.Load) error {
	return j.death.Around("journal", func() error { return j.Journal.Loaded(ctx, id, l) })
}

// Superseded implements load.Journal.
func (j *mortalJournal) Superseded(ctx context.Context, id, by object.ID) error {
	return j.death.Around("journal", func() error { return j.Journal.Superseded(ctx, id, by) })
}

type mortalPublisher struct {
	inner load.Publisher
	death *Death
}

// Publish implements load.Publisher.
func (p *mortalPublisher) Publish(ctx context.Context, n load.News) error {
	return p.death.Around("publish", func() error { return p.inner.Publish(ctx, n) })
}
