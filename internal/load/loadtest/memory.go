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
	// deliveries and seqs have the last record of SetDeliveries for each dataset.
	deliveries map[string]journal.Deliveries
	seqs       map[string]int64
	// columns are the reported new columns of each dataset, and claims has the claims of
	// ClaimNewColumns by dataset.
	columns map[string]work.NewColumns
	claims  map[string]string
}

var _ load.Journal = (*Journal)(nil)

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	return &Journal{
		entries: make(map[object.ID]journal.Entry), deliveries: make(map[string]journal.Deliveries), seqs: make(map[string]int64),
		columns: make(map[string]work.NewColumns), claims: make(map[string]string),
	}
}

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

// FailedVersions implements load.Journal.
func (j *Journal) FailedVersions(_ context.Context, bucket, key string) ([]journal.Entry, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.Unavailable {
		return nil, fault.Dependency("read journal", fault.JournalAway, errors.New("no answer"))
	}
	var failed []journal.Entry
	for _, id := range j.order {
		if e, found := j.entries[id]; found && e.State == journal.Failed && e.Object.Bucket == bucket && e.Object.Key == key {
			failed = append(failed, e)
		}
	}
	return failed, nil
}

// Loaded implements load.Journal.
func (j *Journal) Loaded(_ context.Context, id object.ID, l journal.Load) error {
	return j.change(id, func(e *journal.Entry) {
		if e.State != journal.Superseded && e.State != journal.Withdrawn && e.Generation <= l.Generation {
			e.State, e.LoadID, e.QueryID, e.RowsLoaded, e.DuplicateOf = journal.Loaded, l.LoadID, l.QueryID, l.Rows, l.DuplicateOf
		}
	})
}

// Superseded implements load.Journal.
func (j *Journal) Superseded(_ context.Context, id, by object.ID) error {
	return j.change(id, func(e *journal.Entry) {
		if e.State != journal.Withdrawn {
			e.State, e.SupersededBy = journal.Superseded, by
		}
	})
}

// SetDeliveries implements load.Journal.
func (j *Journal) SetDeliveries(_ context.Context, dataset string, seq int64, d journal.Deliveries) error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	switch {
	case j.Unavailable:
		return fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
	case seq >= j.seqs[dataset]:
		j.seqs[dataset], j.deliveries[dataset] = seq, d
	}
	return nil
}

// Deliveries returns the recorded deliveries of a dataset.
func (j *Journal) Deliveries(dataset string) journal.Deliveries {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.deliveries[dataset]
}

// NewColumns implements load.Journal.
func (j *Journal) NewColumns(_ context.Context, dataset string) (work.NewColumns, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.Unavailable {
		return work.NewColumns{}, fault.Dependency("read journal", fault.JournalAway, errors.New("no answer"))
	}
	n := j.columns[dataset]
	n.Dataset = dataset
	return n, nil
}

// ClaimNewColumns gives the claim to one caller. Only RecordNewColumns and EndClaim end
// the claim.
func (j *Journal) ClaimNewColumns(_ context.Context, dataset, claim string) (bool, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.Unavailable {
		return false, fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
	}
	if _, claimed := j.claims[dataset]; claimed {
		return false, nil
	}
	j.claims[dataset] = claim
	return true, nil
}

// EndClaim ends the claim of a killed caller, as the time does.
func (j *Journal) EndClaim(dataset string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	delete(j.claims, dataset)
}

// RecordNewColumns records the reported new columns of a dataset and ends the claim. The
// result is false for another claim.
func (j *Journal) RecordNewColumns(_ context.Context, n work.NewColumns, claim string) (bool, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.Unavailable {
		return false, fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
	}
	if j.claims[n.Dataset] != claim {
		return false, nil
	}
	j.columns[n.Dataset] = n
	delete(j.claims, n.Dataset)
	return true, nil
}

// Withdrawn implements load.Journal.
func (j *Journal) Withdrawn(_ context.Context, id object.ID, w journal.Withdrawal) error {
	return j.change(id, func(e *journal.Entry) {
		if e.State != journal.Withdrawn {
			e.State, e.WithdrawnBy, e.Reason, e.LoadID, e.RowsLoaded = journal.Withdrawn, w.By, w.Reason, w.LoadID, 0
		}
	})
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
	if err := receipt.Validate(at); err != nil {
		return work.Receipt{}, &fault.Fault{Op: "read receipt", Code: fault.ReceiptMismatch, Disposition: fault.Permanent, Err: err}
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
		return fault.Dependency("announce load", fault.TopicAway, errors.New("no answer"))
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

// Notices records the notices.
type Notices struct {
	// Unavailable makes every notice fail.
	Unavailable bool

	mutex   sync.Mutex
	held    []work.HeldDelivery
	columns []work.NewColumns
}

var _ load.Notices = (*Notices)(nil)

// Held implements load.Notices.
func (n *Notices) Held(_ context.Context, h work.HeldDelivery) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.Unavailable {
		return fault.Dependency("send notice", fault.QueueAway, errors.New("no answer"))
	}
	n.held = append(n.held, h)
	return nil
}

// NewColumns implements load.Notices.
func (n *Notices) NewColumns(_ context.Context, columns work.NewColumns) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.Unavailable {
		return fault.Dependency("send notice", fault.QueueAway, errors.New("no answer"))
	}
	n.columns = append(n.columns, columns)
	return nil
}

// SentColumns returns the notices about new columns so far.
func (n *Notices) SentColumns() []work.NewColumns {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return slices.Clone(n.columns)
}

// Sent returns the notices about held deliveries so far.
func (n *Notices) Sent() []work.HeldDelivery {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return slices.Clone(n.held)
}

// Files is a curated bucket in memory that knows only deletions.
type Files struct {
	mutex       sync.Mutex
	unavailable bool
	deleted     map[object.ID]bool
}

var _ load.Files = (*Files)(nil)

// SetUnavailable makes every later deletion fail, or succeed again.
func (f *Files) SetUnavailable(unavailable bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.unavailable = unavailable
}

// DeleteFiles implements load.Files.
func (f *Files) DeleteFiles(_ context.Context, _ string, id object.ID) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.unavailable {
		return fault.Dependency("delete curated files", fault.StoreAway, errors.New("no answer"))
	}
	if f.deleted == nil {
		f.deleted = make(map[object.ID]bool)
	}
	f.deleted[id] = true
	return nil
}

// Deleted reports whether the files of an object are deleted.
func (f *Files) Deleted(id object.ID) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.deleted[id]
}

// Versions has the version ids in the landing bucket by key, newest first.
type Versions map[string][]string

var _ load.Versions = Versions(nil)

// NewestFirst implements load.Versions.
func (v Versions) NewestFirst(_ context.Context, key load.Key) ([]string, error) {
	return v[key.Name], nil
}
