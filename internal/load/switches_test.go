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

// TestEachBarrierIsNecessary removes each barrier once. The case of the barrier fails
// without the barrier, and passes with the barrier.
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
				failures := loadtest.Failures(t, func(t testing.TB) {
					fixture := loadtest.NewFixture(t, fake)
					if off {
						fixture.WrapWarehouse = barrier.Disable(fixture.Receipts)
						fixture.Loader = fixture.NewLoaderOn(fake)
					}
					loadtest.Cases[barrier.Case](t, fixture)
				})
				switch {
				case off && len(failures) == 0:
					t.Errorf("case %q passes without the barrier, so the case proves nothing", barrier.Case)
				case off:
					t.Logf("without the barrier: %s", failures[0])
				case len(failures) > 0:
					t.Errorf("with the barrier: %s", failures[0])
				}
			}
		})
	}
}

// TestSuitePassesUnderEveryUndocumentedBehaviour runs the suite under every combination
// of undocumented behaviour.
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

// mergeLoader loads a file with MERGE as the only guard: the loader copies the file if
// MERGE inserted the ledger row. Readers of the documentation could write such a
// loader, because MERGE takes a lock.
func mergeLoader(t *testing.T, fake *loadtest.Fake, dataset string, d loadtest.Delivered, merged chan<- int64, resume <-chan struct{}) {
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
	<-resume
	if inserted == 1 {
		if _, err := session.Copy(t.Context(), load.Rows, []string{d.Receipt.Data[0].Key}, true); err != nil {
			t.Error(err)
		}
	}
	if err := session.Commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMergeAloneDoublesRows is the counter-example of a loader that trusts MERGE. The
// second MERGE waits for the first lock, and sees only the commits from before the
// wait. Snowflake doesn't document whether a statement reads again after the wait. If
// not, the loader loads the rows twice, other than the load protocol.
func TestMergeAloneDoublesRows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rereads bool
		want    int64
	}{
		"a waiting statement keeps the old data": {false, 6},
		"a waiting statement reads again":        {true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.Rereads = test.rereads
			fixture := loadtest.NewFixture(t, fake)
			d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
			merged, first, second := make(chan int64), make(chan struct{}), make(chan struct{})
			close(second) // the second loader waits only for the lock
			var loaders sync.WaitGroup
			loaders.Go(func() { mergeLoader(t, fake, fixture.Dataset, d, merged, first) })
			if inserted := <-merged; inserted != 1 {
				t.Errorf("the first MERGE inserted %d rows, want 1", inserted)
			}
			loaders.Go(func() { mergeLoader(t, fake, fixture.Dataset, d, merged, second) })
			<-fake.Waiting() // the second MERGE has started and waits
			close(first)
			<-merged
			loaders.Wait()
			if got := fake.Contents(t, fixture.Dataset).Rows[d.ID]; got != test.want {
				t.Errorf("%d rows, want %d", got, test.want)
			}
		})
	}
}

// TestLoaderReadsLedgerAfterLock is the same case with the load protocol: a statement
// waits for the lock, and the next statement reads the ledger.
func TestLoaderReadsLedgerAfterLock(t *testing.T) {
	t.Parallel()
	for _, harshness := range loadtest.EveryBehaviour() {
		t.Run(harshness.String(), func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.UndocumentedBehaviour = harshness
			fixture := loadtest.NewFixture(t, fake)
			d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
			atCommit, resume := make(chan struct{}), make(chan struct{})
			first := fixture.NewLoaderOn(loadtest.Intercept(fake, func(statement string, run func() error) error {
				if statement == "commit" {
					close(atCommit)
					<-resume
				}
				return run()
			}))
			var loaders sync.WaitGroup
			handle := func(l *load.Loader) {
				for _, err := range l.Handle(t.Context(), []batch.Message{fixture.Message(d)}) {
					t.Error(err)
				}
			}
			loaders.Go(func() { handle(first) })
			<-atCommit
			loaders.Go(func() { handle(fixture.NewLoaderOn(fake)) })
			<-fake.Waiting() // the second loader has started to wait
			close(resume)
			loaders.Wait()
			fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
		})
	}
}

// raceTwoLoaders delivers an object twice to two concurrent loaders. Both loaders read
// the journal before the first write. If the warehouse allows that, both are in a
// transaction before the first COMMIT.
func raceTwoLoaders(t *testing.T, fake *loadtest.Fake) (fixture *loadtest.Fixture, d loadtest.Delivered, errs []error) {
	t.Helper()
	fixture = loadtest.NewFixture(t, fake)
	fixture.Loader = fixture.NewLoaderOn(&loadtest.MeetingWarehouse{Warehouse: fake, Expected: 2, Timeout: 50 * time.Millisecond})
	d = fixture.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 3})
	errs = make([]error, 2)
	var loaders sync.WaitGroup
	for i := range errs {
		loaders.Go(func() { errs[i] = fixture.Handle(t, d)[0] })
	}
	loaders.Wait()
	return fixture, d, errs
}

