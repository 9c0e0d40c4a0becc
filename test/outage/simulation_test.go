//go:build standin

package outage_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/telemetry"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

const (
	backoff = 5 * time.Second
	tick    = 5 * time.Minute
	quiet   = time.Minute
	// visibilityTimeout is for how long a queue hides a message that nobody put off.
	visibilityTimeout = 6 * time.Minute
	// maxReceives is after how many SQS moves a message itself.
	maxReceives = 1000
)

// simulation is firn from the load queue on, with a clock that only the test moves.
type simulation struct {
	*loadtest.Fixture

	table     *journal.Table
	warehouse *switchedWarehouse
	consumer  *batch.Consumer
	watcher   *alert.Watcher
	queue     *queue
	mails     *fakeTopic
	clock     *clock
	nextTick  time.Time
}

// clock is the time of everything but Snowflake.
type clock struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *clock) read() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = now
}

var stacks atomic.Int64

// newSimulation makes a journal, and so a breaker, of its own.
func newSimulation(t *testing.T) *simulation {
	t.Helper()
	w := &simulation{clock: &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}, mails: &fakeTopic{}}
	w.nextTick = w.clock.now.Add(tick)
	w.table = newTable(t, w.clock)
	w.queue = &queue{clock: w.clock}
	fake := loadtest.NewFake()
	w.Fixture = loadtest.NewFixture(t, fake)
	w.warehouse = &switchedWarehouse{Warehouse: fake}
	w.consumer = w.newConsumer()
	w.watcher = &alert.Watcher{
		Outages: w.table, Mailer: alert.Mailer{Topic: w.mails, ARN: "arn:alerts"}, Datasets: []string{w.Dataset},
		MinDuration: quiet, Now: w.clock.read,
	}
	return w
}

// newConsumer is a loader's whole function, wired as internal/app/load does.
func (w *simulation) newConsumer() *batch.Consumer {
	loader := w.NewLoaderOn(load.GuardedWarehouse{
		Warehouse: w.warehouse,
		Breaker:   &breaker.Breaker{Store: w.table, Dependency: breaker.Snowflake, Backoff: backoff, Now: w.clock.read},
	})
	loader.Journal = w.table
	return &batch.Consumer{
		Stage: "load", Queues: []batch.Queue{{URL: "https://sqs/1/load", DeadLetterURL: "https://sqs/1/load-dead"}}, SQS: w.queue,
		Journal: w.table, Handler: loader.Handle, Attempts: 3, Backoff: backoff, Log: telemetry.Discard(),
	}
}

func newTable(t *testing.T, c *clock) *journal.Table {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("Outage%d", stacks.Add(1))
	if err := laptoptest.Deploy(t.Context(), cfg, name); err != nil {
		t.Fatal(err)
	}
	outputs, err := laptoptest.Outputs(t.Context(), cfg, name)
	if err != nil {
		t.Fatal(err)
	}
	return &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: outputs["JournalTable"], Now: c.read}
}

// deliver makes an object that waits for its load, in the journal and the queue.
func (w *simulation) deliver(t *testing.T, key string) loadtest.Delivered {
	t.Helper()
	d := w.Deliver(t, loadtest.Delivery{Key: key, Rows: 3})
	ctx := t.Context()
	_, err := w.table.Receive(ctx, d.Object, w.Dataset)
	if err == nil {
		_, err = w.table.Transformed(ctx, d.Receipt, *d.Work.Receipt)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.queue.put(d.Work.Encode())
	return d
}

// switchedWarehouse is a warehouse with a switch, that counts logins.
type switchedWarehouse struct {
	load.Warehouse

	mutex  sync.Mutex
	err    error
	logins int
}

func (m *switchedWarehouse) setError(off error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.err = off
}

// Open implements load.Warehouse.
func (m *switchedWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	m.mutex.Lock()
	m.logins++
	off := m.err
	m.mutex.Unlock()
	if off != nil {
		return nil, off
	}
	return m.Warehouse.Open(ctx, dataset, loadID)
}

func (m *switchedWarehouse) count() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.logins
}

