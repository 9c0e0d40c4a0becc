package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Queue is a queue of a consumer, with its dead-letter queue.
type Queue struct {
	URL string
	// DeadLetterURL is empty for the consumer of the dead letters. Without a
	// dead-letter queue a message with a permanent fault stays in the queue and comes
	// back.
	DeadLetterURL string
}

// Name returns the queue's name, as in Message.Queue.
func (q Queue) Name() string { return path.Base(q.URL) }

// SQS is the part of the SQS client that a consumer uses.
type SQS interface {
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Failures records the permanent fault of an object or a run in the journal, with the
// body of the message, before the message goes to the dead-letter queue. A second call
// with the same fault records the fault again and returns true. recorded is false for
// an object in a final state, for an object that was reloaded after the failed work, and
// for a finished run, for example after a late duplicate of a message. Then the consumer
// sends no dead letter, and the message is done.
//
// Delayed records a fault whose message comes back after the given time. The record
// answers the question "why does my file wait?" for an object or a run.
type Failures interface {
	Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (recorded bool, err error)
	Delayed(ctx context.Context, f *fault.Fault, stage string, after time.Duration) error
}

// Consumer passes the messages of a Lambda invocation to a stage's handler. Then the
// consumer settles each message by the handler's error:
//
//   - No error: the message is done, and Lambda deletes the message from the queue.
//   - A counted fault (disposition Retry): the message comes back after a delay. The
//     last allowed attempt makes the fault permanent. An error that is no fault is a
//     counted fault.
//   - An outage of a dependency (disposition RetryAfter): the message comes back after
//     a delay. Such a fault never counts, so the message comes back until the outage
//     ends.
//   - A permanent fault (disposition Permanent): the consumer records the fault in the
//     journal and sends a dead letter. Then the message is done.
//
// A dead letter has the body of the message and the fault as attributes. If the journal
// or the dead-letter queue doesn't answer, the message comes back, and the next receive
// tries again.
type Consumer struct {
	// Stage is the name of the function in logs, in the journal and in dead letters.
	Stage string
	// Queues are the queues of the function.
	Queues  []Queue
	SQS     SQS
	Journal Failures
	Handler Handler
	// Attempts is the number of allowed attempts for a counted fault. transform counts
	// attempts in the journal and sets Fault.Attempt. For the other stages the number
	// of the attempt is the message's receive count, which includes the receives during
	// an outage.
	Attempts int
	// Backoff is the delay after the first receive. The delay doubles with each further
	// receive of the message, up to fifteen minutes. A fault can ask for a longer delay
	// in Fault.After, also up to fifteen minutes.
	Backoff time.Duration
	Log     *slog.Logger
	// Metrics writes the metrics of the handler; nil for none.
	Metrics *telemetry.Metrics
}

const maxBackoff = 15 * time.Minute

// Consume handles one invocation. The batch response lists the ids of the messages that
// SQS must keep, and Lambda deletes all other messages. Without such messages the list
// is empty and never nil: Lambda takes null for success, but only one page of the
// documentation says so (lambda/latest/dg, services-sqs-errorhandling), so Consume
// doesn't depend on this rule. The error is always nil, because an error would bring
// back all messages of the batch.
func (c *Consumer) Consume(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	log := c.Log
	if lambda, ok := lambdacontext.FromContext(ctx); ok {
		log = log.With(telemetry.KeyRequest, lambda.AwsRequestID)
	}
	ctx = telemetry.WithMetrics(telemetry.WithLogger(ctx, log), c.Metrics)
	messages := messagesOf(event)
	failed := c.Handler(ctx, messages)
	for _, m := range messages {
		err := failed[m.ID]
		if err == nil {
			log.InfoContext(ctx, "message done", telemetry.KeyMessage, m.ID, telemetry.KeyReceives, m.Receives)
			continue
		}
		if kept := c.settle(ctx, m, fault.As(err)); kept {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.ID})
		}
	}
	return response, nil
}

// settle settles a failed message. The result is true if SQS must keep the message. A
// message of a queue outside Queues is kept, without a record in the journal and
// without a dead letter. Such a message comes back after the visibility timeout of its
// queue.
func (c *Consumer) settle(ctx context.Context, m Message, f *fault.Fault) (kept bool) {
	f = c.permanentIfExhausted(m, f)
	log := telemetry.Logger(ctx).With(telemetry.KeyMessage, m.ID, telemetry.KeyReceives, m.Receives)
	log.ErrorContext(ctx, "message failed", telemetry.Fault(f)...)
	queue, known := c.queue(m.Queue)
	if f.Disposition == fault.Permanent && known && queue.DeadLetterURL != "" {
		err := c.sendDeadLetter(ctx, m, f, queue)
		if err == nil {
			return false
		}
		f = fault.As(err)
		log.ErrorContext(ctx, "dead letter not sent", telemetry.Fault(f)...)
	}
	if known {
		c.delay(ctx, m, f, queue)
	}
	return true
}

// stage returns the stage of the fault; without one, the consumer's stage.
func (c *Consumer) stage(f *fault.Fault) string { return cmp.Or(f.Stage, c.Stage) }

