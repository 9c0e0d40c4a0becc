package load_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// TestJournalWaitsForAnnouncement: without an announcement the object isn't done, and
// stays transformed in the journal.
func TestJournalWaitsForAnnouncement(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	fixture.Publisher.Unavailable = true
	loadtest.CheckFault(t, fixture.Handle(t, d)[0], fault.TopicAway, fault.RetryAfter, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	fixture.CheckState(t, d.ID, journal.Transformed)
	fixture.Publisher.Unavailable, fixture.Journal.Unavailable = false, true
	loadtest.CheckFault(t, fixture.Handle(t, d)[0], fault.JournalAway, fault.RetryAfter, d.ID)
	fixture.Journal.Unavailable = false
	fixture.MustHandle(t, d)
	fixture.CheckState(t, d.ID, journal.Loaded)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	announced := fixture.Publisher.Published()
	if len(announced) != 2 || !cmp.Equal(announced[0], announced[1]) {
		t.Errorf("announcements %+v, want two of the same load", announced)
	}
}

// TestDuplicateContentIsLogged: the log has both objects with the same bytes, unless
// the contract allows duplicates.
func TestDuplicateContentIsLogged(t *testing.T) {
	t.Parallel()
	for rule, want := range map[contract.DuplicateContent]int{contract.WarnDuplicate: 1, contract.LoadDuplicate: 0} {
		fixture := loadtest.NewFixture(t, loadtest.NewFake())
		fixture.Contract = loadtest.ModeContract(fixture.Dataset)
		fixture.Contract.DuplicateContent = rule
		fixture.Loader = fixture.NewLoaderOn(fixture.Warehouse)
		first := fixture.Deliver(t, loadtest.Delivery{Key: "a.csv", Rows: 3, Content: "sha256:same"})
		second := fixture.Deliver(t, loadtest.Delivery{Key: "b.csv", Rows: 3, Content: "sha256:same"})
		var log bytes.Buffer
		ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "load"))
		if failed := fixture.Loader.Handle(ctx, []batch.Message{fixture.Message(first), fixture.Message(second)}); len(failed) > 0 {
			t.Fatal(failed)
		}
		line := regexp.MustCompile(`"level":"WARN","msg":"duplicate content loaded".*"object":"` + string(second.ID) + `".*"duplicate_of":"` + string(first.ID) + `"`)
		if n := len(line.FindAllString(log.String(), -1)); n != want {
			t.Errorf("%s: %d warnings, want %d:\n%s", rule, n, want, log.String())
		}
	}
}

// TestGroupAboveLimitsIsSplit: seven objects and a limit of three objects make three
// transactions.
func TestGroupAboveLimitsIsSplit(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	fixture.Loader.Limits = load.Limits{Objects: 3}
	var group []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range 7 {
		d := fixture.Deliver(t, loadtest.Delivery{Key: string(rune('a' + i)), Rows: 2})
		group, want[d.ID] = append(group, d), 2
	}
	fixture.MustHandle(t, group...)
	fixture.CheckRows(t, want)
	if n := len(fixture.Publisher.Published()); n != 3 {
		t.Errorf("%d transactions, want 3", n)
	}
}

// TestObjectAboveCopyLimitUsesSeveralCopies loads an object with more files than a COPY
// accepts.
func TestObjectAboveCopyLimitUsesSeveralCopies(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 2500, Files: 2500})
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 2500})
}

