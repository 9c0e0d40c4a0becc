package loadtest

import (
	"context"
	"errors"
	"sync"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Interceptor replaces one step of a loader. The interceptor may call run, and returns
// the step's error.
type Interceptor func(step string, run func() error) error

// Intercept wraps a warehouse. Every statement goes through the interceptor, Open and
// Close included.
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

// Begin implements load.Session. The other methods do the same for their statements.
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

// End implements load.Session.
func (s *interceptedSession) End(ctx context.Context, rows []load.EndedRow) error {
	return s.intercept("record ended rows", func() error { return s.inner.End(ctx, rows) })
}

// WithdrawnIn implements load.Session.
func (s *interceptedSession) WithdrawnIn(ctx context.Context, loadID string, key load.Key) (objects []object.ID, err error) {
	err = s.intercept("read ended rows", func() (err error) { objects, err = s.inner.WithdrawnIn(ctx, loadID, key); return err })
	return objects, err
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
func (s *interceptedSession) CountLedger(ctx context.Context, keys []load.Key) (count load.LedgerCount, err error) {
	err = s.intercept("check the ledger", func() (err error) { count, err = s.inner.CountLedger(ctx, keys); return err })
	return count, err
}

// Deliveries implements load.Session.
func (s *interceptedSession) Deliveries(ctx context.Context, c *contract.Contract) (all []load.Delivery, err error) {
	err = s.intercept("read the deliveries", func() (err error) { all, err = s.inner.Deliveries(ctx, c); return err })
	return all, err
}

// Hold implements load.Session.
func (s *interceptedSession) Hold(ctx context.Context, c *contract.Contract, deliveries []string, held bool) error {
	return s.intercept("hold deliveries", func() error { return s.inner.Hold(ctx, c, deliveries, held) })
}

// Accept implements load.Session.
func (s *interceptedSession) Accept(ctx context.Context, c *contract.Contract, delivery, by string) (files int64, err error) {
	err = s.intercept("accept the delivery", func() (err error) { files, err = s.inner.Accept(ctx, c, delivery, by); return err })
	return files, err
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

// Crash stops one loader at a step, as a kill does. No later step of this loader has an
// effect. The open transaction keeps its locks until CloseSessions.
type Crash struct {
	// At is the number of the fatal step, from 1. Statements, announcements and journal
	// writes are steps. 0 means no crash.
	At int
	// After runs the fatal step, but the loader gets no answer.
	After bool

	mutex    sync.Mutex
	steps    int
	crashed  bool
	sessions []load.Session
}

// Intercept is an Interceptor.
func (c *Crash) Intercept(_ string, run func() error) error {
	if c.crashesNow() {
		if c.After {
			_ = run() // the loader doesn't get the error
		}
		return crashError()
	}
	if c.Crashed() {
		return crashError()
	}
	return run()
}

func crashError() error {
	return fault.Dependency("run the loader", fault.SnowflakeAway, errors.New("the loader has crashed"))
}

func (c *Crash) crashesNow() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.steps++
	if c.crashed || c.steps != c.At {
		return false
	}
	c.crashed = true
	return true
}

// Crashed reports whether the loader has crashed.
func (c *Crash) Crashed() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.crashed
}

// Wrap returns a copy of the loader that crashes at the step.
func (c *Crash) Wrap(l *load.Loader) *load.Loader {
	crashing := *l
	crashing.Warehouse = Intercept(&recordingWarehouse{Warehouse: l.Warehouse, crash: c}, c.Intercept)
	crashing.Journal = &crashingJournal{Journal: l.Journal, crash: c}
	crashing.Publisher = &crashingPublisher{inner: l.Publisher, crash: c}
	if l.Files != nil {
		crashing.Files = &crashingFiles{inner: l.Files, crash: c}
	}
	crashing.Notices = &crashingNotices{inner: l.Notices, crash: c}
	return &crashing
}

// CloseSessions closes the open sessions of the crashed loader. Snowflake does the same
// with an idle transaction that blocks another transaction.
func (c *Crash) CloseSessions() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.crashed {
		return nil
	}
	var faults []error
	for _, session := range c.sessions {
		faults = append(faults, session.Close())
	}
	c.sessions = nil
	return errors.Join(faults...)
}

// recordingWarehouse records the sessions, for CloseSessions.
type recordingWarehouse struct {
	load.Warehouse
	crash *Crash
}

// Open implements load.Warehouse.
func (w *recordingWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := w.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	session := &recordedSession{Session: inner}
	w.crash.mutex.Lock()
	defer w.crash.mutex.Unlock()
	w.crash.sessions = append(w.crash.sessions, session)
	return session, nil
}

type recordedSession struct {
	load.Session

	closed bool
}

// Close implements load.Session. Close does nothing for a session that the loader
// closed before the crash.
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

// Withdrawn implements load.Journal.
func (j *crashingJournal) Withdrawn(ctx context.Context, id object.ID, w journal.Withdrawal) error {
	return j.crash.Intercept("journal", func() error { return j.Journal.Withdrawn(ctx, id, w) })
}

// Superseded implements load.Journal.
func (j *crashingJournal) Superseded(ctx context.Context, id, by object.ID) error {
	return j.crash.Intercept("journal", func() error { return j.Journal.Superseded(ctx, id, by) })
}

// SetDeliveries implements load.Journal.
func (j *crashingJournal) SetDeliveries(ctx context.Context, dataset string, seq int64, d journal.Deliveries) error {
	return j.crash.Intercept("journal", func() error { return j.Journal.SetDeliveries(ctx, dataset, seq, d) })
}

// NewColumns implements load.Journal. The read is a step too.
func (j *crashingJournal) NewColumns(ctx context.Context, dataset string) (n work.NewColumns, err error) {
	err = j.crash.Intercept("journal", func() (err error) { n, err = j.Journal.NewColumns(ctx, dataset); return err })
	return n, err
}

type crashingNotices struct {
	inner load.Notices
	crash *Crash
}

// Held implements load.Notices.
func (n *crashingNotices) Held(ctx context.Context, h work.HeldDelivery) error {
	return n.crash.Intercept("notice", func() error { return n.inner.Held(ctx, h) })
}

// NewColumns implements load.Notices.
func (n *crashingNotices) NewColumns(ctx context.Context, columns work.NewColumns) error {
	return n.crash.Intercept("notice", func() error { return n.inner.NewColumns(ctx, columns) })
}

type crashingFiles struct {
	inner load.Files
	crash *Crash
}

// DeleteFiles implements load.Files.
func (f *crashingFiles) DeleteFiles(ctx context.Context, dataset string, id object.ID) error {
	return f.crash.Intercept("delete files", func() error { return f.inner.DeleteFiles(ctx, dataset, id) })
}

type crashingPublisher struct {
	inner load.Publisher
	crash *Crash
}

// Publish implements load.Publisher.
func (p *crashingPublisher) Publish(ctx context.Context, n load.Announcement) error {
	return p.crash.Intercept("publish", func() error { return p.inner.Publish(ctx, n) })
}
