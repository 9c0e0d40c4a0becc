//go:build endtoend

package processes_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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

// publisher is a function as a load.Publisher.
type publisher func(load.Announcement)

// Publish implements load.Publisher.
func (p publisher) Publish(_ context.Context, n load.Announcement) error {
	p(n)
	return nil
}

// lockTimeout is how long these loaders wait for the lock. The product's five
// seconds leave the rest to SQS's backoff, which isn't here: what comes back is
// delivered again at once.
const lockTimeout = 15 * time.Second

// loadTest is how much a run of TestManyLoadersLoadEachObjectOnce asks for.
type loadTest struct{ loaders, receipts, deliveries int }

// TestManyLoadersLoadEachObjectOnce: loaders in processes of their own, far more than an account
// runs, get each receipt three times in any order. `make test-loaders` runs it
// ten times.
func TestManyLoadersLoadEachObjectOnce(t *testing.T) { //nolint:paralleltest // sixteen processes are enough for one machine
	c := loadTest{loaders: 16, receipts: 200, deliveries: 3}
	if testing.Short() {
		c = loadTest{loaders: 6, receipts: 30, deliveries: 3}
	}
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for run := range *runs {
		t.Run(fmt.Sprintf("run %d", run+1), func(t *testing.T) { c.run(t, first+uint64(run)) })
	}
}

func (c loadTest) run(t *testing.T, seed uint64) {
	order := rand.New(rand.NewPCG(seed, 0))
	w := newEnvironment(t, loadtest.NewFixture(t, sharedCloud(t).laptop))
	deliveries := make([]loadtest.Delivery, c.receipts)
	for i := range deliveries {
		deliveries[i] = loadtest.Delivery{
			Key: fmt.Sprintf("%03d.csv", i), Sequencer: "1", Rows: 1 + order.Int64N(9), Rejects: max(0, order.Int64N(10)-7),
		}
	}
	want := make(map[object.ID]int64)
	rejects := int64(0)
	var messages []batch.Message
	for _, d := range w.transformed(t, deliveries...) {
		want[d.ID], rejects = d.Receipt.RowsWritten, rejects+d.Receipt.RowsRejected
		for range c.deliveries {
			messages = append(messages, w.Message(d))
		}
	}
	order.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })

	began := time.Now()
	q := newQueue(messages)
	var loaders sync.WaitGroup
	for i := range c.loaders {
		o := w.loaderSettings()
		o.Objects = []int{5, 10, 20, 100}[i%4] // small transactions, so that there are many
		o.Login.LockTimeout = lockTimeout
		p := w.start(t, o)
		sizes := rand.New(rand.NewPCG(seed, uint64(i+1)))
		loaders.Go(func() { q.feed(t, p, sizes) })
	}
	loaders.Wait()
	took := time.Since(began)

	got := w.CheckRows(t, want)
	if len(got.Ledger) != c.receipts || got.LockRows != 1 {
		t.Errorf("the ledger has %d rows and %d lock rows, want %d and 1", len(got.Ledger), got.LockRows, c.receipts)
	}
	rows, loads := int64(0), make(map[string]int)
	for _, row := range got.Ledger {
		rows += row.RowsLoaded
		loads[row.LoadID]++
		w.wantState(t, row.ID, journal.Loaded)
	}
	w.wantAnnounced(t, got.Ledger)
	w.wantUnlocked(t)
	t.Logf("seed %d: %d loaders, %d receipts, %d deliveries: %d rows and %d rejects in %d transactions of 1 to %d objects, %v; %d deliveries came back (%v)",
		seed, c.loaders, c.receipts, len(messages), rows, rejects, len(loads), slices.Max(slices.Collect(maps.Values(loads))), took.Round(100*time.Millisecond), q.returned(), q.retries)
}

// queue gives messages out as SQS does: one that isn't done is delivered again.
type queue struct {
	mutex   sync.Mutex
	changed *sync.Cond
	waiting []batch.Message
	// inFlight are messages that a loader has.
	inFlight int
	// retries are the deliveries that came back, by code.
	retries map[fault.Code]int
}

func newQueue(messages []batch.Message) *queue {
	q := &queue{waiting: messages, retries: make(map[fault.Code]int)}
	q.changed = sync.NewCond(&q.mutex)
	return q
}

// feed gives one loader batches of any size until nothing is left.
func (q *queue) feed(t *testing.T, p *process, sizes *rand.Rand) {
	for {
		messages := q.take(1 + sizes.IntN(10))
		if len(messages) == 0 {
			return
		}
		failed, lives := p.handle(messages)
		if !lives {
			t.Error("a loader died")
		}
		q.settle(t, messages, failed, lives)
		if !lives {
			return
		}
	}
}

// take waits for messages; none is the end.
func (q *queue) take(most int) []batch.Message {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for len(q.waiting) == 0 && q.inFlight > 0 {
		q.changed.Wait()
	}
	n := min(most, len(q.waiting))
	taken := slices.Clone(q.waiting[:n])
	q.waiting = q.waiting[n:]
	q.inFlight += n
	return taken
}

// settle puts back what isn't done.
func (q *queue) settle(t *testing.T, messages []batch.Message, failed map[string]failure, answered bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	defer q.changed.Broadcast()
	q.inFlight -= len(messages)
	for _, m := range messages {
		f, bad := failed[m.ID]
		switch {
		case !answered:
			q.waiting = append(q.waiting, m)
		case bad && f.Disposition == fault.Permanent:
			t.Errorf("message %s: %s", m.ID, f.Text)
		case bad:
			q.retries[f.Code]++
			q.waiting = append(q.waiting, m)
		}
	}
}

func (q *queue) returned() int {
	n := 0
	for _, times := range q.retries {
		n += times
	}
	return n
}
