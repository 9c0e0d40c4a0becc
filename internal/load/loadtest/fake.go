// Package loadtest tests the load protocol. One suite of cases runs against a strict
// fake of Snowflake in memory, the laptop's Snowflake and a real account.
package loadtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// Fake is Snowflake in memory, at the level of the protocol's statements. Fake is never
// more lenient than Snowflake's documentation:
//
//   - A statement sees the commits from before its start, even after waiting for a lock,
//     and the changes of its own transaction.
//   - Keys are not enforced.
//   - A failed statement aborts the transaction.
//   - UPDATE and MERGE lock the table until the end of the transaction. COPY and INSERT
//     take no lock.
//
// The fields of UndocumentedBehaviour choose between behaviours without documentation.
// The load protocol passes with any choice. The other fields remove a barrier, so that
// tests can show the effect of the barrier. Set all fields before the first use.
type Fake struct {
	UndocumentedBehaviour
	// ReadBeforeLock returns to ReadLedger the commits from before the start of
	// TakeLock. A MERGE that locks and reads in one statement sees the same rows.
	ReadBeforeLock bool
	// HistoryOff copies every named file, and ignores the load history.
	HistoryOff bool
	// LockTimeout is the longest wait for a lock. The default is ten seconds.
	LockTimeout time.Duration

	mutex    sync.Mutex
	clock    int64
	serial   int64
	files    map[string]File
	datasets map[string]*dataset
	opened   int
	// waiting receives a value each time a statement begins to wait for the lock.
	waiting chan struct{}
}

// UndocumentedBehaviour chooses the behaviours without a page in Snowflake's
// documentation. The zero value is the behaviour of the laptop's stand-in, except for
// Rereads.
type UndocumentedBehaviour struct {
	// Rereads lets a statement see the commits during its wait for a lock, as the
	// laptop's stand-in does.
	Rereads bool
	// HistorySurvivesRollback keeps files in the load history after a rollback of their
	// COPY.
	HistorySurvivesRollback bool
	// ErrorsKeepOpen leaves a transaction usable after a failed statement. Snowflake
	// does the same unless TRANSACTION_ABORT_ON_ERROR is set.
	ErrorsKeepOpen bool
	// HistoryForgets records no files in the load history, as if the 64 days of the
	// history were over at once.
	HistoryForgets bool
	// ScanClock is the difference of the clock of _FIRN_LOADED_AT from the clock of the
	// ledger's times.
	ScanClock time.Duration
}

// EveryBehaviour returns every combination of the undocumented behaviours.
func EveryBehaviour() []UndocumentedBehaviour {
	combinations := []UndocumentedBehaviour{{}}
	for _, set := range []func(*UndocumentedBehaviour){
		func(b *UndocumentedBehaviour) { b.Rereads = true },
		func(b *UndocumentedBehaviour) { b.HistorySurvivesRollback = true },
		func(b *UndocumentedBehaviour) { b.ErrorsKeepOpen = true },
		func(b *UndocumentedBehaviour) { b.HistoryForgets = true },
		func(b *UndocumentedBehaviour) { b.ScanClock = -2 * time.Hour },
	} {
		for _, b := range slices.Clone(combinations) {
			set(&b)
			combinations = append(combinations, b)
		}
	}
	return combinations
}

// String lists the differences from the zero value.
func (b UndocumentedBehaviour) String() string {
	var names []string
	for name, on := range map[string]bool{
		"rereads": b.Rereads, "history survives rollback": b.HistorySurvivesRollback, "errors keep open": b.ErrorsKeepOpen,
		"history forgets": b.HistoryForgets, "another scan clock": b.ScanClock != 0,
	} {
		if on {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return cmp.Or(strings.Join(names, ", "), "nothing")
}

// File describes a Parquet file on the stage.
type File struct {
	// Object is the value of _firn_object in every row.
	Object object.ID
	Rows   int64
	// Values has the content of the rows, for tests that compare the content. If Values
	// is set, Rows must be its length.
	Values []Value
	// Broken makes COPY refuse the file. With Anonymous as well, the error doesn't name
	// the file.
	Broken, Anonymous bool
}

// Value is the content of one row in a dataset of ModeContract.
type Value struct {
	ID int64
	// Updated is null if nil.
	Updated *int64
	Name    string
}

type dataset struct {
	lockRows int
	paused   bool
	contract string
	lock     chan struct{}
	// seq is the number of committed locks.
	seq int64
	// queued is the number of sessions that wait for the lock.
	queued  int
	ledger  map[int64]load.LedgerRow
	rows    [2]map[int64]row
	history [2]map[string]bool
	// ended is the table of ended rows. observedEnds are the ends that the fake itself
	// saw, as the difference of the ledger before and after each COMMIT.
	ended        []ended
	observedEnds []load.EndedRow
}

// ended is a row of the table of ended rows, with the load id of its transaction.
type ended struct {
	load.EndedRow

	in string
}

type row struct {
	object object.ID
	at     time.Time
}

// NewFake returns a warehouse without datasets.
func NewFake() *Fake {
	return &Fake{files: make(map[string]File), datasets: make(map[string]*dataset), waiting: make(chan struct{}, 1000)}
}

// Open implements load.Warehouse.
func (f *Fake) Open(_ context.Context, name, loadID string) (load.Session, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.opened++
	return &session{fake: f, name: name, loadID: loadID}, nil
}

// OpenSessions returns the number of open sessions.
func (f *Fake) OpenSessions() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.opened
}

// now returns the time of the server's clock. Each statement has a different time.
func (f *Fake) now() time.Time {
	f.clock++
	return time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).Add(time.Duration(f.clock) * time.Second)
}

