//go:build standin

package outage_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/awsconfig"
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
	backoff   = 5 * time.Second
	tick      = 5 * time.Minute
	minOutage = time.Minute
	// visibilityTimeout hides a received message, unless ChangeMessageVisibility sets
	// another time.
	visibilityTimeout = 6 * time.Minute
	// maxReceives is the number of receives after which SQS moves a message to the
	// dead-letter queue.
	maxReceives = 1000
)

// simulation is the load stage and the alert stage, with a clock that only the test
// moves.
type simulation struct {
	*loadtest.Fixture

	table     *journal.Table
	warehouse *switchedWarehouse
	consumer  *batch.Consumer
	watcher   *alert.OutageWatcher
	queue     *queue
	mails     *fakeTopic
	clock     *clock
	nextTick  time.Time
}

// clock is the time of all parts except Snowflake.
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

// newSimulation creates a simulation with a separate journal and so a separate breaker.
func newSimulation(t *testing.T) *simulation {
	t.Helper()
	s := &simulation{clock: &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}, mails: &fakeTopic{}}
	s.nextTick = s.clock.now.Add(tick)
	s.table = newTable(t, s.clock)
	s.queue = &queue{clock: s.clock, name: "load"}
	fake := loadtest.NewFake()
	s.Fixture = loadtest.NewFixture(t, fake)
	s.warehouse = &switchedWarehouse{Warehouse: fake}
	s.consumer = s.newConsumer()
	s.watcher = &alert.OutageWatcher{
		Outages: s.table, Mailer: alert.Mailer{Topic: s.mails, ARN: "arn:alerts"}, Datasets: []string{s.Dataset},
		MinDuration: minOutage, Now: s.clock.read,
	}
	return s
}

// newConsumer returns the consumer of the load function, wired as in internal/app/load.
func (s *simulation) newConsumer() *batch.Consumer {
	loader := s.NewLoaderOn(load.GuardedWarehouse{
		Warehouse: s.warehouse,
		Breaker:   &breaker.Breaker{Store: s.table, Dependency: breaker.Snowflake, Backoff: backoff, Now: s.clock.read},
	})
	loader.Journal = s.table
	return &batch.Consumer{
		Stage: "load", Queues: []batch.Queue{{URL: "https://sqs/1/load", DeadLetterURL: "https://sqs/1/load-dead"}}, SQS: s.queue,
		Journal: s.table, Handler: loader.Handle, Attempts: 3, Backoff: backoff, Log: telemetry.Discard(),
	}
}

func newTable(t *testing.T, c *clock) *journal.Table {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
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

// deliver creates an object that waits for its load, in the journal and in the queue.
func (s *simulation) deliver(t *testing.T, key string) loadtest.Delivered {
	t.Helper()
	d := s.Deliver(t, loadtest.Delivery{Key: key, Rows: 3})
	ctx := t.Context()
	_, err := s.table.Receive(ctx, d.Object, s.Dataset)
	if err == nil {
		_, err = s.table.Transformed(ctx, d.Receipt, *d.Work.Receipt)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.queue.put(d.Work.Encode())
	return d
}

// switchedWarehouse is a warehouse that counts logins. While an error is set, each
// login fails with the error.
type switchedWarehouse struct {
	load.Warehouse

	mutex  sync.Mutex
	err    error
	logins int
}

func (w *switchedWarehouse) setError(err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.err = err
}

// Open implements load.Warehouse.
func (w *switchedWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	w.mutex.Lock()
	w.logins++
	err := w.err
	w.mutex.Unlock()
	if err != nil {
		return nil, err
	}
	return w.Warehouse.Open(ctx, dataset, loadID)
}

func (w *switchedWarehouse) count() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.logins
}

// retention is the time after which SQS deletes a message without a dead letter
// (infra/stack/queues.go).
const retention = 4 * 24 * time.Hour

// queue is SQS with the test's clock. A received message is hidden for
// visibilityTimeout, or for the time of ChangeMessageVisibility.
type queue struct {
	clock *clock
	name  string

	mutex    sync.Mutex
	messages []*message
	dead     []string
	serial   int
	// broken makes the queue lose each new message.
	broken bool
}

type message struct {
	id, body string
	receives int
	sent     time.Time
	visible  time.Time
}

func (q *queue) put(body string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.broken {
		return
	}
	q.serial++
	q.messages = append(q.messages, &message{id: fmt.Sprint("m", q.serial), body: body, sent: q.clock.read(), visible: q.clock.read()})
}

// next returns the earliest time at which a message is visible, or false for an empty
// queue.
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

// receive returns the visible messages, at most ten.
func (q *queue) receive() events.SQSEvent {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	var event events.SQSEvent
	now := q.clock.read()
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return now.Sub(m.sent) > retention })
	for _, m := range q.messages {
		if m.visible.After(now) || len(event.Records) == 10 {
			continue
		}
		m.receives++
		m.visible = now.Add(visibilityTimeout)
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: m.id, Body: m.body, ReceiptHandle: m.id, EventSourceARN: "arn:aws:sqs:eu-central-1:1:" + q.name,
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives)},
		})
	}
	return event
}

// settle deletes the messages that the consumer didn't report as failed.
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

// SendMessage implements batch.SQS. The consumer sends only dead letters.
func (q *queue) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.dead = append(q.dead, aws.ToString(in.MessageBody))
	return &sqs.SendMessageOutput{}, nil
}

// receives returns the number of receives of the first message; 0 for an empty queue.
func (q *queue) receives() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.messages) == 0 {
		return 0
	}
	return q.messages[0].receives
}

// fakeTopic records the subjects of the mails.
type fakeTopic struct{ subjects []string }

// Publish implements alert.Topic.
func (f *fakeTopic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	f.subjects = append(f.subjects, aws.ToString(in.Subject))
	return &sns.PublishOutput{}, nil
}

// step moves the clock to the next message or tick, whichever is earlier, and handles
// the message or tick.
func (s *simulation) step(t *testing.T) {
	t.Helper()
	at, found := s.queue.next()
	if !found || at.After(s.nextTick) {
		s.clock.set(s.nextTick)
		s.tickAlert(t)
		return
	}
	if at.After(s.clock.read()) {
		s.clock.set(at)
	}
	s.handle(t)
}

// handle is one invocation of the load function.
func (s *simulation) handle(t *testing.T) {
	t.Helper()
	event := s.queue.receive()
	response, err := s.consumer.Consume(t.Context(), event)
	if err != nil {
		t.Error(err)
	}
	s.queue.settle(event, response)
}

// tickAlert is one tick of the alert function.
func (s *simulation) tickAlert(t *testing.T) {
	t.Helper()
	s.nextTick = s.nextTick.Add(tick)
	body := fmt.Sprintf(`{"tick":%q}`, s.clock.read().Format(time.RFC3339))
	if failed := alert.Tick(s.watcher.Check)(t.Context(), []batch.Message{{ID: "tick", Body: body}}); len(failed) != 0 {
		t.Fatal(failed)
	}
}
