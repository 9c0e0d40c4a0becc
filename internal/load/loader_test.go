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

// TestJournalWaitsForAnnouncement: while nobody can be told, the object isn't done, and the
// journal mustn't call it loaded.
func TestJournalWaitsForAnnouncement(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	w.Publisher.Unavailable = true
	loadtest.CheckFault(t, w.Handle(t, d)[0], fault.QueueAway, fault.RetryAfter, d.ID)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	w.CheckState(t, d.ID, journal.Transformed)
	w.Publisher.Unavailable, w.Journal.Unavailable = false, true
	loadtest.CheckFault(t, w.Handle(t, d)[0], fault.JournalAway, fault.RetryAfter, d.ID)
	w.Journal.Unavailable = false
	w.MustHandle(t, d)
	w.CheckState(t, d.ID, journal.Loaded)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	news := w.Publisher.Published()
	if len(news) != 2 || news[0] != news[1] {
		t.Errorf("news %+v, want the same load twice", news)
	}
}

// TestDuplicateContentIsLogged: whoever reads the log learns whose bytes were loaded
// again, unless the contract says that this is meant.
func TestDuplicateContentIsLogged(t *testing.T) {
	t.Parallel()
	for what, want := range map[contract.DuplicateContent]int{contract.WarnDuplicate: 1, contract.LoadDuplicate: 0} {
		w := loadtest.NewFixture(t, loadtest.NewFake())
		w.Contract = loadtest.ModeContract(w.Dataset)
		w.Contract.DuplicateContent = what
		w.Loader = w.NewLoaderOn(w.Warehouse)
		first := w.Deliver(t, loadtest.Delivery{Key: "a.csv", Rows: 3, Content: "sha256:same"})
		second := w.Deliver(t, loadtest.Delivery{Key: "b.csv", Rows: 3, Content: "sha256:same"})
		var log bytes.Buffer
		ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "load"))
		if failed := w.Loader.Handle(ctx, []batch.Message{w.Message(first), w.Message(second)}); len(failed) > 0 {
			t.Fatal(failed)
		}
		line := regexp.MustCompile(`"level":"WARN","msg":"duplicate content loaded".*"object":"` + string(second.ID) + `".*"duplicate_of":"` + string(first.ID) + `"`)
		if n := len(line.FindAllString(log.String(), -1)); n != want {
			t.Errorf("%s: %d warnings, want %d:\n%s", what, n, want, log.String())
		}
	}
}

// TestGroupAboveLimitsIsSplit: what doesn't fit into one transaction goes into the next.
func TestGroupAboveLimitsIsSplit(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	w.Loader.Limits = load.Limits{Objects: 3}
	var group []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range 7 {
		d := w.Deliver(t, loadtest.Delivery{Key: string(rune('a' + i)), Rows: 2})
		group, want[d.ID] = append(group, d), 2
	}
	w.MustHandle(t, group...)
	w.CheckRows(t, want)
	if n := len(w.Publisher.Published()); n != 3 {
		t.Errorf("%d transactions, want 3", n)
	}
}

// TestObjectAboveCopyLimitUsesSeveralCopies: an object of more files than a COPY takes.
func TestObjectAboveCopyLimitUsesSeveralCopies(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 2500, Files: 2500})
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 2500})
}

func TestEveryMessageOfAnObjectGetsItsResult(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	stolen := w.Deliver(t, loadtest.Delivery{Key: "stolen.csv", Rows: 3})
	receipt := stolen.Receipt
	receipt.Data = d.Receipt.Data
	w.Receipts.Put(*stolen.Work.Receipt, receipt)
	elsewhere := d
	elsewhere.Work.Dataset = "x; drop table y"
	good, foreign := w.Message(d), w.Message(stolen)
	hostile, garbled := w.Message(elsewhere), batch.Message{ID: "garbled", Body: "{"}
	failed := w.Loader.Handle(t.Context(), []batch.Message{garbled, foreign, good, hostile})
	for id, want := range map[string]fault.Code{garbled.ID: fault.Undecodable, hostile.ID: fault.Undecodable, foreign.ID: fault.ReceiptMismatch} {
		if f := fault.As(failed[id]); f == nil || f.Code != want || f.Disposition != fault.Permanent {
			t.Errorf("message %s: %v, want a permanent %s", id, failed[id], want)
		}
	}
	if len(failed) != 3 {
		t.Errorf("%d messages failed, want 3", len(failed))
	}
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

// TestInvocationWithoutTimeStartsNothing: an invocation without time left starts nothing.
func TestInvocationWithoutTimeStartsNothing(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(5*time.Second))
	defer cancel()
	message := w.Message(d)
	loadtest.CheckFault(t, w.Loader.Handle(ctx, []batch.Message{message})[message.ID], fault.SnowflakeAway, fault.RetryAfter, d.ID)
	w.CheckRows(t, map[object.ID]int64{})
}

