package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// fakeSQS records the requests of a consumer. Like SQS, fakeSQS refuses invalid
// requests. In addition, fakeSQS refuses unknown queues.
type fakeSQS struct {
	delays      map[string]int32
	deadLetters []*sqs.SendMessageInput
	unavailable bool
}

const (
	queueURL = "https://sqs.test/1/transform"
	deadURL  = "https://sqs.test/1/transform-dead"
)

func (q *fakeSQS) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	if *in.QueueUrl != queueURL || in.VisibilityTimeout < 0 || in.VisibilityTimeout > 43200 {
		return nil, fmt.Errorf("visibility of %s: %d", *in.QueueUrl, in.VisibilityTimeout)
	}
	q.delays[*in.ReceiptHandle] = in.VisibilityTimeout
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func (q *fakeSQS) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if q.unavailable {
		return nil, errors.New("no route to host")
	}
	if *in.QueueUrl != deadURL || len(in.MessageAttributes) > 10 {
		return nil, fmt.Errorf("send to %s with %d attributes", *in.QueueUrl, len(in.MessageAttributes))
	}
	size := len(*in.MessageBody)
	for name, value := range in.MessageAttributes {
		if *value.StringValue == "" || !isXMLText(*value.StringValue) {
			return nil, fmt.Errorf("attribute %s=%q", name, *value.StringValue)
		}
		size += len(name) + len(*value.DataType) + len(*value.StringValue)
	}
	if size > mostBytes || !isXMLText(*in.MessageBody) {
		return nil, fmt.Errorf("message of %d bytes: %q", size, *in.MessageBody)
	}
	q.deadLetters = append(q.deadLetters, in)
	return &sqs.SendMessageOutput{}, nil
}

// mostBytes is SQS's limit of a message, body and attributes together
// (AWSSimpleQueueService developer guide, quotas-messages).
const mostBytes = 1 << 20

// isXMLText reports whether SQS accepts the text: UTF-8 with the characters of XML 1.0
// (AWSSimpleQueueService API reference, SendMessage).
func isXMLText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// fakeFailures records failures. The objects in final are in a final state.
type fakeFailures struct {
	written []string
	delayed []string
	final   map[string]bool
	err     error
}

func (f *fakeFailures) Delayed(_ context.Context, delayed *fault.Fault, stage string, after time.Duration) error {
	if f.err != nil {
		return f.err
	}
	f.delayed = append(f.delayed, strings.Join([]string{delayed.ObjectID, stage, string(delayed.Code), after.String()}, " "))
	return nil
}

func (f *fakeFailures) Fail(_ context.Context, failed *fault.Fault, stage, queue, message string) (bool, error) {
	if f.err != nil || f.final[failed.ObjectID] {
		return false, f.err
	}
	f.written = append(f.written, strings.Join([]string{failed.ObjectID + failed.RunID, stage, queue, message}, " "))
	return true, nil
}

func event(receives int, bodies ...string) events.SQSEvent {
	var e events.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: fmt.Sprintf("m%d", i), ReceiptHandle: fmt.Sprintf("h%d", i), Body: body,
			EventSourceARN: "arn:aws:sqs:us-east-1:1:transform",
			Attributes:     map[string]string{"ApproximateReceiveCount": fmt.Sprint(receives), "SentTimestamp": "1700000000000"},
		})
	}
	return e
}

func permanent(id string) error {
	f := fault.Permanentf("transform", fault.BadHeader, "no header\x00 here")
	f.ObjectID = id
	return f
}

func TestConsumeSettlesEachMessageByItsFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		receives int
		handle   func(batch.Message) error
		journal  fakeFailures
		away     bool
		// want has the id of each message for SQS to keep, with the delay in seconds.
		want        map[string]int32
		wantDead    []string
		wantFail    []string
		wantDelayed []string
	}{
		{
			name: "a delayed object's fault and next try are recorded", receives: 2,
			handle: failOn("b", &fault.Fault{
				Op: "load", Stage: "load", Code: fault.SnowflakeAway, Disposition: fault.RetryAfter, ObjectID: "object-b", After: time.Minute,
			}),
			want:        map[string]int32{"m1": 60},
			wantDelayed: []string{"object-b load snowflake_away 1m0s"},
		},
		{
			name: "an outage of the journal isn't recorded in the journal", receives: 1,
			handle: failOn("b", &fault.Fault{Op: "claim", Code: fault.JournalAway, Disposition: fault.RetryAfter, ObjectID: "object-b"}),
			want:   map[string]int32{"m1": 5},
		},
		{
			name: "without a record of the delay the message comes back at the same time", receives: 1,
			handle:  failOn("b", &fault.Fault{Op: "read", Code: fault.StoreAway, Disposition: fault.RetryAfter, ObjectID: "object-b"}),
			journal: fakeFailures{err: errors.New("throttled")},
			want:    map[string]int32{"m1": 5},
		},
		{
			name: "all done", receives: 1,
			handle: func(batch.Message) error { return nil },
		},
		{
			name: "a permanent fault of a message, the other messages are done", receives: 1,
			handle:   failOn("b", permanent("object-b")),
			wantDead: []string{"b"},
			wantFail: []string{"object-b transform transform b"},
		},
		{
			name: "a panic has no effect on other messages", receives: 1,
			handle: func(m batch.Message) error {
				if m.Body == "b" {
					panic("index out of range")
				}
				return nil
			},
			want: map[string]int32{"m1": 5},
		},
		{
			name: "the delay of a counted fault doubles", receives: 2,
			handle: failOn("b", fault.Retryable("read", fault.Unexpected, errors.New("odd"))),
			want:   map[string]int32{"m1": 10},
		},
		{
			name: "a counted fault is permanent at the last attempt", receives: 3,
			handle:   failOn("b", &fault.Fault{Op: "read", Code: fault.Unexpected, ObjectID: "object-b", Err: errors.New("odd")}),
			wantDead: []string{"b"},
			wantFail: []string{"object-b transform transform b"},
		},
		{
			name: "the stage's attempt has priority over the receive count", receives: 40,
			handle: failOn("b", &fault.Fault{Op: "read", Code: fault.Unexpected, Attempt: 1, Err: errors.New("odd")}),
			want:   map[string]int32{"m1": 900},
		},
		{
			name: "an outage of a dependency never counts", receives: 500,
			handle: failOn("b", fault.Dependency("load", fault.SnowflakeAway, errors.New("refused"))),
			want:   map[string]int32{"m1": 900},
		},
		{
			name: "a fault with a longer delay than the backoff", receives: 1,
			handle: failOn("b", &fault.Fault{Op: "load", Code: fault.SourceAway, Disposition: fault.RetryAfter, After: time.Minute}),
			want:   map[string]int32{"m1": 60},
		},
		{
			name: "an object in a final state gets no dead letter", receives: 1,
			handle:  failOn("b", permanent("object-b")),
			journal: fakeFailures{final: map[string]bool{"object-b": true}},
		},
		{
			name: "a fault of a run is recorded without an object", receives: 1,
			handle:   failOn("b", &fault.Fault{Op: "ask", Code: fault.SourceRefused, Disposition: fault.Permanent, RunID: "run-b"}),
			wantDead: []string{"b"},
			wantFail: []string{"run-b transform transform b"},
		},
		{
			name: "a fault without object and run isn't recorded", receives: 1,
			handle:   failOn("b", permanent("")),
			wantDead: []string{"b"},
		},
		{
			name: "without the journal the message comes back", receives: 1,
			handle:  failOn("b", permanent("object-b")),
			journal: fakeFailures{err: errors.New("throttled")},
			want:    map[string]int32{"m1": 5},
		},
		{
			name: "without the dead-letter queue the message comes back", receives: 1, away: true,
			handle:   failOn("b", permanent("object-b")),
			want:     map[string]int32{"m1": 5},
			wantFail: []string{"object-b transform transform b"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			service := &fakeSQS{delays: make(map[string]int32), unavailable: test.away}
			consumer := &batch.Consumer{
				Stage: "transform", Queues: []batch.Queue{{URL: queueURL, DeadLetterURL: deadURL}}, SQS: service,
				Journal: &test.journal, Attempts: 3, Backoff: 5 * time.Second, Log: telemetry.Discard(),
				Handler: batch.Each(func(_ context.Context, m batch.Message) error { return test.handle(m) }),
			}
			response, err := consumer.Consume(t.Context(), event(test.receives, "a", "b", "c"))
			if err != nil {
				t.Fatal(err)
			}
			kept := make(map[string]int32)
			for _, failure := range response.BatchItemFailures {
				kept[failure.ItemIdentifier] = service.delays["h"+failure.ItemIdentifier[1:]]
			}
			if len(kept) != len(test.want) || len(kept) > 0 && !cmp.Equal(test.want, kept) {
				t.Errorf("kept (-want +got):\n%s", cmp.Diff(test.want, kept))
			}
			var dead []string
			for _, letter := range service.deadLetters {
				dead = append(dead, *letter.MessageBody)
			}
			if diff := cmp.Diff(test.wantDead, dead); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantFail, test.journal.written); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
			if test.wantDelayed != nil && !cmp.Equal(test.wantDelayed, test.journal.delayed) || len(test.want) == 0 && len(test.journal.delayed) > 0 {
				t.Errorf("delays %v, want %v", test.journal.delayed, test.wantDelayed)
			}
		})
	}
}

func failOn(body string, err error) func(batch.Message) error {
	return func(m batch.Message) error {
		if m.Body == body {
			return err
		}
		return nil
	}
}