func TestEveryMessageOfAnObjectGetsItsResult(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	mismatched := fixture.Deliver(t, loadtest.Delivery{Key: "mismatched.csv", Rows: 3})
	receipt := mismatched.Receipt
	receipt.Data = d.Receipt.Data
	fixture.Receipts.Put(*mismatched.Work.Receipt, receipt)
	hostileWork := d
	hostileWork.Work.Dataset = "x; drop table y"
	good, foreign := fixture.Message(d), fixture.Message(mismatched)
	hostile, garbled := fixture.Message(hostileWork), batch.Message{ID: "garbled", Body: "{"}
	failed := fixture.Loader.Handle(t.Context(), []batch.Message{garbled, foreign, good, hostile})
	for id, want := range map[string]fault.Code{garbled.ID: fault.Undecodable, hostile.ID: fault.Undecodable, foreign.ID: fault.ReceiptMismatch} {
		if f := fault.As(failed[id]); f == nil || f.Code != want || f.Disposition != fault.Permanent {
			t.Errorf("message %s: got %v, want a permanent %s", id, failed[id], want)
		}
	}
	if len(failed) != 3 {
		t.Errorf("%d messages failed, want 3", len(failed))
	}
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

// TestInvocationWithoutTimeStartsNothing: the remaining time is less than the margin.
func TestInvocationWithoutTimeStartsNothing(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(5*time.Second))
	defer cancel()
	message := fixture.Message(d)
	loadtest.CheckFault(t, fixture.Loader.Handle(ctx, []batch.Message{message})[message.ID], fault.SnowflakeAway, fault.RetryAfter, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
}

// TestWaitingObjectLoadedByAnotherIsNotAnnounced: another loader has loaded the waiting
// object and will announce the load. So a loader without a message for the object
// doesn't announce the load.
func TestWaitingObjectLoadedByAnotherIsNotAnnounced(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	other := fixture.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
	fixture.MustHandle(t, other)
	fixture.Journal.Set(other.ID, journal.Transformed) // the other loader is between COMMIT and journal
	asked := fixture.Deliver(t, loadtest.Delivery{Key: "asked.csv", Rows: 3})
	fixture.MustHandle(t, asked)
	fixture.CheckRows(t, map[object.ID]int64{other.ID: 2, asked.ID: 3})
	fixture.CheckState(t, other.ID, journal.Transformed)
	announced := fixture.Publisher.Published()
	if len(announced) != 2 || announced[0].LoadID == announced[1].LoadID {
		t.Errorf("announcements %+v, want one of each load", announced)
	}
}

// TestLateMessageKeepsReloadOpen: SQS delivers the message of the first load again
// during the object's reload.
func TestLateMessageKeepsReloadOpen(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	first := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	fixture.MustHandle(t, first)
	fixture.Journal.Reload(first.ID)
	fixture.MustHandle(t, first)
	fixture.CheckState(t, first.ID, journal.Received)
	if announced := fixture.Publisher.Published(); len(announced) != 1 {
		t.Errorf("announcements %+v, want only one of the first load", announced)
	}
	reload := fixture.Deliver(t, loadtest.Delivery{Rows: 4, Generation: 1})
	fixture.MustHandle(t, first)
	fixture.CheckState(t, first.ID, journal.Transformed)
	fixture.MustHandle(t, reload)
	fixture.CheckState(t, first.ID, journal.Loaded)
	fixture.CheckRows(t, map[object.ID]int64{reload.ID: 4})
}

// TestFaultOfReloadHasItsGeneration: the journal drops a fault of an earlier generation,
// so a fault without the generation of the reload would be lost.
func TestFaultOfReloadHasItsGeneration(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reload  loadtest.Delivery
		spoil   func(*loadtest.Fixture, loadtest.Delivered)
		refused fault.Code
	}{
		"missing file":    {loadtest.Delivery{Rows: 4, Missing: true}, func(*loadtest.Fixture, loadtest.Delivered) {}, fault.ReceiptMissing},
		"wrong count":     {loadtest.Delivery{Rows: 4, Claimed: 5}, func(*loadtest.Fixture, loadtest.Delivered) {}, fault.ReceiptMismatch},
		"missing receipt": {loadtest.Delivery{Rows: 4}, func(f *loadtest.Fixture, d loadtest.Delivered) { f.Receipts.Remove(*d.Work.Receipt) }, fault.ReceiptMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewFixture(t, loadtest.NewFake())
			fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Rows: 3}))
			test.reload.Generation = 1
			reload := fixture.Deliver(t, test.reload)
			test.spoil(fixture, reload)
			if f := loadtest.CheckFault(t, fixture.Handle(t, reload)[0], test.refused, fault.Permanent, reload.ID); f.Generation != 1 {
				t.Errorf("generation %d, want 1", f.Generation)
			}
		})
	}
}

