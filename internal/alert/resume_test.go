package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// fakeRuns has runs whose wait is over. The tests of the journal check that a claim has
// a single owner.
type fakeRuns struct {
	due []journal.Run
	// claimed names the runs with a claim, also of another tick.
	claimed map[string]bool
	// unavailable names the failing operation.
	unavailable string
	recorded    []string
}

func newRuns(number int) *fakeRuns {
	f := &fakeRuns{claimed: make(map[string]bool)}
	for n := range number {
		id := fmt.Sprintf("r%03d", n)
		f.due = append(f.due, journal.Run{RunName: journal.RunName{Dataset: "station.event", ID: id}, State: journal.RunWaiting, Message: "the message of " + id})
	}
	return f
}

func (f *fakeRuns) EachDueRun(_ context.Context, do func(journal.Run) bool) error {
	if f.unavailable == "list" {
		return errAway
	}
	for _, run := range f.due {
		if !do(run) {
			return nil
		}
	}
	return nil
}

func (f *fakeRuns) ClaimResume(_ context.Context, name journal.RunName) (bool, error) {
	if f.unavailable == "claim "+name.ID {
		return false, errAway
	}
	mine := !f.claimed[name.ID]
	f.claimed[name.ID] = true
	return mine, nil
}

func (f *fakeRuns) RecordResume(_ context.Context, name journal.RunName) error {
	if f.unavailable == "record" {
		return errAway
	}
	f.recorded = append(f.recorded, name.ID)
	return nil
}

// fakeQueue is the ingest queue. It refuses a message, or gives no answer.
type fakeQueue struct {
	t           *testing.T
	sent        []string
	refuse      string
	unavailable error
}

const ingestURL = "https://sqs.test/1/ingest"

func (q *fakeQueue) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	if aws.ToString(in.QueueUrl) != ingestURL || len(in.Entries) > 10 {
		q.t.Errorf("%d messages to %s", len(in.Entries), aws.ToString(in.QueueUrl))
	}
	if q.unavailable != nil {
		return nil, q.unavailable
	}
	out := &sqs.SendMessageBatchOutput{}
	for i, e := range in.Entries {
		if body := aws.ToString(e.MessageBody); body != q.refuse {
			q.sent = append(q.sent, body)
			out.Successful = append(out.Successful, sqstypes.SendMessageBatchResultEntry{Id: e.Id})
			continue
		}
		out.Failed = append(out.Failed, sqstypes.BatchResultErrorEntry{Id: aws.String(strconv.Itoa(i)), Code: aws.String("InternalError")})
	}
	return out, nil
}

// tick passes a tick to the resumer and returns the tick's fault.
func tickRuns(t *testing.T, runs *fakeRuns, queue *fakeQueue) *fault.Fault {
	t.Helper()
	queue.t = t
	r := &alert.Resumer{Runs: runs, Sender: queue, IngestURL: ingestURL}
	return fault.As(alert.Tick(r.Resume)(t.Context(), oneTick)["tick"])
}

func TestTickSendsMessagesOfDueRuns(t *testing.T) {
	t.Parallel()
	runs, queue := newRuns(2), &fakeQueue{}
	for range 2 {
		if f := tickRuns(t, runs, queue); f != nil {
			t.Fatal(f)
		}
	}
	if diff := cmp.Diff([]string{"the message of r000", "the message of r001"}, queue.sent); diff != "" {
		t.Errorf("sent by two ticks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"r000", "r001"}, runs.recorded); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

// TestTickLimitsResumedRuns: the next tick resumes the runs beyond the limit.
func TestTickLimitsResumedRuns(t *testing.T) {
	t.Parallel()
	runs, queue := newRuns(120), &fakeQueue{}
	for _, want := range []int{100, 120} {
		if f := tickRuns(t, runs, queue); f != nil || len(queue.sent) != want {
			t.Errorf("%v, %d messages, want %d", f, len(queue.sent), want)
		}
	}
}

// TestUnsentMessageIsNotRecorded: the run still waits, so a later tick sends the message.
// The other runs get their messages.
func TestUnsentMessageIsNotRecorded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(*fakeRuns, *fakeQueue)
		code     fault.Code
		recorded []string
	}{
		{"refused message", func(_ *fakeRuns, q *fakeQueue) { q.refuse = "the message of r001" }, fault.QueueAway, []string{"r000", "r002"}},
		{"no answer of SQS", func(_ *fakeRuns, q *fakeQueue) { q.unavailable = errors.New("no answer") }, fault.QueueAway, nil},
		{"no claim", func(r *fakeRuns, _ *fakeQueue) { r.unavailable = "claim r001" }, fault.JournalAway, []string{"r000"}},
		{"no list", func(r *fakeRuns, _ *fakeQueue) { r.unavailable = "list" }, fault.JournalAway, nil},
		{"no record", func(r *fakeRuns, _ *fakeQueue) { r.unavailable = "record" }, fault.JournalAway, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			runs, queue := newRuns(3), &fakeQueue{}
			test.change(runs, queue)
			f := tickRuns(t, runs, queue)
			if f == nil || f.Code != test.code || f.Disposition != fault.RetryAfter {
				t.Errorf("got %v, want %s", f, test.code)
			}
			if !slices.Equal(runs.recorded, test.recorded) {
				t.Errorf("recorded %v, want %v", runs.recorded, test.recorded)
			}
		})
	}
}

// TestFailedCheckDoesNotStopOtherTasks: an outage of the topic doesn't stop the runs.
func TestFailedCheckDoesNotStopOtherTasks(t *testing.T) {
	t.Parallel()
	runs, queue := newRuns(1), &fakeQueue{t: t}
	r := &alert.Resumer{Runs: runs, Sender: queue, IngestURL: ingestURL}
	fails := func(context.Context) error {
		return fault.Dependency("publish", fault.TopicAway, errors.New("no answer"))
	}
	f := fault.As(alert.Tick(fails, r.Resume)(t.Context(), oneTick)["tick"])
	if f == nil || f.Code != fault.TopicAway || len(queue.sent) != 1 {
		t.Errorf("got %v, sent %v", f, queue.sent)
	}
}