// TestResponseListIsNeverNull: AWS documents on a single page only that the response
// {"batchItemFailures":null} means success. So the response must have a list.
func TestResponseListIsNeverNull(t *testing.T) {
	t.Parallel()
	consumer := &batch.Consumer{Handler: batch.Each(func(context.Context, batch.Message) error { return nil }), Log: telemetry.Discard()}
	response, err := consumer.Consume(t.Context(), events.SQSEvent{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(response)
	if err != nil || string(body) != `{"batchItemFailures":[]}` {
		t.Errorf("response %s, %v", body, err)
	}
}

func TestDeadLetterHasFaultAttributes(t *testing.T) {
	t.Parallel()
	service := &fakeSQS{delays: make(map[string]int32)}
	f := fault.Permanentf("copy", fault.ReceiptMismatch, "%s", strings.Repeat("x", 100<<10))
	f.QueryID, f.Dataset, f.Subject = "01b", "s.e", "s3://b/k"
	consumer := &batch.Consumer{
		Stage: "load", Queues: []batch.Queue{{URL: queueURL, DeadLetterURL: deadURL}}, SQS: service,
		Journal: &fakeFailures{}, Attempts: 3, Log: telemetry.Discard(),
		Handler: batch.Each(func(context.Context, batch.Message) error { return f }),
	}
	if _, err := consumer.Consume(t.Context(), event(1, "a")); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for name, value := range service.deadLetters[0].MessageAttributes {
		got[name] = *value.StringValue
	}
	if len(got["cause"]) > 8<<10 {
		t.Errorf("the cause has %d bytes", len(got["cause"]))
	}
	delete(got, "cause")
	want := map[string]string{
		"stage": "load", "code": "receipt_mismatch", "hint": fault.ReceiptMismatch.Hint(),
		"query_id": "01b", "dataset": "s.e", "subject": "s3://b/k", "queue": "transform",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// TestLongDeadLetterIsAcceptedBySQS cuts causes at every byte of a character, so that
// each cut but one would leave a part of the character.
func TestLongDeadLetterIsAcceptedBySQS(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"é", "航", "𝄞"} {
		for shift := range len(character) {
			cause := strings.Repeat("x", shift) + strings.Repeat(character, 1<<16/len(character))
			service := &fakeSQS{delays: make(map[string]int32)}
			consumer := &batch.Consumer{
				Stage: "transform", Queues: []batch.Queue{{URL: queueURL, DeadLetterURL: deadURL}}, SQS: service,
				Journal: &fakeFailures{}, Attempts: 3, Log: telemetry.Discard(),
				Handler: batch.Each(func(context.Context, batch.Message) error {
					return fault.Permanentf("transform", fault.BadHeader, "%s", cause)
				}),
			}
			response, err := consumer.Consume(t.Context(), event(1, "a"))
			if err != nil || len(response.BatchItemFailures) > 0 || len(service.deadLetters) != 1 {
				t.Errorf("%q after %d bytes: %d messages kept, %d dead letters, want 0 and 1: %v",
					character, shift, len(response.BatchItemFailures), len(service.deadLetters), err)
			}
		}
	}
}

func TestMessageHasFieldsOfSQSRecord(t *testing.T) {
	t.Parallel()
	text := "bad_header"
	e := event(4, "body")
	e.Records[0].MessageAttributes = map[string]events.SQSMessageAttribute{"code": {StringValue: &text}, "blob": {}}
	var got []batch.Message
	consumer := &batch.Consumer{Log: telemetry.Discard(), Handler: func(_ context.Context, messages []batch.Message) map[string]error {
		got = messages
		return nil
	}}
	if _, err := consumer.Consume(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	want := []batch.Message{{
		ID: "m0", Body: "body", ReceiptHandle: "h0", Queue: "transform", Receives: 4,
		Attributes: map[string]string{"code": "bad_header"}, Sent: time.UnixMilli(1700000000000).UTC(),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestByQueueCallsHandlerOfQueue(t *testing.T) {
	t.Parallel()
	var got []string
	handle := func(name string) batch.Handler {
		return batch.Each(func(_ context.Context, m batch.Message) error {
			got = append(got, name+" "+m.ID)
			return nil
		})
	}
	failed := batch.ByQueue{"a": handle("first"), "b": handle("second")}.Handle(t.Context(), []batch.Message{
		{ID: "1", Queue: "b"}, {ID: "2", Queue: "c"},
	})
	if want := []string{"second 1"}; !cmp.Equal(want, got) || len(failed) != 1 || fault.As(failed["2"]).Code != fault.Undecodable {
		t.Errorf("handled %v, failed %v", got, failed)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	const first, longest = 5 * time.Second, time.Minute
	for tries, want := range map[int]time.Duration{
		0: first, 1: first, 2: 10 * time.Second, 3: 20 * time.Second, 4: 40 * time.Second, 5: longest, 1000: longest,
	} {
		if got := batch.Backoff(first, longest, tries); got != want {
			t.Errorf("after %d tries: %s, want %s", tries, got, want)
		}
	}
	if got := batch.Backoff(2*longest, longest, 1); got != longest {
		t.Errorf("a long first delay: %s, want %s", got, longest)
	}
}