// noVersions is a bucket without an answer.
type noVersions struct{}

func (noVersions) NewestFirst(context.Context, load.Key) ([]string, error) {
	return nil, fault.Dependency("list versions", fault.StoreAway, errors.New("no answer"))
}

// TestUnknownVersionOrderDelaysOnlyItsKey: if the order of two versions is unknown,
// only the objects of their key are delayed.
func TestUnknownVersionOrderDelaysOnlyItsKey(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	fixture.Loader.Versions = noVersions{}
	first := fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	second := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	third := fixture.Deliver(t, loadtest.Delivery{Version: "v3", Rows: 5})
	other := fixture.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
	errs := fixture.Handle(t, first, second, third, other)
	for i, d := range []loadtest.Delivered{first, second, third} {
		loadtest.CheckFault(t, errs[i], fault.StoreAway, fault.RetryAfter, d.ID)
		fixture.CheckState(t, d.ID, journal.Transformed)
	}
	if errs[3] != nil {
		t.Errorf("the other key: %v", errs[3])
	}
	fixture.CheckRows(t, map[object.ID]int64{other.ID: 2})
}

// TestObjectLoadedDuringLockWaitIsDone: an object loaded by the lock's holder is done,
// and the message is acknowledged. The messages of other objects come back.
func TestObjectLoadedDuringLockWaitIsDone(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockTimeout = time.Second
	fixture := loadtest.NewFixture(t, fake)
	loaded := fixture.Deliver(t, loadtest.Delivery{Key: "loaded.csv", Rows: 3})
	open := fixture.Deliver(t, loadtest.Delivery{Key: "open.csv", Rows: 3})
	release := fixture.HoldLock(t)
	go func() {
		<-fake.Waiting()
		fixture.Journal.Set(loaded.ID, journal.Loaded)
	}()
	errs := fixture.Handle(t, loaded, open)
	if errs[0] != nil {
		t.Errorf("the loaded object: %v", errs[0])
	}
	loadtest.CheckFault(t, errs[1], fault.LockBusy, fault.RetryAfter, open.ID)
	release()
}

// countingReceipts counts the reads of receipts.
type countingReceipts struct {
	load.Receipts
	read atomic.Int64
}

func (r *countingReceipts) Read(ctx context.Context, at work.Location) (work.Receipt, error) {
	r.read.Add(1)
	return r.Receipts.Read(ctx, at)
}

// TestLoaderWithoutLockReadsOnlyItsOwnReceipts: a loader that waits for the lock
// doesn't read the receipts of waiting objects.
func TestLoaderWithoutLockReadsOnlyItsOwnReceipts(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockTimeout = 10 * time.Millisecond
	fixture := loadtest.NewFixture(t, fake)
	receipts := &countingReceipts{Receipts: fixture.Receipts}
	fixture.Loader.Receipts = receipts
	asked := fixture.Deliver(t, loadtest.Delivery{Key: "asked.csv", Rows: 1})
	want := map[object.ID]int64{asked.ID: 1}
	for i := range 5 {
		d := fixture.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Rows: 1})
		want[d.ID] = 1
	}
	release := fixture.HoldLock(t)
	loadtest.CheckFault(t, fixture.Handle(t, asked)[0], fault.LockBusy, fault.RetryAfter, asked.ID)
	if n := receipts.read.Load(); n != 1 {
		t.Errorf("%d receipts were read, want 1", n)
	}
	release()
	fixture.MustHandle(t, asked)
	fixture.CheckRows(t, want)
}

