//go:build endtoend

package processes_test

import (
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
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// lockTimeout is these loaders' longest wait for the lock. The product waits five
// seconds, and a transaction of these small objects is shorter. With one second, some of
// sixteen loaders find the lock busy in each run.
const lockTimeout = time.Second

// loadTest is the size of a run of TestManyLoadersLoadEachObjectOnce.
type loadTest struct{ loaders, receipts, deliveries int }

// TestManyLoadersLoadEachObjectOnce delivers each receipt three times in random order,
// to loaders in separate processes. An account has far fewer loaders. `make
// test-loaders` runs the test ten times.
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
	e := newEnvironment(t, loadtest.NewFixture(t, sharedCloud(t).laptop))
	deliveries := make([]loadtest.Delivery, c.receipts)
	for i := range deliveries {
		deliveries[i] = loadtest.Delivery{
			Key: fmt.Sprintf("%03d.csv", i), Sequencer: "1", Rows: 1 + order.Int64N(9), Rejects: max(0, order.Int64N(10)-7),
		}
	}
	want := make(map[object.ID]int64)
	rejects := int64(0)
	var messages []batch.Message
	for _, d := range e.transformed(t, deliveries...) {
		want[d.ID], rejects = d.Receipt.RowsWritten, rejects+d.Receipt.RowsRejected
		for range c.deliveries {
			messages = append(messages, e.Message(d))
		}
	}
	order.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })

	began := time.Now()
	q := newQueue(messages)
	var loaders sync.WaitGroup
	for i := range c.loaders {
		settings := e.loaderSettings()
		settings.Objects = []int{5, 10, 20, 100}[i%4] // small limits, for many transactions
		settings.Login.LockTimeout = lockTimeout
		p := e.start(t, settings)
		sizes := rand.New(rand.NewPCG(seed, uint64(i+1)))
		loaders.Go(func() { q.feed(t, p, sizes) })
	}
	loaders.Wait()
	took := time.Since(began)

	got := e.CheckRows(t, want)
	if len(got.Ledger) != c.receipts || got.LockRows != 1 {
		t.Errorf("the ledger has %d rows and %d lock rows, want %d and 1", len(got.Ledger), got.LockRows, c.receipts)
	}
	rows, loads := int64(0), make(map[string]int)
	for _, row := range got.Ledger {
		rows += row.RowsLoaded
		loads[row.LoadID]++
		e.wantState(t, row.ID, journal.Loaded)
	}
	e.wantAnnounced(t, got.Ledger)
	e.wantUnlocked(t)
	busy := q.retries[fault.LockBusy]
	if busy == 0 {
		t.Errorf("no delivery of %d met %s", len(messages)+q.returned(), fault.LockBusy)
	}
	t.Logf("seed %d: %d of %d deliveries met %s", seed, busy, len(messages)+q.returned(), fault.LockBusy)
	t.Logf("seed %d: %d loaders, %d receipts, %d deliveries: %d rows and %d rejects in %d transactions of 1 to %d objects, %v; %d deliveries came back (%v)",
		seed, c.loaders, c.receipts, len(messages), rows, rejects, len(loads), slices.Max(slices.Collect(maps.Values(loads))), took.Round(100*time.Millisecond), q.returned(), q.retries)
}

// queue delivers messages as SQS does. Failed messages are delivered again.
type queue struct {
	mutex   sync.Mutex
	changed *sync.Cond
	waiting []batch.Message
	// inFlight is the number of messages in the hands of loaders.
	inFlight int
	// retries counts the failed deliveries by code.
	retries map[fault.Code]int
}

func newQueue(messages []batch.Message) *queue {
	q := &queue{waiting: messages, retries: make(map[fault.Code]int)}
	q.changed = sync.NewCond(&q.mutex)
	return q
}

// feed gives one loader batches of random size until the queue is empty.
func (q *queue) feed(t *testing.T, p *process, sizes *rand.Rand) {
	for {
		messages := q.take(1 + sizes.IntN(10))
		if len(messages) == 0 {
			return
		}
		failed, alive := p.handle(messages)
		if !alive {
			t.Error("a loader died")
		}
		q.settle(t, messages, failed, alive)
		if !alive {
			return
		}
	}
}

// take waits for messages. An empty result means that all messages are done.
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

// settle puts failed messages back into the queue.
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
