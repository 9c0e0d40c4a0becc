package load_test

import (
	"sync"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// TestEachBarrierIsNecessary takes one barrier away at a time: the case that it is for fails,
// and passes with it.
func TestEachBarrierIsNecessary(t *testing.T) {
	t.Parallel()
	for _, barrier := range loadtest.Barriers {
		t.Run(barrier.Name, func(t *testing.T) {
			t.Parallel()
			for _, off := range []bool{false, true} {
				fake := loadtest.NewFake()
				fake.LockTimeout = lockTimeout
				if barrier.Fake != nil {
					barrier.Fake(fake)
				}
				said := loadtest.Failures(t, func(t testing.TB) {
					w := loadtest.NewFixture(t, fake)
					if off {
						w.WrapWarehouse = barrier.Disable(w.Receipts)
						w.Loader = w.NewLoaderOn(fake)
					}
					loadtest.Cases[barrier.Case](t, w)
				})
				switch {
				case off && len(said) == 0:
					t.Errorf("nothing is wrong without it: %q proves nothing", barrier.Case)
				case off:
					t.Logf("without it: %s", said[0])
				case len(said) > 0:
					t.Errorf("with it: %s", said[0])
				}
			}
		})
	}
}

// TestSuitePassesUnderEveryUndocumentedBehaviour runs the suite under every combination of what nobody
// documents.
func TestSuitePassesUnderEveryUndocumentedBehaviour(t *testing.T) {
	t.Parallel()
	for _, harshness := range loadtest.EveryBehaviour() {
		t.Run(harshness.String(), func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.UndocumentedBehaviour, fake.LockTimeout = harshness, lockTimeout
			t.Run("suite", func(t *testing.T) { loadtest.Run(t, fake) })
			if n := fake.OpenSessions(); n != 0 {
				t.Errorf("%d sessions were left open", n)
			}
		})
	}
}

// mergeLoader loads one file, as somebody might who reads that MERGE takes a
// lock: its only guard is that the MERGE inserted the ledger's row.
func mergeLoader(t *testing.T, fake *loadtest.Fake, dataset string, d loadtest.Delivered, merged chan<- int64, goOn <-chan struct{}) {
	session, err := fake.Open(t.Context(), dataset, "merge")
	if err != nil {
		t.Error(err)
		return
	}
	defer session.Close()
	if err := session.Begin(t.Context()); err != nil {
		t.Error(err)
	}
	row := load.LedgerRow{ID: d.ID, Object: d.Object, RowsRead: 3, RowsWritten: 3, RowsLoaded: 3}
	inserted, err := session.(loadtest.Merger).Merge(t.Context(), row)
	if err != nil {
		t.Error(err)
	}
	merged <- inserted
	<-goOn
	if inserted == 1 {
		if _, err := session.Copy(t.Context(), load.Rows, []string{d.Receipt.Data[0].Key}, true); err != nil {
			t.Error(err)
		}
	}
	if err := session.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMergeAloneDoublesRows is the counter-example to a loader that trusts a
// MERGE: the second waits for the first's lock, and sees what was committed
// before it began to wait. Whether Snowflake reads again is nobody's word. So it
// loads twice, and firn's protocol doesn't.
func TestMergeAloneDoublesRows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rereads bool
		want    int64
	}{
		"a statement that waited sees what was there before": {false, 6},
		"a statement that waited reads again":                {true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.Rereads = test.rereads
			w := loadtest.NewFixture(t, fake)
			d := w.Deliver(t, loadtest.Delivery{Rows: 3})
			merged, first, second := make(chan int64), make(chan struct{}), make(chan struct{})
			close(second) // it waits for the lock alone
			var both sync.WaitGroup
			both.Go(func() { mergeLoader(t, fake, w.Dataset, d, merged, first) })
			if inserted := <-merged; inserted != 1 {
				t.Errorf("the first MERGE inserted %d rows, want 1", inserted)
			}
			both.Go(func() { mergeLoader(t, fake, w.Dataset, d, merged, second) })
			<-fake.Waiting() // the second one's MERGE has begun, and waits
			close(first)
			<-merged
			both.Wait()
			if got := fake.Contents(t, w.Dataset).Rows[d.ID]; got != test.want {
				t.Errorf("%d rows, want %d", got, test.want)
			}
		})
	}
}

// TestLoaderReadsLedgerAfterLock is firn's loader in the same place: it waits for the lock
// by one statement and reads the ledger by the next.
func TestLoaderReadsLedgerAfterLock(t *testing.T) {
	t.Parallel()
	for _, harshness := range loadtest.EveryBehaviour() {
		t.Run(harshness.String(), func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.UndocumentedBehaviour = harshness
			w := loadtest.NewFixture(t, fake)
			d := w.Deliver(t, loadtest.Delivery{Rows: 3})
			atCommit, goOn := make(chan struct{}), make(chan struct{})
			first := w.NewLoaderOn(loadtest.Intercept(fake, func(statement string, run func() error) error {
				if statement == "commit" {
					close(atCommit)
					<-goOn
				}
				return run()
			}))
			var both sync.WaitGroup
			handle := func(l *load.Loader) {
				for _, err := range l.Handle(t.Context(), []batch.Message{w.Message(d)}) {
					t.Error(err)
				}
			}
			both.Go(func() { handle(first) })
			<-atCommit
			both.Go(func() { handle(w.NewLoaderOn(fake)) })
			<-fake.Waiting() // the second has begun to wait
			close(goOn)
			both.Wait()
			w.CheckRows(t, map[object.ID]int64{d.ID: 3})
		})
	}
}

