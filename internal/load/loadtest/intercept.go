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

// Interceptor stands around one step of a loader: it runs the step or doesn't, and
// returns what the loader is told.
type Interceptor func(step string, run func() error) error

// Intercept puts something around every statement of a warehouse, Open and
// Close among them.
func Intercept(on load.Warehouse, around Interceptor) load.Warehouse {
	return &interceptedWarehouse{Warehouse: on, interceptor: around}
}

type interceptedWarehouse struct {
	load.Warehouse
	interceptor Interceptor
}

// Open implements load.Warehouse.
func (i *interceptedWarehouse) Open(ctx context.Context, dataset, loadID string) (session load.Session, err error) {
	err = i.interceptor("log in", func() error {
		inner, err := i.Warehouse.Open(ctx, dataset, loadID)
		if err == nil {
			session = &interceptedSession{inner: inner, intercept: i.interceptor}
		}
		return err
	})
	return session, err
}

type interceptedSession struct {
	inner     load.Session
	intercept Interceptor
}

var _ load.Session = (*interceptedSession)(nil)

// Begin implements load.Session, and so do the others.
func (s *interceptedSession) Begin(ctx context.Context) error {
	return s.intercept("begin", func() error { return s.inner.Begin(ctx) })
}

// TakeLock implements load.Session.
func (s *interceptedSession) TakeLock(ctx context.Context) (rows int64, err error) {
	err = s.intercept("take the lock", func() (err error) { rows, err = s.inner.TakeLock(ctx); return err })
	return rows, err
}

// ReadLedger implements load.Session.
func (s *interceptedSession) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (lock load.Lock, rows []load.LedgerRow, err error) {
	err = s.intercept("read the ledger", func() (err error) { lock, rows, err = s.inner.ReadLedger(ctx, keys, contents); return err })
	return lock, rows, err
}

// Forget implements load.Session.
func (s *interceptedSession) Forget(ctx context.Context, objects []object.ID) error {
	return s.intercept("forget", func() error { return s.inner.Forget(ctx, objects) })
}

// Delete implements load.Session.
func (s *interceptedSession) Delete(ctx context.Context, from load.Table, objects []object.ID, within load.Window) (deleted int64, err error) {
	err = s.intercept("delete", func() (err error) { deleted, err = s.inner.Delete(ctx, from, objects, within); return err })
	return deleted, err
}

// Copy implements load.Session.
func (s *interceptedSession) Copy(ctx context.Context, into load.Table, files []string, force bool) (copied load.Copied, err error) {
	err = s.intercept("copy", func() (err error) { copied, err = s.inner.Copy(ctx, into, files, force); return err })
	return copied, err
}

// Count implements load.Session.
func (s *interceptedSession) Count(ctx context.Context, of load.Table, objects []object.ID) (counts map[object.ID]int64, err error) {
	err = s.intercept("count", func() (err error) { counts, err = s.inner.Count(ctx, of, objects); return err })
	return counts, err
}

// Record implements load.Session.
func (s *interceptedSession) Record(ctx context.Context, rows []load.LedgerRow) error {
	return s.intercept("record", func() error { return s.inner.Record(ctx, rows) })
}

// CountLedger implements load.Session.
func (s *interceptedSession) CountLedger(ctx context.Context, keys []load.Key) (standing load.LedgerCount, err error) {
	err = s.intercept("check the ledger", func() (err error) { standing, err = s.inner.CountLedger(ctx, keys); return err })
	return standing, err
}

// LoadedBy implements load.Session.
func (s *interceptedSession) LoadedBy(ctx context.Context, loadID string) (objects []object.ID, err error) {
	err = s.intercept("ask the ledger for the load", func() (err error) { objects, err = s.inner.LoadedBy(ctx, loadID); return err })
	return objects, err
}

// Commit implements load.Session.
func (s *interceptedSession) Commit(ctx context.Context) error {
	return s.intercept("commit", func() error { return s.inner.Commit(ctx) })
}

// Rollback implements load.Session.
func (s *interceptedSession) Rollback(ctx context.Context) error {
	return s.intercept("roll back", func() error { return s.inner.Rollback(ctx) })
}

// Close implements load.Session.
func (s *interceptedSession) Close() error { return s.intercept("close", s.inner.Close) }

// Crash ends one loader at a step, as a kill does: nothing that it tries
// afterwards reaches anybody. What its transaction holds stays until Bury.
type Crash struct {
	// At is the step, from 1: the statements, the news and the journal's
	// writes. 0 is never.
	At int
	// After lets the step take effect, and only its answer is lost.
	After bool

	mutex    sync.Mutex
	steps    int
	crashed  bool
	sessions []load.Session
}

// Intercept is an Around.
func (d *Crash) Intercept(_ string, run func() error) error {
	if d.crashesNow() {
		if d.After {
			_ = run() // nobody hears of it
		}
		return crashError()
	}
	if d.Crashed() {
		return crashError()
	}
	return run()
}

func crashError() error {
	return fault.Dependency("live on", fault.SnowflakeAway, errors.New("the loader is dead"))
}

func (d *Crash) crashesNow() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.steps++
	if d.crashed || d.steps != d.At {
		return false
	}
	d.crashed = true
	return true
}

// Crashed reports whether the loader has died.
func (d *Crash) Crashed() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.crashed
}

// Wrap makes a loader mortal.
func (d *Crash) Wrap(l *load.Loader) *load.Loader {
	mortal := *l
	mortal.Warehouse = Intercept(&recordingWarehouse{Warehouse: l.Warehouse, crash: d}, d.Intercept)
	mortal.Journal = &crashingJournal{Journal: l.Journal, crash: d}
	mortal.Publisher = &crashingPublisher{inner: l.Publisher, crash: d}
	return &mortal
}

// CloseSessions ends what the dead loader left open, as Snowflake does with an idle
// transaction that blocks another one.
func (d *Crash) CloseSessions() error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if !d.crashed {
		return nil
	}
	var faults []error
	for _, session := range d.sessions {
		faults = append(faults, session.Close())
	}
	d.sessions = nil
	return errors.Join(faults...)
}

// recordingWarehouse knows which sessions are open.
type recordingWarehouse struct {
	load.Warehouse
	crash *Crash
}

// Open implements load.Warehouse.
func (a *recordingWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := a.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	session := &recordedSession{Session: inner}
	a.crash.mutex.Lock()
	defer a.crash.mutex.Unlock()
	a.crash.sessions = append(a.crash.sessions, session)
	return session, nil
}

type recordedSession struct {
	load.Session

	closed bool
}

// Close implements load.Session. A session that the dead loader closed is
// buried already.
func (s *recordedSession) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.Session.Close()
}

type crashingJournal struct {
	load.Journal
	crash *Crash
}

// Loaded implements load.Journal.
func (j *crashingJournal) Loaded(ctx context.Context, id object.ID, l journal.Load) error {
	return j.crash.Intercept("journal", func() error { return j.Journal.Loaded(ctx, id, l) })
}

// Superseded implements load.Journal.
func (j *crashingJournal) Superseded(ctx context.Context, id, by object.ID) error {
	return j.crash.Intercept("journal", func() error { return j.Journal.Superseded(ctx, id, by) })
}

type crashingPublisher struct {
	inner load.Publisher
	crash *Crash
}

// Publish implements load.Publisher.
func (p *crashingPublisher) Publish(ctx context.Context, n load.Announcement) error {
	return p.crash.Intercept("publish", func() error { return p.inner.Publish(ctx, n) })
}