// TestThousandObjectsLoadInOneTransaction: ten messages make a transaction of 1,000
// files.
func TestThousandObjectsLoadInOneTransaction(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	const objects = 1000
	var all []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range objects {
		d := fixture.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Sequencer: "1", Rows: 1})
		all, want[d.ID] = append(all, d), 1
	}
	fixture.MustHandle(t, all[:10]...)
	fixture.CheckRows(t, want)
	if n := len(fixture.Publisher.Published()); n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
}

// gatheringJournal is a journal whose writes wait until the expected number of writes
// is under way.
type gatheringJournal struct {
	load.Journal
	expected int64
	arrived  atomic.Int64
	all      chan struct{}
}

func (j *gatheringJournal) Loaded(ctx context.Context, id object.ID, l journal.Load) error {
	if j.arrived.Add(1) == j.expected {
		close(j.all)
	}
	select {
	case <-j.all:
		return j.Journal.Loaded(ctx, id, l)
	case <-ctx.Done():
		return fault.Dependency("write journal", fault.JournalAway, ctx.Err())
	}
}

// TestJournalIsWrittenInParallel: one write after another would take 1,000 round trips
// for 1,000 objects.
func TestJournalIsWrittenInParallel(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	const objects = 5
	fixture.Loader.Journal = &gatheringJournal{Journal: fixture.Journal, expected: objects, all: make(chan struct{})}
	fixture.Loader.Margin = time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var messages []batch.Message
	for i := range objects {
		messages = append(messages, fixture.Message(fixture.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Rows: 1})))
	}
	for id, err := range fixture.Loader.Handle(ctx, messages) {
		t.Errorf("message %s: %v", id, err)
	}
}

// TestDismissedObjectIsDone: the message of a dismissed object loads nothing.
func TestDismissedObjectIsDone(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	dismissed := fixture.Deliver(t, loadtest.Delivery{Key: "a.csv", Rows: 3})
	fixture.Journal.Set(dismissed.ID, journal.Dismissed)
	other := fixture.Deliver(t, loadtest.Delivery{Key: "b.csv", Rows: 2})
	fixture.MustHandle(t, dismissed, other)
	fixture.CheckRows(t, map[object.ID]int64{other.ID: 2})
	fixture.CheckState(t, dismissed.ID, journal.Dismissed)
}

// TestLateDuplicateOfEarlierGenerationKeepsReloadOpen: a late message of an earlier
// generation must not end a waiting reload in the journal.
func TestLateDuplicateOfEarlierGenerationKeepsReloadOpen(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	fixture.Loader.Limits = load.Limits{Objects: 1}
	first := fixture.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, first)
	reload := fixture.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 4, Generation: 1})
	fixture.MustHandle(t, first)
	fixture.CheckState(t, first.ID, journal.Transformed)
	fixture.MustHandle(t, reload)
	fixture.CheckRows(t, map[object.ID]int64{reload.ID: 4})
	fixture.CheckState(t, reload.ID, journal.Loaded)
}

// TestFullTransactionReadsNoMoreReceipts: the loader doesn't read receipts of objects
// that don't fit into the transaction.
func TestFullTransactionReadsNoMoreReceipts(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	receipts := &countingReceipts{Receipts: fixture.Receipts}
	fixture.Loader.Receipts = receipts
	fixture.Loader.Limits = load.Limits{Files: 10}
	const waiting = 300
	for i := range waiting {
		fixture.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Sequencer: "1", Rows: 5, Files: 5})
	}
	asked := fixture.Deliver(t, loadtest.Delivery{Key: "asked.csv", Sequencer: "1", Rows: 5, Files: 5})
	fixture.MustHandle(t, asked)
	fixture.CheckState(t, asked.ID, journal.Loaded)
	if n := receipts.read.Load(); n > 101 {
		t.Errorf("%d receipts were read, want at most 101", n)
	}
	if got := len(fixture.Warehouse.Contents(t, fixture.Dataset).Ledger); got != 2 {
		t.Errorf("%d objects were loaded, want 2", got)
	}
}
