package load_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// TestNewsFirst: while nobody can be told, the object isn't done, and the
// journal mustn't call it loaded.
func TestNewsFirst(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	w.News.Away = true
	loadtest.WantFault(t, w.Handle(t, d)[0], fault.QueueAway, fault.RetryAfter, d.ID)
	w.WantRows(t, map[object.ID]int64{d.ID: 3})
	w.WantState(t, d.ID, journal.Transformed)
	w.News.Away, w.Journal.Away = false, true
	loadtest.WantFault(t, w.Handle(t, d)[0], fault.JournalAway, fault.RetryAfter, d.ID)
	w.Journal.Away = false
	w.MustHandle(t, d)
	w.WantState(t, d.ID, journal.Loaded)
	w.WantRows(t, map[object.ID]int64{d.ID: 3})
	news := w.News.Published()
	if len(news) != 2 || news[0] != news[1] {
		t.Errorf("news %+v, want the same load twice", news)
	}
}

// TestLimits: what doesn't fit into one transaction goes into the next.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	w.Loader.Limits = load.Limits{Objects: 3}
	var group []loadtest.Delivered
	want := make(map[object.ID]int64)
	for i := range 7 {
		d := w.Deliver(t, loadtest.Delivery{Key: string(rune('a' + i)), Rows: 2})
		group, want[d.ID] = append(group, d), 2
	}
	w.MustHandle(t, group...)
	w.WantRows(t, want)
	if n := len(w.News.Published()); n != 3 {
		t.Errorf("%d transactions, want 3", n)
	}
}

// TestManyFiles: an object of more files than a COPY takes.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 2500, Files: 2500})
	w.MustHandle(t, d)
	w.WantRows(t, map[object.ID]int64{d.ID: 2500})
}

func TestMessages(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
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
	w.WantRows(t, map[object.ID]int64{d.ID: 3})
}

// TestTimeOver: an invocation without time left starts nothing.
func TestTimeOver(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(5*time.Second))
	defer cancel()
	message := w.Message(d)
	loadtest.WantFault(t, w.Loader.Handle(ctx, []batch.Message{message})[message.ID], fault.SnowflakeAway, fault.RetryAfter, d.ID)
	w.WantRows(t, map[object.ID]int64{})
}

// TestWaitingAlreadyLoaded: what another loader loaded, and will announce, is
// not announced by one that nobody asked.
func TestWaitingAlreadyLoaded(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	other := w.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
	w.MustHandle(t, other)
	w.Journal.Set(other.ID, journal.Transformed) // its loader is between COMMIT and journal
	asked := w.Deliver(t, loadtest.Delivery{Key: "asked.csv", Rows: 3})
	w.MustHandle(t, asked)
	w.WantRows(t, map[object.ID]int64{other.ID: 2, asked.ID: 3})
	w.WantState(t, other.ID, journal.Transformed)
	news := w.News.Published()
	if len(news) != 2 || news[0].LoadID == news[1].LoadID {
		t.Errorf("news %+v, want one of each load", news)
	}
}

// noVersions is a bucket that doesn't answer.
type noVersions struct{}

func (noVersions) NewestFirst(context.Context, load.Key) ([]string, error) {
	return nil, fault.Dependency("list versions", fault.StoreAway, errors.New("no answer"))
}

// TestUnknownOrder: where nobody can tell which of two versions is newer, their
// key waits, and only their key.
func TestUnknownOrder(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	w.Loader.Versions = noVersions{}
	first := w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	second := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	third := w.Deliver(t, loadtest.Delivery{Version: "v3", Rows: 5})
	other := w.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
	errs := w.Handle(t, first, second, third, other)
	for i, d := range []loadtest.Delivered{first, second, third} {
		loadtest.WantFault(t, errs[i], fault.StoreAway, fault.RetryAfter, d.ID)
		w.WantState(t, d.ID, journal.Transformed)
	}
	if errs[3] != nil {
		t.Errorf("the other key: %v", errs[3])
	}
	w.WantRows(t, map[object.ID]int64{other.ID: 2})
}

// TestDiedAfterCommit: what a dead loader replaced isn't called loaded for
// ever. The ledger has forgotten it; the bucket hasn't.
func TestDiedAfterCommit(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	first := w.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	w.MustHandle(t, first)
	second := w.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 5})
	w.Versions[second.Object.Key] = []string{"v3", "v2", "v1", "v0"}
	w.News.Away = true // as far as the dead one came
	loadtest.WantFault(t, w.Handle(t, second)[0], fault.QueueAway, fault.RetryAfter, second.ID)
	w.WantState(t, first.ID, journal.Loaded)
	w.News.Away = false
	w.MustHandle(t, second)
	w.WantRows(t, map[object.ID]int64{second.ID: 5})
	w.WantState(t, first.ID, journal.Superseded)
	w.WantState(t, second.ID, journal.Loaded)
}

// TestLateDuplicateOfAnEarlierGeneration: a message that comes late must not
// let the journal take a reload for done that is still to come.
func TestLateDuplicateOfAnEarlierGeneration(t *testing.T) {
	t.Parallel()
	w := loadtest.NewWorld(t, loadtest.NewFake())
	w.Loader.Limits = load.Limits{Objects: 1}
	first := w.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 3})
	w.MustHandle(t, first)
	again := w.Deliver(t, loadtest.Delivery{Sequencer: "1", Rows: 4, Generation: 1})
	w.MustHandle(t, first)
	w.WantState(t, first.ID, journal.Transformed)
	w.MustHandle(t, again)
	w.WantRows(t, map[object.ID]int64{again.ID: 4})
	w.WantState(t, again.ID, journal.Loaded)
}
