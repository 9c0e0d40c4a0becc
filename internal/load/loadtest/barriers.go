package loadtest

import (
	"context"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// Barrier is one thing that keeps the table right.
type Barrier struct {
	// Name says it in the words of docs/load-protocol.md.
	Name string
	// Case is the case of the suite that fails without it.
	Case string
	// Fake sets the warehouse up so that no other barrier catches what this one
	// lets through. Nil leaves it as it is.
	Fake func(*Fake)
	// without is a session without it.
	without func(*sessionWithReceipts) load.Session
}

// Barriers are the protocol's.
var Barriers = []Barrier{
	{Name: "lock", Case: "two loaders meet", without: func(s *sessionWithReceipts) load.Session { return withoutLock{s} }},
	{Name: "ledger read", Case: "the journal forgot", without: func(s *sessionWithReceipts) load.Session { return withoutLedger{s} }},
	{Name: "pause", Case: "paused", without: func(s *sessionWithReceipts) load.Session { return withoutPause{s} }},
	{Name: "table behind", Case: "table behind", without: func(s *sessionWithReceipts) load.Session { return withoutContract{s} }},
	{Name: "order", Case: "two versions in reverse order", without: func(s *sessionWithReceipts) load.Session { return withoutOrder{s} }},
	{Name: "replacement", Case: "two versions in order", without: func(s *sessionWithReceipts) load.Session { return withoutDelete{s} }},
	{
		Name: "load history", Case: "two loaders meet, one by one",
		Fake:    func(f *Fake) { f.ReadBeforeLock = true },
		without: func(s *sessionWithReceipts) load.Session { return withoutHistory{withoutLedgerCount{s}} },
	},
	{Name: "absence before FORCE", Case: "a skipped file of unknown rows", without: func(s *sessionWithReceipts) load.Session { return withoutAbsenceCheck{s} }},
	{Name: "FORCE fallback", Case: "files in the load history", without: func(s *sessionWithReceipts) load.Session { return withoutForce{s} }},
	{Name: "count check", Case: "lying receipt", without: func(s *sessionWithReceipts) load.Session { return withoutCounts{s} }},
	{Name: "one transaction", Case: "lying receipt", without: func(s *sessionWithReceipts) load.Session { return withoutTransaction{s} }},
	{Name: "group", Case: "poison in a group of ten", without: func(s *sessionWithReceipts) load.Session { return withoutFileNames{s} }},
	{
		Name: "ledger check", Case: "two loaders meet, one by one",
		Fake:    func(f *Fake) { f.ReadBeforeLock, f.HistoryOff = true, true },
		without: func(s *sessionWithReceipts) load.Session { return withoutLedgerCount{s} },
	},
	{Name: "question after COMMIT", Case: "commit unknown, not applied", without: func(s *sessionWithReceipts) load.Session { return withoutCommitCheck{s} }},
}

// Disable returns what makes a warehouse lack the barrier, for World.Without.
// The receipts say what a file claims to bring.
func (b Barrier) Disable(receipts *Receipts) func(load.Warehouse) load.Warehouse {
	return func(on load.Warehouse) load.Warehouse {
		return &warehouseWithoutBarrier{Warehouse: on, barrier: b, receipts: receipts}
	}
}

type warehouseWithoutBarrier struct {
	load.Warehouse
	barrier  Barrier
	receipts *Receipts
}

// Open implements load.Warehouse.
func (l *warehouseWithoutBarrier) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := l.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	return l.barrier.without(&sessionWithReceipts{Session: inner, receipts: l.receipts}), nil
}

// sessionWithReceipts is a session with what the switches need to know.
type sessionWithReceipts struct {
	load.Session
	receipts *Receipts
}

// withoutLock lets everybody in at once.
type withoutLock struct{ *sessionWithReceipts }

func (withoutLock) TakeLock(context.Context) (int64, error) { return 1, nil }

