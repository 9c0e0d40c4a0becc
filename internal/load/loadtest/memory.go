package loadtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Journal is a journal in memory with the state changes of loads.
type Journal struct {
	// Unavailable makes every write fail.
	Unavailable bool

	mutex   sync.Mutex
	entries map[object.ID]journal.Entry
	order   []object.ID
}

var _ load.Journal = (*Journal)(nil)

// NewJournal returns an empty journal.
func NewJournal() *Journal { return &Journal{entries: make(map[object.ID]journal.Entry)} }

// Transformed records an object as transformed. An object that is already loaded in the
// same generation stays loaded.
func (j *Journal) Transformed(r work.Receipt, at work.Location) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	had, found := j.entries[r.ObjectID]
	if found && had.Done(r.Generation) {
		return
	}
	if !found {
		j.order = append(j.order, r.ObjectID)
	}
	j.entries[r.ObjectID] = journal.Entry{
		ID: r.ObjectID, Object: r.Object, Dataset: r.Dataset, State: journal.Transformed, Generation: r.Generation, Receipt: &at,
	}
}

// Forget deletes an object's entry, as after a restore of the journal table.
func (j *Journal) Forget(id object.ID) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	delete(j.entries, id)
}

// Set changes an object's state.
func (j *Journal) Set(id object.ID, state journal.State) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	entry := j.entries[id]
	entry.State = state
	j.entries[id] = entry
}

// Reload starts the object's next generation, as an operator's reload does.
func (j *Journal) Reload(id object.ID) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	entry := j.entries[id]
	entry.State, entry.Receipt = journal.Received, nil
	entry.Generation++
	j.entries[id] = entry
}

// Get implements load.Journal.
func (j *Journal) Get(_ context.Context, id object.ID) (journal.Entry, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	entry, found := j.entries[id]
	if !found {
		return journal.Entry{}, journal.ErrNotFound
	}
	return entry, nil
}

// Waiting implements load.Journal.
func (j *Journal) Waiting(_ context.Context, dataset string, limit int) ([]journal.Entry, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	var waiting []journal.Entry
	for _, id := range j.order {
		if e, found := j.entries[id]; found && e.Dataset == dataset && e.State == journal.Transformed && len(waiting) < limit {
			waiting = append(waiting, e)
		}
	}
	return waiting, nil
}

// Loaded implements load.Journal.
func (j *Journal) Loaded(_ context.Context, id object.ID, l journal.Load) error {
	return j.change(id, func(e *journal.Entry) {
		if e.State != journal.Superseded && e.Generation <= l.Generation {
			e.State, e.LoadID, e.QueryID, e.RowsLoaded = journal.Loaded, l.LoadID, l.QueryID, l.Rows
		}
	})
}

// Superseded implements load.Journal.
func (j *Journal) Superseded(_ context.Context, id, by object.ID) error {
	return j.change(id, func(e *journal.Entry) { e.State, e.SupersededBy = journal.Superseded, by })
}

func (j *Journal) change(id object.ID, change func(*journal.Entry)) error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.Unavailable {
		return fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
	}
	entry, found := j.entries[id]
	if !found {
		return journal.ErrNotFound
	}
	change(&entry)
	j.entries[id] = entry
	return nil
}

// Receipts is a store of receipts in memory.
type Receipts struct {
	mutex    sync.Mutex
	receipts map[work.Location]work.Receipt
}

var _ load.Receipts = (*Receipts)(nil)

// NewReceipts returns an empty store.
func NewReceipts() *Receipts { return &Receipts{receipts: make(map[work.Location]work.Receipt)} }

// Put writes a receipt.
func (r *Receipts) Put(at work.Location, receipt work.Receipt) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.receipts[at] = receipt
}

// Remove deletes a receipt.
func (r *Receipts) Remove(at work.Location) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.receipts, at)
}

// Read implements load.Receipts.
func (r *Receipts) Read(_ context.Context, at work.Location) (work.Receipt, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	receipt, found := r.receipts[at]
	if !found {
		return work.Receipt{}, fault.Permanentf("read receipt", fault.ReceiptMissing, "no receipt at %s", at.Key)
	}
	return receipt, nil
}

// Publisher records the published announcements.
type Publisher struct {
	// Unavailable makes every publication fail.
	Unavailable bool

	mutex     sync.Mutex
	published []load.Announcement
}

var _ load.Publisher = (*Publisher)(nil)

// Publish implements load.Publisher.
func (p *Publisher) Publish(_ context.Context, announcement load.Announcement) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.Unavailable {
		return fault.Dependency("announce load", fault.QueueAway, errors.New("no answer"))
	}
	p.published = append(p.published, announcement)
	return nil
}

// Published returns the announcements so far.
func (p *Publisher) Published() []load.Announcement {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return slices.Clone(p.published)
}

// Versions has the version ids in the landing bucket by key, newest first.
type Versions map[string][]string

var _ load.Versions = Versions(nil)

// NewestFirst implements load.Versions.
func (v Versions) NewestFirst(_ context.Context, key load.Key) ([]string, error) {
	return v[key.Name], nil
}