// TestSecondBarriersStopLedgerReadBeforeLock: a ledger read in the same statement as the lock,
// as by MERGE, is older than the lock. The second barriers must stop one loader.
func TestSecondBarriersStopLedgerReadBeforeLock(t *testing.T) {
	t.Parallel()
	for name, historyOff := range map[string]bool{"load history": false, "ledger check": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fake.ReadBeforeLock, fake.HistoryOff = true, historyOff
			fixture, d, errs := raceTwoLoaders(t, fake)
			fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
			stopped := 0
			for _, err := range errs {
				if err != nil {
					loadtest.CheckFault(t, err, fault.LedgerBroken, fault.Permanent, d.ID)
					stopped++
				}
			}
			if stopped != 1 {
				t.Errorf("%d loaders failed, want 1", stopped)
			}
		})
	}
}

// TestFilesSkippedAfterRollbackAreForced: a bad object rolls a group back, but the load
// history keeps the files. So the next COPY skips the files, and a COPY with FORCE must
// load them.
func TestFilesSkippedAfterRollbackAreForced(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.HistorySurvivesRollback = true
	fixture := loadtest.NewFixture(t, fake)
	good := fixture.Deliver(t, loadtest.Delivery{Key: "good.csv", Rows: 3, Rejects: 2})
	bad := fixture.Deliver(t, loadtest.Delivery{Key: "bad.csv", Rows: 3, Claimed: 4})
	errs := fixture.Handle(t, good, bad)
	if errs[0] != nil {
		t.Errorf("the good object: %v", errs[0])
	}
	loadtest.CheckFault(t, errs[1], fault.ReceiptMismatch, fault.Permanent, bad.ID)
	fixture.CheckRows(t, map[object.ID]int64{good.ID: 3})
}

func TestWrongNumberOfLockRowsFails(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 2} {
		fake := loadtest.NewFake()
		fixture := loadtest.NewFixture(t, fake)
		d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
		fake.LockRows(fixture.Dataset, n)
		loadtest.CheckFault(t, fixture.Handle(t, d)[0], fault.LedgerBroken, fault.Permanent, d.ID)
		fixture.CheckRows(t, map[object.ID]int64{})
	}
}

// TestGroupIsHalvedToFindUnnamedBadObject: Snowflake's message names no file, so the
// group is halved until the bad object is alone.
func TestGroupIsHalvedToFindUnnamedBadObject(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fixture := loadtest.NewFixture(t, fake)
	var group []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range 10 {
		d := fixture.Deliver(t, loadtest.Delivery{Key: string(rune('a' + i)), Rows: 1, Anonymous: i == 6})
		group = append(group, d)
		if i != 6 {
			want[d.ID] = 1
		}
	}
	for i, err := range fixture.Handle(t, group...) {
		if i == 6 {
			loadtest.CheckFault(t, err, fault.CopyRefused, fault.Permanent, group[6].ID)
		} else if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	fixture.CheckRows(t, want)
	if n := fake.OpenSessions(); n != 0 {
		t.Errorf("%d sessions were left open", n)
	}
}

// TestDeletedRowIsRepairedByNextVersion: a row was deleted by hand, and the load of the
// next version corrects the table.
func TestDeletedRowIsRepairedByNextVersion(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fixture := loadtest.NewFixture(t, fake)
	fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3}))
	fake.DeleteOneRow(fixture.Dataset)
	d := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 4})
}

// TestDeletedVersionNeverReplacesExistingOne: a version without a place in the bucket
// never replaces an existing version. An existing version always replaces such a
// version.
func TestDeletedVersionNeverReplacesExistingOne(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		versions []string
		replaces bool
	}{
		{"both in the bucket, in order", []string{"second", "first"}, true},
		{"both in the bucket, in reverse", []string{"first", "second"}, false},
		{"the first is deleted", []string{"second"}, true},
		{"the second is deleted", []string{"first"}, false},
		{"both are deleted", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewFixture(t, loadtest.NewFake())
			first := fixture.Deliver(t, loadtest.Delivery{Version: "first", Sequencer: "5", Rows: 3})
			fixture.Versions[first.Object.Key] = test.versions
			fixture.MustHandle(t, first)
			second := fixture.Deliver(t, loadtest.Delivery{Version: "second", Rows: 4})
			fixture.MustHandle(t, second)
			kept, rows, superseded := first, int64(3), second
			if test.replaces {
				kept, rows, superseded = second, 4, first
			}
			fixture.CheckRows(t, map[object.ID]int64{kept.ID: rows})
			fixture.CheckState(t, superseded.ID, journal.Superseded)
		})
	}
}

// TestRowsOutsideLoadWindowAreDeleted: a wrong clock puts rows outside the window of
// their load. The rows are deleted nevertheless.
func TestRowsOutsideLoadWindowAreDeleted(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fixture := loadtest.NewFixture(t, fake)
	fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3, Rejects: 1}))
	fake.ShiftLoadTimes(fixture.Dataset, -48*time.Hour)
	d := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	fixture.MustHandle(t, d)
	if got := fixture.CheckRows(t, map[object.ID]int64{d.ID: 4}); len(got.Rejects) != 0 {
		t.Errorf("rejects %v of the replaced version are left", got.Rejects)
	}
}
