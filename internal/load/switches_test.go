package load_test

import (
	"sync"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// race delivers one object twice and lets two loaders handle it at once: each
// reads the journal before the other writes it. On a warehouse that lets them,
// both are in their transaction before either commits.
func race(t *testing.T, fake *loadtest.Fake) (w *loadtest.World, d loadtest.Delivered, errs []error) {
	t.Helper()
	w = loadtest.NewWorld(t, fake)
	w.Loader = w.NewLoader(&loadtest.Meeting{Warehouse: fake, Expected: 2, Timeout: 300 * time.Millisecond})
	d = w.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 3})
	errs = make([]error, 2)
	var both sync.WaitGroup
	for i := range errs {
		both.Go(func() { errs[i] = w.Handle(t, d)[0] })
	}
	both.Wait()
	return w, d, errs
}

func TestRace(t *testing.T) {
	t.Parallel()
	w, d, errs := race(t, loadtest.NewFake())
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	w.WantRows(t, map[object.ID]int64{d.ID: 3})
}

// TestRaceWithoutLock shows that the stand-in can show what the lock is for:
// without it, and without the load history, two loaders load twice.
func TestRaceWithoutLock(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockOff, fake.HistoryOff = true, true
	w, d, _ := race(t, fake)
	if got := fake.Contents(t, w.Dataset).Rows[d.ID]; got != 6 {
		t.Errorf("%d rows: without a lock the race should load 6", got)
	}
}

// TestRaceReadingBeforeTheLock is the counter-example to a MERGE as the only
// guard: what a statement sees that took the lock itself is older than the
// lock. The second barriers must catch it.
func TestRaceReadingBeforeTheLock(t *testing.T) {
	t.Parallel()
	for name, historyOff := range map[string]bool{"load history": false, "check of the ledger": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.ReadBeforeLock, fake.HistoryOff = true, historyOff
			w, d, errs := race(t, fake)
			w.WantRows(t, map[object.ID]int64{d.ID: 3})
			caught := 0
			for _, err := range errs {
				if err != nil {
					loadtest.WantFault(t, err, fault.LedgerBroken, fault.Permanent, d.ID)
					caught++
				}
			}
			if caught != 1 {
				t.Errorf("%d loaders were caught, want 1", caught)
			}
		})
	}
}

// TestHistorySurvivesRollback: if it does, the files of a group that a poisoned
// object rolled back are skipped the next time, and must be forced.
func TestHistorySurvivesRollback(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.HistorySurvivesRollback = true
	w := loadtest.NewWorld(t, fake)
	good := w.Deliver(t, loadtest.Delivery{Key: "good.csv", Rows: 3, Rejects: 2})
	bad := w.Deliver(t, loadtest.Delivery{Key: "bad.csv", Rows: 3, Claimed: 4})
	errs := w.Handle(t, good, bad)
	if errs[0] != nil {
		t.Errorf("the good object: %v", errs[0])
	}
	loadtest.WantFault(t, errs[1], fault.ReceiptMismatch, fault.Permanent, bad.ID)
	w.WantRows(t, map[object.ID]int64{good.ID: 3})
}

// TestSkippedFileOfUnknownRows: RAW has rows that no ledger row stands for.
// Copying again would double them.
func TestSkippedFileOfUnknownRows(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewWorld(t, fake)
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	w.MustHandle(t, d)
	fake.Forget(w.Dataset, d.ID)
	w.Journal.Set(d.ID, journal.Transformed)
	f := loadtest.WantFault(t, w.Handle(t, d)[0], fault.LedgerBroken, fault.Permanent, d.ID)
	if want := "the table has 3 rows of it that no ledger row stands for"; f.Cause() != want {
		t.Errorf("cause %q, want %q", f.Cause(), want)
	}
	if got := fake.Contents(t, w.Dataset).Rows[d.ID]; got != 3 {
		t.Errorf("%d rows, want the 3 that were there", got)
	}
}

func TestLockRows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 2} {
		fake := loadtest.NewFake()
		w := loadtest.NewWorld(t, fake)
		d := w.Deliver(t, loadtest.Delivery{Rows: 3})
		fake.LockRows(w.Dataset, n)
		loadtest.WantFault(t, w.Handle(t, d)[0], fault.LedgerBroken, fault.Permanent, d.ID)
		w.WantRows(t, map[object.ID]int64{})
	}
}

// TestAnonymousPoison halves the group until the object is alone.
func TestAnonymousPoison(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewWorld(t, fake)
	var group []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range 10 {
		d := w.Deliver(t, loadtest.Delivery{Key: string(rune('a' + i)), Rows: 1, Anonymous: i == 6})
		group = append(group, d)
		if i != 6 {
			want[d.ID] = 1
		}
	}
	for i, err := range w.Handle(t, group...) {
		if i == 6 {
			loadtest.WantFault(t, err, fault.CopyRefused, fault.Permanent, group[6].ID)
		} else if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	w.WantRows(t, want)
	if n := fake.OpenSessions(); n != 0 {
		t.Errorf("%d sessions were left open", n)
	}
}

// TestTamperedTable: somebody deleted a row; the next version makes it right.
func TestTamperedTable(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewWorld(t, fake)
	w.MustHandle(t, w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3}))
	fake.DeleteOneRow(w.Dataset)
	d := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	w.MustHandle(t, d)
	w.WantRows(t, map[object.ID]int64{d.ID: 4})
}

// TestGoneVersions: a version that the bucket has no more never takes the place
// of one that stands, and always gives way to one that is there.
func TestGoneVersions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		versions []string
		replaces bool
	}{
		{"both are there, in order", []string{"second", "first"}, true},
		{"both are there, in reverse", []string{"first", "second"}, false},
		{"the first is gone", []string{"second"}, true},
		{"the second is gone", []string{"first"}, false},
		{"both are gone", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := loadtest.NewWorld(t, loadtest.NewFake())
			first := w.Deliver(t, loadtest.Delivery{Version: "first", Sequencer: "5", Rows: 3})
			w.Versions[first.Object.Key] = test.versions
			w.MustHandle(t, first)
			second := w.Deliver(t, loadtest.Delivery{Version: "second", Rows: 4})
			w.MustHandle(t, second)
			stands, rows, gone := first, int64(3), second
			if test.replaces {
				stands, rows, gone = second, 4, first
			}
			w.WantRows(t, map[object.ID]int64{stands.ID: rows})
			w.WantState(t, gone.ID, journal.Superseded)
		})
	}
}

// TestWindowMisses: rows outside of their load's window, as a wrong clock would
// leave them, are deleted all the same.
func TestWindowMisses(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewWorld(t, fake)
	w.MustHandle(t, w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3, Rejects: 1}))
	fake.Shift(w.Dataset, -48*time.Hour)
	d := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	w.MustHandle(t, d)
	if got := w.WantRows(t, map[object.ID]int64{d.ID: 4}); len(got.Rejects) != 0 {
		t.Errorf("rejects %v of the replaced version are left", got.Rejects)
	}
}
