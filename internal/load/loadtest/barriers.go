package loadtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// Barrier is one protection of the load protocol. TestEachBarrierIsNecessary removes
// each barrier once.
type Barrier struct {
	// Name is the barrier's name in docs/load-protocol.md.
	Name string
	// Case is the case of the suite that fails without the barrier.
	Case string
	// Fake disables the other barriers that would detect the same fault. Nil changes
	// nothing.
	Fake func(*Fake)
	// without wraps a session and removes the barrier from the wrapped session.
	without func(*sessionWithReceipts) load.Session
}

// Barriers lists the barriers of the load protocol.
var Barriers = []Barrier{
	{Name: "lock", Case: "two loaders meet", without: func(s *sessionWithReceipts) load.Session { return withoutLock{s} }},
	{Name: "ledger read", Case: "the journal lost the load", without: func(s *sessionWithReceipts) load.Session { return withoutLedger{s} }},
	{Name: "pause", Case: "paused", without: func(s *sessionWithReceipts) load.Session { return withoutPause{s} }},
	{Name: "table behind", Case: "table behind", without: func(s *sessionWithReceipts) load.Session { return withoutContract{s} }},
	{Name: "order", Case: "two versions in reverse order", without: func(s *sessionWithReceipts) load.Session { return withoutOrder{s} }},
	{Name: "withdrawn row", Case: "withdrawal before the load", without: func(s *sessionWithReceipts) load.Session { return withoutWithdrawn{s} }},
	{Name: "ended rows", Case: "ends are recorded", without: func(s *sessionWithReceipts) load.Session { return withoutEnded{s} }},
	{Name: "replacement", Case: "two versions in order", without: func(s *sessionWithReceipts) load.Session { return withoutDelete{s} }},
	{
		Name: "load history", Case: "two loaders in turn",
		Fake:    func(f *Fake) { f.ReadBeforeLock = true },
		without: func(s *sessionWithReceipts) load.Session { return withoutHistory{withoutLedgerCount{s}} },
	},
	{Name: "absence before FORCE", Case: "a skipped file with rows but no ledger row", without: func(s *sessionWithReceipts) load.Session { return withoutAbsenceCheck{s} }},
	{Name: "FORCE fallback", Case: "files in the load history", without: func(s *sessionWithReceipts) load.Session { return withoutForce{s} }},
	{Name: "count check", Case: "wrong row count in the receipt", without: func(s *sessionWithReceipts) load.Session { return withoutCounts{s} }},
	{Name: "one transaction", Case: "wrong row count in the receipt", without: func(s *sessionWithReceipts) load.Session { return withoutTransaction{s} }},
	{Name: "group", Case: "one bad object in a group of ten", without: func(s *sessionWithReceipts) load.Session { return withoutFileNames{s} }},
	{
		Name: "ledger check", Case: "two loaders in turn",
		Fake:    func(f *Fake) { f.ReadBeforeLock, f.HistoryOff = true, true },
		without: func(s *sessionWithReceipts) load.Session { return withoutLedgerCount{s} },
	},
	{Name: "question after COMMIT", Case: "commit unknown, not applied", without: func(s *sessionWithReceipts) load.Session { return withoutCommitCheck{s} }},
}

// Disable returns a wrapper for Fixture.WrapWarehouse that removes the barrier. The
// receipts have the claimed row counts of the files.
func (b Barrier) Disable(receipts *Receipts) func(load.Warehouse) load.Warehouse {
	return func(inner load.Warehouse) load.Warehouse {
		return &warehouseWithoutBarrier{Warehouse: inner, barrier: b, receipts: receipts}
	}
}

type warehouseWithoutBarrier struct {
	load.Warehouse
	barrier  Barrier
	receipts *Receipts
}

// Open implements load.Warehouse.
func (w *warehouseWithoutBarrier) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := w.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	return w.barrier.without(&sessionWithReceipts{Session: inner, receipts: w.receipts}), nil
}

// sessionWithReceipts is a session with the receipts of its objects.
type sessionWithReceipts struct {
	load.Session
	receipts *Receipts
}

