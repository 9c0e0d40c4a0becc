// Package loadtest proves the load protocol: one suite of cases, run against a
// strict stand-in in memory, the laptop's Snowflake, and an account.
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

// Fake is Snowflake in memory, at the level of the protocol's statements. It
// isn't kinder than what is documented: a statement sees what was committed
// before it began and what its own transaction did, even if it waited for a
// lock meanwhile; keys are not enforced; a failed statement spoils its
// transaction; an UPDATE or MERGE holds its table until the transaction ends,
// COPY and INSERT hold nothing.
//
// The first switches choose where nobody documents what Snowflake does: the
// protocol passes with any of them (Harshness). The others take a barrier away,
// so that tests can show what it is for. Set them before the first use.
type Fake struct {
	UndocumentedBehaviour
	// ReadBeforeLock gives ReadLedger what was committed before TakeLock began:
	// what a MERGE sees that takes the lock and reads in one statement.
	ReadBeforeLock bool
	// HistoryOff copies every file that is named.
	HistoryOff bool
	// LockTimeout defaults to ten seconds.
	LockTimeout time.Duration

	mutex    sync.Mutex
	clock    int64
	serial   int64
	files    map[string]File
	datasets map[string]*dataset
	opened   int
	// waiting is told each time a TakeLock finds the lock taken.
	waiting chan struct{}
}

// UndocumentedBehaviour is what no page of Snowflake's says. The zero value is what the
// laptop's stand-in does, but for Rereads.
type UndocumentedBehaviour struct {
	// Rereads lets a statement that waited for a lock see what was committed
	// while it waited, as the laptop's stand-in does.
	Rereads bool
	// HistorySurvivesRollback keeps files in the load history though the COPY
	// was rolled back.
	HistorySurvivesRollback bool
	// ErrorsKeepOpen leaves a transaction usable after a failed statement, as
	// Snowflake does unless TRANSACTION_ABORT_ON_ERROR is set.
	ErrorsKeepOpen bool
	// HistoryForgets drops what a COPY loaded from the load history at once:
	// its 64 days are over.
	HistoryForgets bool
	// ScanClock is how far the clock behind _FIRN_LOADED_AT is from the one
	// behind the ledger's times.
	ScanClock time.Duration
}

// EveryBehaviour is every combination of what nobody documents.
func EveryBehaviour() []UndocumentedBehaviour {
	combinations := []UndocumentedBehaviour{{}}
	for _, turn := range []func(*UndocumentedBehaviour){
		func(h *UndocumentedBehaviour) { h.Rereads = true },
		func(h *UndocumentedBehaviour) { h.HistorySurvivesRollback = true },
		func(h *UndocumentedBehaviour) { h.ErrorsKeepOpen = true },
		func(h *UndocumentedBehaviour) { h.HistoryForgets = true },
		func(h *UndocumentedBehaviour) { h.ScanClock = -2 * time.Hour },
	} {
		for _, h := range slices.Clone(combinations) {
			turn(&h)
			combinations = append(combinations, h)
		}
	}
	return combinations
}

// String names what differs from the zero value.
func (h UndocumentedBehaviour) String() string {
	var turned []string
	for name, on := range map[string]bool{
		"rereads": h.Rereads, "history survives rollback": h.HistorySurvivesRollback, "errors keep open": h.ErrorsKeepOpen,
		"history forgets": h.HistoryForgets, "another scan clock": h.ScanClock != 0,
	} {
		if on {
			turned = append(turned, name)
		}
	}
	slices.Sort(turned)
	return cmp.Or(strings.Join(turned, ", "), "nothing")
}

// File is a Parquet file as COPY finds it.
type File struct {
	// Object is the value of _firn_object in every row.
	Object object.ID
	Rows   int64
	// Values are the rows, where it matters what is in them; then Rows is their
	// number.
	Values []Value
	// Broken refuses the COPY. Anonymous leaves the file's name out of the
	// message.
	Broken, Anonymous bool
}

// Value is what a row has in a dataset of ModeContract.
type Value struct {
	ID int64
	// Updated is null if it is nil.
	Updated *int64
	Name    string
}

type dataset struct {
	lockRows int
	paused   bool
	contract string
	lock     chan struct{}
	// queued counts those that wait for the lock.
	queued  int
	ledger  map[int64]load.LedgerRow
	rows    [2]map[int64]row
	history [2]map[string]bool
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

// OpenSessions returns how many sessions weren't closed.
func (f *Fake) OpenSessions() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.opened
}

// now is the server's clock: no two statements have the same time.
func (f *Fake) now() time.Time {
	f.clock++
	return time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).Add(time.Duration(f.clock) * time.Second)
}

func (f *Fake) next() int64 {
	f.serial++
	return f.serial
}

// session is one session of the fake. The transaction's own changes are kept
// apart until COMMIT.
type session struct {
	fake   *Fake
	name   string
	loadID string

	open, failed, holdsLock, closed bool

	takenAt time.Time
	// ledgerBeforeLock is the ledger as it was when TakeLock began.
	ledgerBeforeLock map[int64]load.LedgerRow

	addedLedger   map[int64]load.LedgerRow
	removedLedger map[int64]bool
	addedRows     [2]map[int64]row
	removedRows   [2]map[int64]bool
	addedHistory  [2]map[string]bool
}

var _ load.Session = (*session)(nil)

func (s *session) discardChanges() {
	s.open, s.failed = false, false
	s.ledgerBeforeLock = nil
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
		err = fault.Retryable(op, fault.Unexpected, fmt.Errorf("the transaction was aborted, roll it back"))
	case d == nil:
		err = fault.Permanentf(op, fault.TableMissing, "the tables of %s do not exist", s.name)
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
		return fault.Retryable("begin", fault.Unexpected, fmt.Errorf("a transaction is open, BEGIN is ignored"))
	}
	s.discardChanges()
	s.open = true
	return nil
}

// Commit implements load.Session.
func (s *session) Commit(context.Context) error {
	return s.statement("commit", func(d *dataset) error {
		d.ledger = overlay(d.ledger, s.removedLedger, s.addedLedger)
		for t := range d.rows {
			d.rows[t] = overlay(d.rows[t], s.removedRows[t], s.addedRows[t])
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
		return fmt.Errorf("the session is closed already")
	}
	s.finish(s.fake.datasets[s.name], s.fake.HistorySurvivesRollback)
	s.closed = true
	s.fake.opened--
	return nil
}

// finish ends the transaction and gives the lock back.
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
		d.queued = max(0, d.queued-1) // the first that waits has it now
		d.lock <- struct{}{}
		s.holdsLock = false
	}
	s.discardChanges()
}