// queue is SQS by the test's clock: a message that is received is hidden until
// somebody says how long, or for the queue's own time.
type queue struct {
	clock *clock

	mutex    sync.Mutex
	messages []*message
	dead     []string
	serial   int
}

type message struct {
	id, body string
	receives int
	visible  time.Time
}

func (q *queue) put(body string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.serial++
	q.messages = append(q.messages, &message{id: fmt.Sprint("m", q.serial), body: body, visible: q.clock.read()})
}

// next is when a message is visible next; false if there is none.
func (q *queue) next() (time.Time, bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	var first time.Time
	for _, m := range q.messages {
		if first.IsZero() || m.visible.Before(first) {
			first = m.visible
		}
	}
	return first, len(q.messages) > 0
}

// receive returns what is visible, at most ten.
func (q *queue) receive() events.SQSEvent {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	var event events.SQSEvent
	now := q.clock.read()
	for _, m := range q.messages {
		if m.visible.After(now) || len(event.Records) == 10 {
			continue
		}
		m.receives++
		m.visible = now.Add(visibilityTimeout)
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: m.id, Body: m.body, ReceiptHandle: m.id, EventSourceARN: "arn:aws:sqs:eu-central-1:1:load",
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives)},
		})
	}
	return event
}

// settle deletes what isn't kept.
func (q *queue) settle(event events.SQSEvent, response events.SQSEventResponse) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	kept := make(map[string]bool)
	for _, failure := range response.BatchItemFailures {
		kept[failure.ItemIdentifier] = true
	}
	done := make(map[string]bool)
	for _, r := range event.Records {
		done[r.MessageId] = !kept[r.MessageId]
	}
	var left []*message
	for _, m := range q.messages {
		switch {
		case done[m.id]:
		case m.receives >= maxReceives:
			q.dead = append(q.dead, m.body)
		default:
			left = append(left, m)
		}
	}
	q.messages = left
}

// ChangeMessageVisibility implements batch.SQS.
func (q *queue) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for _, m := range q.messages {
		if m.id == aws.ToString(in.ReceiptHandle) {
			m.visible = q.clock.read().Add(time.Duration(in.VisibilityTimeout) * time.Second)
		}
	}
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

// SendMessage implements batch.SQS: the consumer sends dead letters and nothing
// else.
func (q *queue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.dead = append(q.dead, aws.ToString(in.MessageBody))
	return &sqs.SendMessageOutput{}, nil
}

// receives is how often the first message was received; 0 if there is none.
func (q *queue) receives() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.messages) == 0 {
		return 0
	}
	return q.messages[0].receives
}

// fakeTopic keeps the subjects of mails.
type fakeTopic struct{ subjects []string }

// Publish implements alert.Topic.
func (i *fakeTopic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	i.subjects = append(i.subjects, aws.ToString(in.Subject))
	return &sns.PublishOutput{}, nil
}

// step moves the clock to whatever is next, a message or a tick, and lets firn
// handle it.
func (w *simulation) step(t *testing.T) {
	t.Helper()
	at, some := w.queue.next()
	if !some || at.After(w.nextTick) {
		w.clock.set(w.nextTick)
		w.tickAlert(t)
		return
	}
	if at.After(w.clock.read()) {
		w.clock.set(at)
	}
	w.handle(t)
}

// handle is one invocation of the function load.
func (w *simulation) handle(t *testing.T) {
	t.Helper()
	event := w.queue.receive()
	response, err := w.consumer.Consume(t.Context(), event)
	if err != nil {
		t.Error(err)
	}
	w.queue.settle(event, response)
}

// tickAlert is one tick of alert.
func (w *simulation) tickAlert(t *testing.T) {
	t.Helper()
	w.nextTick = w.nextTick.Add(tick)
	body := fmt.Sprintf(`{"tick":%q}`, w.clock.read().Format(time.RFC3339))
	if failed := w.watcher.Tick(t.Context(), []batch.Message{{ID: "tick", Body: body}}); len(failed) != 0 {
		t.Fatal(failed)
	}
}
