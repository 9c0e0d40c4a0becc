// Package loadtest proves the load protocol: one suite of cases, run against a
// strict stand-in in memory and against the laptop's Snowflake.
package loadtest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// Fake is Snowflake in memory, at the level of the protocol's statements. It
// isn't kinder than what is documented: a statement sees what was committed
// before it began and what its own transaction did; keys are not enforced; a
// failed statement spoils its transaction; an UPDATE holds its table until the
// transaction ends, COPY and INSERT hold nothing.
//
// The switches take away what nobody documents, or what the protocol adds, so
// that tests can show what each is for. Set them before the first use.
type Fake struct {
	// LockOff lets every UPDATE of a lock row through at once.
	LockOff bool
	// ReadBeforeLock gives ReadLedger what was committed before TakeLock began:
	// what a MERGE sees that takes the lock and reads in one statement.
	ReadBeforeLock bool
	// HistorySurvivesRollback keeps files in the load history though the COPY
	// was rolled back.
	HistorySurvivesRollback bool
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
	ledger   map[int64]load.LedgerRow
	rows     [2]map[int64]row
	history  [2]map[string]bool
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

	open, spoilt, holds, closed bool

	takenAt time.Time
	// early is the ledger as it was when TakeLock began.
	early map[int64]load.LedgerRow

	addedLedger   map[int64]load.LedgerRow
	removedLedger map[int64]bool
	addedRows     [2]map[int64]row
	removedRows   [2]map[int64]bool
	addedHistory  [2]map[string]bool
}

var _ load.Session = (*session)(nil)

func (s *session) forget() {
	s.open, s.spoilt = false, false
	s.early = nil
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
		err = fault.Retried(op, fault.Unexpected, fmt.Errorf("no transaction is open"))
	case s.spoilt:
		err = fault.Retried(op, fault.Unexpected, fmt.Errorf("the transaction was aborted, roll it back"))
	case d == nil:
		err = fault.Permanentf(op, fault.TableMissing, "the tables of %s do not exist", s.name)
	default:
		err = run(d)
	}
	s.spoilt = s.spoilt || err != nil
	return err
}

// Begin implements load.Session.
func (s *session) Begin(context.Context) error {
	s.fake.mutex.Lock()
	defer s.fake.mutex.Unlock()
	if s.open {
		return fault.Retried("begin", fault.Unexpected, fmt.Errorf("a transaction is open, BEGIN is ignored"))
	}
	s.forget()
	s.open = true
	return nil
}

// Commit implements load.Session.
func (s *session) Commit(context.Context) error {
	return s.statement("commit", func(d *dataset) error {
		for id := range s.removedLedger {
			delete(d.ledger, id)
		}
		maps.Copy(d.ledger, s.addedLedger)
		for t := range d.rows {
			for id := range s.removedRows[t] {
				delete(d.rows[t], id)
			}
			maps.Copy(d.rows[t], s.addedRows[t])
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
			if keepHistory {
				d.history[t][name] = true
			}
		}
	}
	if s.holds {
		d.lock <- struct{}{}
		s.holds = false
	}
	s.forget()
}