// TestWaitingObjectLoadedByAnotherIsNotAnnounced: what another loader loaded, and will announce, is
// not announced by one that nobody asked.
func TestWaitingObjectLoadedByAnotherIsNotAnnounced(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	other := w.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
	w.MustHandle(t, other)
	w.Journal.Set(other.ID, journal.Transformed) // its loader is between COMMIT and journal
	asked := w.Deliver(t, loadtest.Delivery{Key: "asked.csv", Rows: 3})
	w.MustHandle(t, asked)
	w.CheckRows(t, map[object.ID]int64{other.ID: 2, asked.ID: 3})
	w.CheckState(t, other.ID, journal.Transformed)
	news := w.Publisher.Published()
	if len(news) != 2 || news[0].LoadID == news[1].LoadID {
		t.Errorf("news %+v, want one of each load", news)
	}
}

// TestLateMessageKeepsReloadOpen: SQS delivers the message of the first load again
// while the object's reload is on its way.
func TestLateMessageKeepsReloadOpen(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	first := w.Deliver(t, loadtest.Delivery{Rows: 3})
	w.MustHandle(t, first)
	w.Journal.Reload(first.ID)
	w.MustHandle(t, first)
	w.CheckState(t, first.ID, journal.Received)
	if news := w.Publisher.Published(); len(news) != 1 {
		t.Errorf("news %+v, want the first load's only", news)
	}
	again := w.Deliver(t, loadtest.Delivery{Rows: 4, Generation: 1})
	w.MustHandle(t, first)
	w.CheckState(t, first.ID, journal.Transformed)
	w.MustHandle(t, again)
	w.CheckState(t, first.ID, journal.Loaded)
	w.CheckRows(t, map[object.ID]int64{again.ID: 4})
}

// noVersions is a bucket that doesn't answer.
type noVersions struct{}

func (noVersions) NewestFirst(context.Context, load.Key) ([]string, error) {
	return nil, fault.Dependency("list versions", fault.StoreAway, errors.New("no answer"))
}

// TestUnknownVersionOrderDelaysOnlyItsKey: where nobody can tell which of two versions is newer, their
// key waits, and only their key.
func TestUnknownVersionOrderDelaysOnlyItsKey(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	w.Loader.Versions = noVersions{}
	first := w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	second := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	third := w.Deliver(t, loadtest.Delivery{Version: "v3", Rows: 5})
	other := w.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
	errs := w.Handle(t, first, second, third, other)
	for i, d := range []loadtest.Delivered{first, second, third} {
		loadtest.CheckFault(t, errs[i], fault.StoreAway, fault.RetryAfter, d.ID)
		w.CheckState(t, d.ID, journal.Transformed)
	}
	if errs[3] != nil {
		t.Errorf("the other key: %v", errs[3])
	}
	w.CheckRows(t, map[object.ID]int64{other.ID: 2})
}

// TestObjectLoadedDuringLockWaitIsDone: what the lock's holder loaded meanwhile is done,
// and needn't come back; what it didn't load comes back.
func TestObjectLoadedDuringLockWaitIsDone(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockTimeout = time.Second
	w := loadtest.NewFixture(t, fake)
	loaded := w.Deliver(t, loadtest.Delivery{Key: "loaded.csv", Rows: 3})
	open := w.Deliver(t, loadtest.Delivery{Key: "open.csv", Rows: 3})
	release := w.HoldLock(t)
	go func() {
		<-fake.Waiting()
		w.Journal.Set(loaded.ID, journal.Loaded)
	}()
	errs := w.Handle(t, loaded, open)
	if errs[0] != nil {
		t.Errorf("the object that is loaded by now: %v", errs[0])
	}
	loadtest.CheckFault(t, errs[1], fault.LockBusy, fault.RetryAfter, open.ID)
	release()
}

// countingReceipts counts the receipts that are read.
type countingReceipts struct {
	load.Receipts
	read atomic.Int64
}

func (r *countingReceipts) Read(ctx context.Context, at work.Location) (work.Receipt, error) {
	r.read.Add(1)
	return r.Receipts.Read(ctx, at)
}