// permanentIfExhausted makes a counted fault permanent at the last allowed attempt, and
// adds the number of the attempt to the cause.
func (c *Consumer) permanentIfExhausted(m Message, f *fault.Fault) *fault.Fault {
	attempt := f.Attempt
	if attempt == 0 {
		attempt = m.Receives
	}
	if f.Disposition != fault.Retry || attempt < c.Attempts {
		return f
	}
	last := *f
	last.Disposition = fault.Permanent
	last.Err = fmt.Errorf("%w (attempt %d of %d)", causeOf(f), attempt, c.Attempts)
	return &last
}

func causeOf(f *fault.Fault) error {
	if f.Err != nil {
		return f.Err
	}
	return errors.New(string(f.Code))
}

// sendDeadLetter records the fault in the journal and then sends the dead letter. With
// this order a redrive has the message, even if someone deletes the dead letter. A
// fault with neither an object nor a run is not recorded.
func (c *Consumer) sendDeadLetter(ctx context.Context, m Message, f *fault.Fault, queue Queue) error {
	if f.ObjectID != "" || f.RunID != "" {
		recorded, err := c.Journal.Fail(ctx, f, c.stage(f), m.Queue, m.Body)
		if err != nil || !recorded {
			return err
		}
	}
	_, err := c.SQS.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:          aws.String(queue.DeadLetterURL),
		MessageBody:       aws.String(m.Body),
		MessageAttributes: TextAttributes(c.deadLetter(m, f).Encode()),
	})
	if err != nil {
		return fault.AWS("send dead letter", fault.QueueAway, err)
	}
	return nil
}

// deadLetter returns the fault in the form for the alert function.
func (c *Consumer) deadLetter(m Message, f *fault.Fault) work.DeadLetter {
	return work.DeadLetter{
		Stage: c.stage(f), Code: f.Code, Cause: f.Cause(), Hint: f.Advice(),
		ObjectID: object.ID(f.ObjectID), Dataset: f.Dataset, Subject: f.Subject,
		QueryID: f.QueryID, RunID: f.RunID, Queue: m.Queue,
	}
}

// TextAttributes returns message attributes of type String.
func TextAttributes(values map[string]string) map[string]types.MessageAttributeValue {
	attributes := make(map[string]types.MessageAttributeValue, len(values))
	for name, value := range values {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	return attributes
}

// delay records the delay in the journal and sets the time until the message comes
// back, as the visibility timeout of this receive. Without an answer from SQS the
// visibility timeout of the queue applies.
func (c *Consumer) delay(ctx context.Context, m Message, f *fault.Fault, queue Queue) {
	wait := min(max(Backoff(c.Backoff, maxBackoff, m.Receives), f.After), maxBackoff)
	c.recordDelay(ctx, m, f, wait)
	_, err := c.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl:          aws.String(queue.URL),
		ReceiptHandle:     aws.String(m.ReceiptHandle),
		VisibilityTimeout: int32(wait.Seconds()),
	})
	if err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "backoff not set", telemetry.KeyMessage, m.ID, telemetry.KeyError, fault.Cleaned(err, "").Error())
	}
}

// recordDelay writes cause and time of the next try to the journal. An error is only
// logged: the record is for people, and the message comes back without the record.
func (c *Consumer) recordDelay(ctx context.Context, m Message, f *fault.Fault, wait time.Duration) {
	if f.Code == fault.JournalAway { // the record would wait for the same outage
		return
	}
	if err := c.Journal.Delayed(ctx, f, c.stage(f), wait); err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "delay not recorded", telemetry.KeyMessage, m.ID, telemetry.KeyError, fault.Cleaned(err, "").Error())
	}
}

// Backoff returns the delay after a number of failed tries, from 1. The delay is first
// after one try, doubles with each further try, and is at most longest.
func Backoff(first, longest time.Duration, tries int) time.Duration {
	wait := first
	for range tries - 1 {
		if wait >= longest {
			break
		}
		wait *= 2
	}
	return min(wait, longest)
}

func (c *Consumer) queue(name string) (Queue, bool) {
	for _, q := range c.Queues {
		if q.Name() == name {
			return q, true
		}
	}
	return Queue{}, false
}

func messagesOf(event events.SQSEvent) []Message {
	messages := make([]Message, 0, len(event.Records))
	for _, r := range event.Records {
		m := Message{
			ID: r.MessageId, Body: r.Body, ReceiptHandle: r.ReceiptHandle,
			Queue:      r.EventSourceARN[strings.LastIndexByte(r.EventSourceARN, ':')+1:],
			Receives:   1,
			Attributes: make(map[string]string),
		}
		if n, err := strconv.Atoi(r.Attributes["ApproximateReceiveCount"]); err == nil {
			m.Receives = n
		}
		if ms, err := strconv.ParseInt(r.Attributes["SentTimestamp"], 10, 64); err == nil {
			m.Sent = time.UnixMilli(ms).UTC()
		}
		for name, value := range r.MessageAttributes {
			if value.StringValue != nil {
				m.Attributes[name] = *value.StringValue
			}
		}
		messages = append(messages, m)
	}
	return messages
}