// raceTwoLoaders delivers one object twice and lets two loaders handle it at once: each
// reads the journal before the other writes it. On a warehouse that lets them,
// both are in their transaction before either commits.
func raceTwoLoaders(t *testing.T, fake *loadtest.Fake) (w *loadtest.Fixture, d loadtest.Delivered, errs []error) {
	t.Helper()
	w = loadtest.NewFixture(t, fake)
	w.Loader = w.NewLoaderOn(&loadtest.MeetingWarehouse{Warehouse: fake, Expected: 2, Timeout: 50 * time.Millisecond})
	d = w.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 3})
	errs = make([]error, 2)
	var both sync.WaitGroup
	for i := range errs {
		both.Go(func() { errs[i] = w.Handle(t, d)[0] })
	}
	both.Wait()
	return w, d, errs
}

// TestLedgerReadBeforeLockDoublesRows is the counter-example to a MERGE as the only
// guard: what a statement sees that took the lock itself is older than the
// lock. The second barriers must catch it.
func TestLedgerReadBeforeLockDoublesRows(t *testing.T) {
	t.Parallel()
	for name, historyOff := range map[string]bool{"load history": false, "check of the ledger": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.ReadBeforeLock, fake.HistoryOff = true, historyOff
			w, d, errs := raceTwoLoaders(t, fake)
			w.CheckRows(t, map[object.ID]int64{d.ID: 3})
			caught := 0
			for _, err := range errs {
				if err != nil {
					loadtest.CheckFault(t, err, fault.LedgerBroken, fault.Permanent, d.ID)
					caught++
				}
			}
			if caught != 1 {
				t.Errorf("%d loaders were caught, want 1", caught)
			}
		})
	}
}

// TestFilesSkippedAfterRollbackAreForced: if it does, the files of a group that a poisoned
// object rolled back are skipped the next time, and must be forced.
func TestFilesSkippedAfterRollbackAreForced(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.HistorySurvivesRollback = true
	w := loadtest.NewFixture(t, fake)
	good := w.Deliver(t, loadtest.Delivery{Key: "good.csv", Rows: 3, Rejects: 2})
	bad := w.Deliver(t, loadtest.Delivery{Key: "bad.csv", Rows: 3, Claimed: 4})
	errs := w.Handle(t, good, bad)
	if errs[0] != nil {
		t.Errorf("the good object: %v", errs[0])
	}
	loadtest.CheckFault(t, errs[1], fault.ReceiptMismatch, fault.Permanent, bad.ID)
	w.CheckRows(t, map[object.ID]int64{good.ID: 3})
}

func TestWrongNumberOfLockRowsFails(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 2} {
		fake := loadtest.NewFake()
		w := loadtest.NewFixture(t, fake)
		d := w.Deliver(t, loadtest.Delivery{Rows: 3})
		fake.LockRows(w.Dataset, n)
		loadtest.CheckFault(t, w.Handle(t, d)[0], fault.LedgerBroken, fault.Permanent, d.ID)
		w.CheckRows(t, map[object.ID]int64{})
	}
}

// TestGroupIsHalvedToFindUnnamedBadObject halves the group until the object is alone.
func TestGroupIsHalvedToFindUnnamedBadObject(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewFixture(t, fake)
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
			loadtest.CheckFault(t, err, fault.CopyRefused, fault.Permanent, group[6].ID)
		} else if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	w.CheckRows(t, want)
	if n := fake.OpenSessions(); n != 0 {
		t.Errorf("%d sessions were left open", n)
	}
}

// TestDeletedRowIsRepairedByNextVersion: somebody deleted a row; the next version makes it right.
func TestDeletedRowIsRepairedByNextVersion(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewFixture(t, fake)
	w.MustHandle(t, w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3}))
	fake.DeleteOneRow(w.Dataset)
	d := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 4})
}

// TestDeletedVersionNeverReplacesExistingOne: a version that the bucket has no more never takes the place
// of one that stands, and always gives way to one that is there.
func TestDeletedVersionNeverReplacesExistingOne(t *testing.T) {
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
			w := loadtest.NewFixture(t, loadtest.NewFake())
			first := w.Deliver(t, loadtest.Delivery{Version: "first", Sequencer: "5", Rows: 3})
			w.Versions[first.Object.Key] = test.versions
			w.MustHandle(t, first)
			second := w.Deliver(t, loadtest.Delivery{Version: "second", Rows: 4})
			w.MustHandle(t, second)
			stands, rows, gone := first, int64(3), second
			if test.replaces {
				stands, rows, gone = second, 4, first
			}
			w.CheckRows(t, map[object.ID]int64{stands.ID: rows})
			w.CheckState(t, gone.ID, journal.Superseded)
		})
	}
}

// TestRowsOutsideLoadWindowAreDeleted: rows outside of their load's window, as a wrong clock would
// leave them, are deleted all the same.
func TestRowsOutsideLoadWindowAreDeleted(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewFixture(t, fake)
	w.MustHandle(t, w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3, Rejects: 1}))
	fake.ShiftLoadTimes(w.Dataset, -48*time.Hour)
	d := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	w.MustHandle(t, d)
	if got := w.CheckRows(t, map[object.ID]int64{d.ID: 4}); len(got.Rejects) != 0 {
		t.Errorf("rejects %v of the replaced version are left", got.Rejects)
	}
}