// withoutLock gives every session the lock at once.
type withoutLock struct{ *sessionWithReceipts }

func (withoutLock) TakeLock(context.Context) (int64, error) { return 1, nil }

// withoutLedger returns no ledger rows.
type withoutLedger struct{ *sessionWithReceipts }

func (s withoutLedger) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, _, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	return lock, nil, err
}

// withoutPause hides the flag "paused".
type withoutPause struct{ *sessionWithReceipts }

func (s withoutPause) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	lock.Paused = false
	return lock, rows, err
}

// withoutContract reports a very new contract version for every table.
type withoutContract struct{ *sessionWithReceipts }

func (s withoutContract) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	lock.Contract = "999.0.0"
	return lock, rows, err
}

// withoutOrder gives all ledger rows the lowest sequencer, so the version that arrives
// last always replaces the other versions.
type withoutOrder struct{ *sessionWithReceipts }

func (s withoutOrder) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	for i := range rows {
		rows[i].Object.Sequencer = "0"
	}
	return lock, rows, err
}

// withoutWithdrawn hides the ledger rows of withdrawn objects.
type withoutWithdrawn struct{ *sessionWithReceipts }

func (s withoutWithdrawn) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.sessionWithReceipts.ReadLedger(ctx, keys, contents)
	return lock, slices.DeleteFunc(rows, load.LedgerRow.IsWithdrawn), err
}

// withoutEnded records no ended rows.
type withoutEnded struct{ *sessionWithReceipts }

func (withoutEnded) End(context.Context, []load.EndedRow) error { return nil }

// withoutDelete keeps the rows of replaced versions.
type withoutDelete struct{ *sessionWithReceipts }

func (withoutDelete) Delete(context.Context, load.Table, []object.ID, load.Window) (int64, error) {
	return 0, nil
}

// withoutHistory copies every named file with FORCE.
type withoutHistory struct{ load.Session }

func (s withoutHistory) Copy(ctx context.Context, into load.Table, files []string, _ bool) (load.Copied, error) {
	return s.Session.Copy(ctx, into, files, true)
}

// withoutAbsenceCheck reports no rows in the table, so skipped files are always copied
// again.
type withoutAbsenceCheck struct{ *sessionWithReceipts }

func (withoutAbsenceCheck) Count(context.Context, load.Table, []object.ID) (map[object.ID]int64, error) {
	return nil, nil
}

// withoutForce never copies skipped files.
type withoutForce struct{ *sessionWithReceipts }

func (s withoutForce) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	if force {
		return load.Copied{}, nil
	}
	return s.sessionWithReceipts.Copy(ctx, into, files, force)
}

// withoutCounts reports the row count of the receipt as the row count of COPY.
type withoutCounts struct{ *sessionWithReceipts }

func (s withoutCounts) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.sessionWithReceipts.Copy(ctx, into, files, force)
	for name := range copied.Loaded {
		copied.Loaded[name] = s.receipts.claimedRows(name)
	}
	return copied, err
}

// withoutTransaction commits after each COPY.
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

// withoutFileNames hides the name of the refused file and the kind of the fault.
type withoutFileNames struct{ *sessionWithReceipts }

func (s withoutFileNames) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.sessionWithReceipts.Copy(ctx, into, files, force)
	if err != nil {
		return copied, fault.Dependency("copy", fault.SnowflakeAway, fmt.Errorf("the statement failed"))
	}
	return copied, nil
}

// withoutLedgerCount reports that the ledger has every key once.
type withoutLedgerCount struct{ *sessionWithReceipts }

func (withoutLedgerCount) CountLedger(_ context.Context, keys []load.Key) (load.LedgerCount, error) {
	n := int64(len(keys))
	return load.LedgerCount{Rows: n, Objects: n, Keys: n}, nil
}

// withoutCommitCheck reports every COMMIT as successful.
type withoutCommitCheck struct{ *sessionWithReceipts }

func (s withoutCommitCheck) Commit(ctx context.Context) error {
	_ = s.sessionWithReceipts.Commit(ctx) // without the error
	return nil
}

// claimedRows returns the row count of a file in its receipt; 0 if no receipt has the
// file.
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