// TestLoaderWithoutLockReadsOnlyItsOwnReceipts: a loader that another one keeps from the
// lock doesn't read what that one is loading.
func TestLoaderWithoutLockReadsOnlyItsOwnReceipts(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockTimeout = 10 * time.Millisecond
	w := loadtest.NewFixture(t, fake)
	receipts := &countingReceipts{Receipts: w.Receipts}
	w.Loader.Receipts = receipts
	asked := w.Deliver(t, loadtest.Delivery{Key: "asked.csv", Rows: 1})
	want := map[object.ID]int64{asked.ID: 1}
	for i := range 5 {
		d := w.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Rows: 1})
		want[d.ID] = 1
	}
	release := w.HoldLock(t)
	loadtest.CheckFault(t, w.Handle(t, asked)[0], fault.LockBusy, fault.RetryAfter, asked.ID)
	if n := receipts.read.Load(); n != 1 {
		t.Errorf("%d receipts were read, want 1", n)
	}
	release()
	w.MustHandle(t, asked)
	w.CheckRows(t, want)
}

// TestThousandObjectsLoadInOneTransaction: ten messages, one transaction of a thousand files.
func TestThousandObjectsLoadInOneTransaction(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	const objects = 1000
	var all []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range objects {
		d := w.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Sequencer: "1", Rows: 1})
		all, want[d.ID] = append(all, d), 1
	}
	w.MustHandle(t, all[:10]...)
	w.CheckRows(t, want)
	if n := len(w.Publisher.Published()); n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
}

// gatheringJournal is a journal whose writes wait until as many have come at once.
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

// TestJournalIsWrittenInParallel: a thousand objects' entries one after the other
// would take as many round trips.
func TestJournalIsWrittenInParallel(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	const objects = 5
	w.Loader.Journal = &gatheringJournal{Journal: w.Journal, expected: objects, all: make(chan struct{})}
	w.Loader.Margin = time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var messages []batch.Message
	for i := range objects {
		messages = append(messages, w.Message(w.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Rows: 1})))
	}
	for id, err := range w.Loader.Handle(ctx, messages) {
		t.Errorf("message %s: %v", id, err)
	}
}

// TestCrashAfterCommitStillSupersedesOldVersions: what a dead loader replaced isn't called loaded for
// ever. The ledger has forgotten it; the bucket hasn't.
func TestCrashAfterCommitStillSupersedesOldVersions(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	first := w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	w.MustHandle(t, first)
	second := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 5})
	w.Versions[second.Object.Key] = []string{"v3", "v2", "v1", "v0"}
	w.Publisher.Unavailable = true // as far as the dead one came
	loadtest.CheckFault(t, w.Handle(t, second)[0], fault.QueueAway, fault.RetryAfter, second.ID)
	w.CheckState(t, first.ID, journal.Loaded)
	w.Publisher.Unavailable = false
	w.MustHandle(t, second)
	w.CheckRows(t, map[object.ID]int64{second.ID: 5})
	w.CheckState(t, first.ID, journal.Superseded)
	w.CheckState(t, second.ID, journal.Loaded)
}

// TestLateDuplicateOfEarlierGenerationKeepsReloadOpen: a message that comes late must not
// let the journal take a reload for done that is still to come.
func TestLateDuplicateOfEarlierGenerationKeepsReloadOpen(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	w.Loader.Limits = load.Limits{Objects: 1}
	first := w.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 3})
	w.MustHandle(t, first)
	again := w.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 4, Generation: 1})
	w.MustHandle(t, first)
	w.CheckState(t, first.ID, journal.Transformed)
	w.MustHandle(t, again)
	w.CheckRows(t, map[object.ID]int64{again.ID: 4})
	w.CheckState(t, again.ID, journal.Loaded)
}

// TestFullTransactionReadsNoMoreReceipts: receipts that no transaction has
// room for aren't read.
func TestFullTransactionReadsNoMoreReceipts(t *testing.T) {
	t.Parallel()
	w := loadtest.NewFixture(t, loadtest.NewFake())
	receipts := &countingReceipts{Receipts: w.Receipts}
	w.Loader.Receipts = receipts
	w.Loader.Limits = load.Limits{Files: 10}
	const waiting = 300
	for i := range waiting {
		w.Deliver(t, loadtest.Delivery{Key: fmt.Sprintf("%d.csv", i), Sequencer: "1", Rows: 5, Files: 5})
	}
	asked := w.Deliver(t, loadtest.Delivery{Key: "asked.csv", Sequencer: "1", Rows: 5, Files: 5})
	w.MustHandle(t, asked)
	w.CheckState(t, asked.ID, journal.Loaded)
	if n := receipts.read.Load(); n > 101 {
		t.Errorf("%d receipts were read", n)
	}
	if got := len(w.Warehouse.Contents(t, w.Dataset).Ledger); got != 2 {
		t.Errorf("%d objects were loaded, want the two that fit", got)
	}
}
