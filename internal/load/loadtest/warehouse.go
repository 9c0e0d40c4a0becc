package loadtest

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// WarehouseUnderTest is a warehouse whose tables a test can create, change and read.
type WarehouseUnderTest interface {
	load.Warehouse
	// Create creates a dataset's tables, for version 1.0.0 of the contract.
	Create(t testing.TB, dataset string)
	// Put writes a file to the stage.
	Put(t testing.TB, table load.Table, name string, f File)
	// Pause sets or clears the dataset's flag "paused".
	Pause(t testing.TB, dataset string, paused bool)
	// Erase deletes the rows and the ledger row of an object, as a person would by
	// hand. The load history keeps the object's files.
	Erase(t testing.TB, dataset string, id object.ID)
	// Contents reads the committed content of the dataset's tables.
	Contents(t testing.TB, dataset string) Contents
}

// Contents is the content of a dataset's tables.
type Contents struct {
	// Rows and Rejects count the rows of each object.
	Rows, Rejects map[object.ID]int64
	// Ledger has the ledger rows without the lock row.
	Ledger []load.LedgerRow
	// Ended has the dataset's part of the table of ended rows. Of the ledger rows it has
	// only the columns of the table.
	Ended []load.EndedRow
	// LockRows is the number of lock rows.
	LockRows int64
}

var _ WarehouseUnderTest = (*Fake)(nil)

// Create implements WarehouseUnderTest.
func (f *Fake) Create(_ testing.TB, name string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	d := &dataset{lockRows: 1, contract: "1.0.0", lock: make(chan struct{}, 1), ledger: make(map[int64]load.LedgerRow)}
	for t := range d.rows {
		d.rows[t], d.history[t] = make(map[int64]row), make(map[string]bool)
	}
	d.lock <- struct{}{}
	f.datasets[name] = d
}

// LockRows sets the number of the ledger's lock rows.
func (f *Fake) LockRows(name string, n int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.datasets[name].lockRows = n
}

// Queued returns the number of transactions that wait for the dataset's lock.
func (f *Fake) Queued(name string) int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.datasets[name].queued
}

// Migrate sets the contract version of the tables.
func (f *Fake) Migrate(name, contract string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.datasets[name].contract = contract
}

// Contract returns the contract version of the tables.
func (f *Fake) Contract(name string) string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.datasets[name].contract
}

// Waiting receives a value each time a transaction begins to wait for a lock.
func (f *Fake) Waiting() <-chan struct{} { return f.waiting }

// Put implements WarehouseUnderTest.
func (f *Fake) Put(_ testing.TB, _ load.Table, name string, file File) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.files[name] = file
}

// Pause implements WarehouseUnderTest.
func (f *Fake) Pause(_ testing.TB, name string, paused bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.datasets[name].paused = paused
}

// Erase implements WarehouseUnderTest.
func (f *Fake) Erase(_ testing.TB, name string, id object.ID) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	d := f.datasets[name]
	for at, r := range d.ledger {
		if r.ID == id {
			delete(d.ledger, at)
		}
	}
	for t := range d.rows {
		for at, r := range d.rows[t] {
			if r.object == id {
				delete(d.rows[t], at)
			}
		}
	}
}

// Contents implements WarehouseUnderTest.
func (f *Fake) Contents(_ testing.TB, name string) Contents {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	d := f.datasets[name]
	c := Contents{Rows: make(map[object.ID]int64), Rejects: make(map[object.ID]int64), LockRows: int64(d.lockRows)}
	for _, r := range d.rows[load.Rows] {
		c.Rows[r.object]++
	}
	for _, r := range d.rows[load.Rejects] {
		c.Rejects[r.object]++
	}
	for _, r := range d.ledger {
		c.Ledger = append(c.Ledger, r)
	}
	for _, e := range d.ended {
		c.Ended = append(c.Ended, essentials(e.EndedRow))
	}
	return c
}

// essentials returns the row with the columns of the table of ended rows, without times.
func essentials(e load.EndedRow) load.EndedRow {
	r := e.Row
	o := object.Object{Bucket: r.Object.Bucket, Key: r.Object.Key, Version: r.Object.Version}
	e.Row = load.LedgerRow{ID: r.ID, Object: o, Generation: r.Generation, LoadID: r.LoadID, RowsLoaded: r.RowsLoaded, RowsRejected: r.RowsRejected}
	return e
}

// ObservedEnds returns the ends that the fake itself saw in the commits of the dataset,
// as the table of ended rows should have them. Note is empty, and By is empty for a
// withdrawal.
func (f *Fake) ObservedEnds(name string) []load.EndedRow {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var ends []load.EndedRow
	for _, e := range f.datasets[name].observedEnds {
		ends = append(ends, essentials(e))
	}
	return ends
}

// endsBetween returns the ends of rows between two states of a ledger.
func endsBetween(before, after map[int64]load.LedgerRow) []load.EndedRow {
	successors := make(map[load.Key]load.LedgerRow)
	for _, r := range after {
		successors[load.KeyOf(r.Object)] = r
	}
	var ends []load.EndedRow
	for at, r := range before {
		if _, kept := after[at]; kept || r.IsWithdrawn() {
			continue
		}
		end := load.EndedRow{Row: r, Reason: load.Replaced}
		switch by := successors[load.KeyOf(r.Object)]; {
		case by.IsWithdrawn():
			end.Reason = load.Withdrawn
		case by.ID == r.ID:
			end.Reason, end.By = load.Reloaded, by.LoadID
		default:
			end.By = by.LoadID
		}
		ends = append(ends, end)
	}
	return ends
}

// Forget deletes an object's ledger row, but not the object's rows.
func (f *Fake) Forget(name string, id object.ID) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for at, r := range f.datasets[name].ledger {
		if r.ID == id {
			delete(f.datasets[name].ledger, at)
		}
	}
}

// DeleteOneRow deletes one row of the raw table without a change of the ledger.
func (f *Fake) DeleteOneRow(name string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for at := range f.datasets[name].rows[load.Rows] {
		delete(f.datasets[name].rows[load.Rows], at)
		return
	}
}

// ShiftLoadTimes moves the load time of every row, as a wrong clock would.
func (f *Fake) ShiftLoadTimes(name string, by time.Duration) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, table := range f.datasets[name].rows {
		for at, r := range table {
			r.at = r.at.Add(by)
			table[at] = r
		}
	}
}