// withoutLedger finds nothing in the ledger.
type withoutLedger struct{ *sessionWithReceipts }

func (s withoutLedger) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, _, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	return lock, nil, err
}

// withoutPause doesn't see the flag.
type withoutPause struct{ *sessionWithReceipts }

func (s withoutPause) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	lock.Paused = false
	return lock, rows, err
}

// withoutContract takes every table for new enough.
type withoutContract struct{ *sessionWithReceipts }

func (s withoutContract) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	lock.Contract = "999.0.0"
	return lock, rows, err
}

// withoutOrder takes what comes last for the newest.
type withoutOrder struct{ *sessionWithReceipts }

func (s withoutOrder) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	for i := range rows {
		rows[i].Object.Sequencer = "0"
	}
	return lock, rows, err
}

// withoutDelete leaves the rows of what was replaced.
type withoutDelete struct{ *sessionWithReceipts }

func (withoutDelete) Delete(context.Context, load.Table, []object.ID, load.Window) (int64, error) {
	return 0, nil
}

// withoutHistory copies whatever is named.
type withoutHistory struct{ load.Session }

func (s withoutHistory) Copy(ctx context.Context, into load.Table, files []string, _ bool) (load.Copied, error) {
	return s.Session.Copy(ctx, into, files, true)
}

// withoutAbsenceCheck copies a skipped file again, whatever the table has of it.
type withoutAbsenceCheck struct{ *sessionWithReceipts }

func (withoutAbsenceCheck) Count(context.Context, load.Table, []object.ID) (map[object.ID]int64, error) {
	return nil, nil
}

// withoutForce leaves skipped files where they are.
type withoutForce struct{ *sessionWithReceipts }

func (s withoutForce) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	if force {
		return load.Copied{}, nil
	}
	return s.sessionWithReceipts.Copy(ctx, into, files, force)
}

// withoutCounts takes a receipt's word for what COPY brought.
type withoutCounts struct{ *sessionWithReceipts }

func (s withoutCounts) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.sessionWithReceipts.Copy(ctx, into, files, force)
	for name := range copied.Loaded {
		copied.Loaded[name] = s.receipts.claimedRows(name)
	}
	return copied, err
}

// withoutTransaction commits each COPY by itself.
type withoutTransaction struct{ *sessionWithReceipts }

func (s withoutTransaction) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.sessionWithReceipts.Copy(ctx, into, files, force)
	if err != nil {
		return copied, err
	}
	if err := s.Commit(ctx); err != nil {
		return copied, err
	}
	return copied, s.Begin(ctx)
}

// withoutFileNames doesn't say which file a COPY refused, nor that it was a file.
type withoutFileNames struct{ *sessionWithReceipts }

func (s withoutFileNames) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.sessionWithReceipts.Copy(ctx, into, files, force)
	if err != nil {
		return copied, fault.Dependency("copy", fault.SnowflakeAway, fmt.Errorf("something failed"))
	}
	return copied, nil
}

// withoutLedgerCount finds every key once.
type withoutLedgerCount struct{ *sessionWithReceipts }

func (withoutLedgerCount) CountLedger(_ context.Context, keys []load.Key) (load.LedgerCount, error) {
	n := int64(len(keys))
	return load.LedgerCount{Rows: n, Objects: n, Keys: n}, nil
}

// withoutCommitCheck takes every COMMIT for done.
type withoutCommitCheck struct{ *sessionWithReceipts }

func (s withoutCommitCheck) Commit(ctx context.Context) error {
	_ = s.sessionWithReceipts.Commit(ctx) // whatever it says
	return nil
}

// claimedRows is how many rows a receipt says that the file has.
func (r *Receipts) claimedRows(name string) int64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, receipt := range r.receipts {
		for _, f := range append(receipt.Data, receipt.Rejects...) {
			if f.Key == name {
				return f.Rows
			}
		}
	}
	return 0
}