func (f *Fake) next() int64 {
	f.serial++
	return f.serial
}

// session is one session of the fake. The changes of the open transaction are separate
// until COMMIT.
type session struct {
	fake   *Fake
	name   string
	loadID string

	open, failed, holdsLock, closed bool

	takenAt time.Time
	// ledgerBeforeLock is the ledger at the start of TakeLock.
	ledgerBeforeLock map[int64]load.LedgerRow

	addedLedger   map[int64]load.LedgerRow
	removedLedger map[int64]bool
	addedRows     [2]map[int64]row
	removedRows   [2]map[int64]bool
	addedHistory  [2]map[string]bool
	addedEnded    []ended
}

var _ load.Session = (*session)(nil)

func (s *session) discardChanges() {
	s.open, s.failed = false, false
	s.ledgerBeforeLock = nil
	s.addedEnded = nil
	s.addedLedger, s.removedLedger = make(map[int64]load.LedgerRow), make(map[int64]bool)
	for t := range s.addedRows {
		s.addedRows[t], s.removedRows[t], s.addedHistory[t] = make(map[int64]row), make(map[int64]bool), make(map[string]bool)
	}
}

// statement runs one statement of the transaction under the fake's mutex.
func (s *session) statement(op string, run func(d *dataset) error) error {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	d := s.fake.datasets[s.name]
	var err error
	switch {
	case s.closed:
		err = fault.Dependency(op, fault.SnowflakeAway, fmt.Errorf("the session is closed"))
	case !s.open:
		err = fault.Retryable(op, fault.Unexpected, fmt.Errorf("no transaction is open"))
	case s.failed:
		err = fault.Dependency(op, fault.LockBusy, fmt.Errorf("the transaction was aborted, and needs a ROLLBACK"))
	case d == nil:
		err = fault.Dependency(op, fault.TableMissing, fmt.Errorf("the tables of %s don't exist", s.name))
	default:
		err = run(d)
	}
	s.failed = s.failed || err != nil && !s.fake.ErrorsKeepOpen
	return err
}

// Begin implements load.Session.
func (s *session) Begin(context.Context) error {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	if s.open {
		return fault.Retryable("begin", fault.Unexpected, fmt.Errorf("a transaction is already open"))
	}
	s.discardChanges()
	s.open = true
	return nil
}

// Commit implements load.Session.
func (s *session) Commit(context.Context) error {
	return s.statement("commit", func(d *dataset) error {
		after := overlay(d.ledger, s.removedLedger, s.addedLedger)
		d.observedEnds = append(d.observedEnds, endsBetween(d.ledger, after)...)
		d.ended = append(d.ended, s.addedEnded...)
		d.ledger = after
		for t := range d.rows {
			d.rows[t] = overlay(d.rows[t], s.removedRows[t], s.addedRows[t])
		}
		if s.holdsLock {
			d.seq++
		}
		s.finish(d, true)
		return nil
	})
}

// Rollback implements load.Session.
func (s *session) Rollback(context.Context) error {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	s.finish(s.fake.datasets[s.name], s.fake.HistorySurvivesRollback)
	return nil
}

// Close implements load.Session.
func (s *session) Close() error {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	if s.closed {
		return fmt.Errorf("the session is closed")
	}
	s.finish(s.fake.datasets[s.name], s.fake.HistorySurvivesRollback)
	s.closed = true
	s.fake.opened--
	return nil
}

// finish ends the transaction and releases the lock.
func (s *session) finish(d *dataset, keepHistory bool) {
	if d == nil || !s.open {
		return
	}
	for t := range d.history {
		for name := range s.addedHistory[t] {
			if keepHistory && !s.fake.HistoryForgets {
				d.history[t][name] = true
			}
		}
	}
	if s.holdsLock {
		d.queued = max(0, d.queued-1) // the lock goes to the first waiting session
		d.lock <- struct{}{}
		s.holdsLock = false
	}
	s.discardChanges()
}
