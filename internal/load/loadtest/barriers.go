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
	// off is a session without it.
	off func(*unguarded) load.Session
}

// Barriers are the protocol's.
var Barriers = []Barrier{
	{Name: "lock", Case: "two loaders meet", off: func(s *unguarded) load.Session { return withoutLock{s} }},
	{Name: "ledger read", Case: "the journal forgot", off: func(s *unguarded) load.Session { return withoutLedger{s} }},
	{Name: "pause", Case: "paused", off: func(s *unguarded) load.Session { return withoutPause{s} }},
	{Name: "table behind", Case: "table behind", off: func(s *unguarded) load.Session { return withoutContract{s} }},
	{Name: "order", Case: "two versions in reverse order", off: func(s *unguarded) load.Session { return withoutOrder{s} }},
	{Name: "replacement", Case: "two versions in order", off: func(s *unguarded) load.Session { return withoutDelete{s} }},
	{
		Name: "load history", Case: "two loaders meet, one by one",
		Fake: func(f *Fake) { f.ReadBeforeLock = true },
		off:  func(s *unguarded) load.Session { return withoutHistory{withoutStanding{s}} },
	},
	{Name: "absence before FORCE", Case: "a skipped file of unknown rows", off: func(s *unguarded) load.Session { return withoutAbsence{s} }},
	{Name: "FORCE fallback", Case: "files in the load history", off: func(s *unguarded) load.Session { return withoutForce{s} }},
	{Name: "count check", Case: "lying receipt", off: func(s *unguarded) load.Session { return withoutCounts{s} }},
	{Name: "one transaction", Case: "lying receipt", off: func(s *unguarded) load.Session { return withoutTransaction{s} }},
	{Name: "group", Case: "poison in a group of ten", off: func(s *unguarded) load.Session { return withoutBlame{s} }},
	{
		Name: "ledger check", Case: "two loaders meet, one by one",
		Fake: func(f *Fake) { f.ReadBeforeLock, f.HistoryOff = true, true },
		off:  func(s *unguarded) load.Session { return withoutStanding{s} },
	},
	{Name: "question after COMMIT", Case: "commit unknown, not applied", off: func(s *unguarded) load.Session { return withoutQuestion{s} }},
}

// TakeOff returns what makes a warehouse lack the barrier, for World.Without.
// The receipts say what a file claims to bring.
func (b Barrier) TakeOff(receipts *Receipts) func(load.Warehouse) load.Warehouse {
	return func(on load.Warehouse) load.Warehouse { return &lacking{Warehouse: on, barrier: b, receipts: receipts} }
}

type lacking struct {
	load.Warehouse
	barrier  Barrier
	receipts *Receipts
}

// Open implements load.Warehouse.
func (l *lacking) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	inner, err := l.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		return nil, err
	}
	return l.barrier.off(&unguarded{Session: inner, receipts: l.receipts}), nil
}

// unguarded is a session with what the switches need to know.
type unguarded struct {
	load.Session
	receipts *Receipts
}

// withoutLock lets everybody in at once.
type withoutLock struct{ *unguarded }

func (withoutLock) TakeLock(context.Context) (int64, error) { return 1, nil }

// withoutLedger finds nothing in the ledger.
type withoutLedger struct{ *unguarded }

func (s withoutLedger) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, _, err := s.unguarded.ReadLedger(ctx, keys, contents)
	return lock, nil, err
}

// withoutPause doesn't see the flag.
type withoutPause struct{ *unguarded }

func (s withoutPause) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.unguarded.ReadLedger(ctx, keys, contents)
	lock.Paused = false
	return lock, rows, err
}

// withoutContract takes every table for new enough.
type withoutContract struct{ *unguarded }

func (s withoutContract) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.unguarded.ReadLedger(ctx, keys, contents)
	lock.Contract = "999.0.0"
	return lock, rows, err
}

// withoutOrder takes what comes last for the newest.
type withoutOrder struct{ *unguarded }

func (s withoutOrder) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	lock, rows, err := s.unguarded.ReadLedger(ctx, keys, contents)
	for i := range rows {
		rows[i].Object.Sequencer = "0"
	}
	return lock, rows, err
}

// withoutDelete leaves the rows of what was replaced.
type withoutDelete struct{ *unguarded }

func (withoutDelete) Delete(context.Context, load.Table, []object.ID, load.Window) (int64, error) {
	return 0, nil
}

// withoutHistory copies whatever is named.
type withoutHistory struct{ load.Session }

func (s withoutHistory) Copy(ctx context.Context, into load.Table, files []string, _ bool) (load.Copied, error) {
	return s.Session.Copy(ctx, into, files, true)
}

// withoutAbsence copies a skipped file again, whatever the table has of it.
type withoutAbsence struct{ *unguarded }

func (withoutAbsence) Count(context.Context, load.Table, []object.ID) (map[object.ID]int64, error) {
	return nil, nil
}

// withoutForce leaves skipped files where they are.
type withoutForce struct{ *unguarded }

func (s withoutForce) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	if force {
		return load.Copied{}, nil
	}
	return s.unguarded.Copy(ctx, into, files, force)
}

// withoutCounts takes a receipt's word for what COPY brought.
type withoutCounts struct{ *unguarded }

func (s withoutCounts) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.unguarded.Copy(ctx, into, files, force)
	for name := range copied.Loaded {
		copied.Loaded[name] = s.receipts.claim(name)
	}
	return copied, err
}

// withoutTransaction commits each COPY by itself.
type withoutTransaction struct{ *unguarded }

func (s withoutTransaction) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.unguarded.Copy(ctx, into, files, force)
	if err != nil {
		return copied, err
	}
	if err := s.Commit(ctx); err != nil {
		return copied, err
	}
	return copied, s.Begin(ctx)
}

// withoutBlame doesn't say which file a COPY refused, nor that it was a file.
type withoutBlame struct{ *unguarded }

func (s withoutBlame) Copy(ctx context.Context, into load.Table, files []string, force bool) (load.Copied, error) {
	copied, err := s.unguarded.Copy(ctx, into, files, force)
	if err != nil {
		return copied, fault.Dependency("copy", fault.SnowflakeAway, fmt.Errorf("something failed"))
	}
	return copied, nil
}

// withoutStanding finds every key once.
type withoutStanding struct{ *unguarded }

func (withoutStanding) Standing(_ context.Context, keys []load.Key) (load.Standing, error) {
	n := int64(len(keys))
	return load.Standing{Rows: n, Objects: n, Keys: n}, nil
}

// withoutQuestion takes every COMMIT for done.
type withoutQuestion struct{ *unguarded }

func (s withoutQuestion) Commit(ctx context.Context) error {
	_ = s.unguarded.Commit(ctx) // whatever it says
	return nil
}

// claim is how many rows a receipt says that the file has.
func (r *Receipts) claim(name string) int64 {
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
