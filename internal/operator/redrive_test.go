//go:build standin

package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func TestRedriveSendsToTheRightQueue(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	tests := []struct {
		key, dataset string
		stage        work.Stage
		code         fault.Code
		want         work.Stage
	}{
		{"shop/order/transform.csv", "shop.order", work.Transform, fault.BadHeader, work.Transform},
		{"shop/order/load.csv", "shop.order", work.Load, fault.DuplicateContent, work.Load},
		{"shop/order/copy.csv", "shop.order", work.Load, fault.CopyRefused, work.Transform},
		{"unclaimed/x.csv", "", work.Route, fault.NoDataset, work.Route},
	}
	for _, test := range tests {
		o := f.failed(t, test.key, test.dataset, test.stage, test.code)
		redriven, err := f.Redrive(ctx, o.URI())
		if err != nil || redriven.ID != o.ID() || redriven.Code != string(test.code) || redriven.Outcome != operator.WasRedriven {
			t.Errorf("%s: Redrive = %+v, %v; want the entry before the redrive", test.key, redriven, err)
		}
		for _, queue := range []work.Stage{work.Route, work.Transform, work.Load} {
			bodies := f.takeMessages(ctx, t, string(queue))
			switch {
			case queue != test.want:
				if len(bodies) > 0 {
					t.Errorf("%s: the %s queue got %q", test.key, queue, bodies)
				}
			case len(bodies) != 1:
				t.Errorf("%s: the %s queue got %q, want one message", test.key, queue, bodies)
			case queue == work.Route:
				if bodies[0] != "the event of "+test.key {
					t.Errorf("%s: the message body is %q", test.key, bodies[0])
				}
			default:
				if w, err := work.Decode(bodies[0], queue); err != nil || w.Object != o || w.Dataset != test.dataset {
					t.Errorf("%s: %+v, %v", test.key, w, err)
				}
			}
		}
	}
}

// TestRedriveAfterInterruptedRedriveSendsMessage stops the first redrive before the
// send. The second redrive names the object by id. The third redrive sends nothing.
func TestRedriveAfterInterruptedRedriveSendsMessage(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	o := f.failed(t, "shop/order/a.csv", "shop.order", work.Transform, fault.BadHeader)
	if _, err := f.stages.Redrive(ctx, o.ID()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []operator.Outcome{operator.WasRedriven, operator.WasUnderWay} {
		if redriven, err := f.Redrive(ctx, string(o.ID())); err != nil || redriven.Outcome != want {
			t.Errorf("Redrive = %s, %v; want %s", redriven.Outcome, err, want)
		}
	}
	if bodies := f.takeMessages(ctx, t, "transform"); len(bodies) != 1 {
		t.Errorf("the queue got %q, want one message", bodies)
	}
}

// TestRedriveOfMovedObjectIsNoError: another person's command redrove the object before,
// and the object may be loaded by now.
func TestRedriveOfMovedObjectIsNoError(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	moving, done := f.received(t, "shop/order/a.csv", orders), f.loaded(t, "shop/order/b.csv")
	for o, want := range map[object.Object]operator.Outcome{moving: operator.WasUnderWay, done: operator.WasSettled} {
		if redriven, err := f.Redrive(ctx, o.URI()); err != nil || redriven.Outcome != want {
			t.Errorf("Redrive of %s = %s, %v; want %s", o.Key, redriven.Outcome, err, want)
		}
	}
	if bodies := f.takeMessages(ctx, t, "transform"); len(bodies) > 0 {
		t.Errorf("the queue got %q", bodies)
	}
}

// redriveAll redrives the failed objects of a dataset and returns the outcomes by key.
func (f *fixture) redriveAll(t *testing.T, dataset string, code fault.Code) (map[string]operator.Outcome, error) {
	t.Helper()
	outcomes := make(map[string]operator.Outcome)
	err := f.RedriveAll(t.Context(), dataset, code, func(r operator.Redriven) { outcomes[r.Object.Key] = r.Outcome })
	return outcomes, err
}

func TestRedriveAllSendsObjectsWithCode(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	f.failed(t, "shop/order/1.csv", orders, work.Transform, fault.TooManyRejects)
	f.failed(t, "shop/order/2.csv", orders, work.Transform, fault.TooManyRejects)
	f.failed(t, "shop/order/3.csv", orders, work.Transform, fault.BadHeader)
	f.failed(t, "shop/item/4.csv", "shop.item", work.Transform, fault.TooManyRejects)
	f.failed(t, "unclaimed/5.csv", "", work.Route, fault.NoDataset)
	for _, step := range []struct {
		dataset string
		code    fault.Code
		want    map[string]operator.Outcome
	}{
		{orders, fault.TooManyRejects, map[string]operator.Outcome{"shop/order/1.csv": operator.WasRedriven, "shop/order/2.csv": operator.WasRedriven}},
		{orders, fault.TooManyRejects, map[string]operator.Outcome{}},
		{orders, "", map[string]operator.Outcome{"shop/order/3.csv": operator.WasRedriven}},
		{"", "", map[string]operator.Outcome{"unclaimed/5.csv": operator.WasRedriven}},
	} {
		outcomes, err := f.redriveAll(t, step.dataset, step.code)
		if diff := cmp.Diff(step.want, outcomes); err != nil || diff != "" {
			t.Errorf("RedriveAll %q %q: %v (-want +got):\n%s", step.dataset, step.code, err, diff)
		}
	}
	if transforms, routes := f.takeMessages(ctx, t, "transform"), f.takeMessages(ctx, t, "route"); len(transforms) != 3 || len(routes) != 1 {
		t.Errorf("%d messages to transform and %d to route, want 3 and 1", len(transforms), len(routes))
	}
}

// brokenQueues is SQS with a limit: after the limit no request succeeds. Single messages
// with a text are refused.
type brokenQueues struct {
	operator.Queues

	mutex   sync.Mutex
	left    int
	refuses string
}

func (q *brokenQueues) SendMessageBatch(ctx context.Context, in *sqs.SendMessageBatchInput, options ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.left == 0 {
		return nil, errors.New("no answer")
	}
	q.left--
	if q.refuses == "" {
		return q.Queues.SendMessageBatch(ctx, in, options...)
	}
	kept, refused := *in, []types.BatchResultErrorEntry(nil)
	kept.Entries = nil
	for _, entry := range in.Entries {
		if strings.Contains(*entry.MessageBody, q.refuses) {
			refused = append(refused, types.BatchResultErrorEntry{Id: entry.Id, Code: aws.String("InternalError"), Message: aws.String("again")})
			continue
		}
		kept.Entries = append(kept.Entries, entry)
	}
	out, err := q.Queues.SendMessageBatch(ctx, &kept, options...)
	if err == nil {
		out.Failed = append(out.Failed, refused...)
	}
	return out, err
}

// TestRedriveAllContinuesAfterFailedSend: the queue answers the first request only. The
// same command sends the messages of all other objects, each once.
func TestRedriveAllContinuesAfterFailedSend(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	const objects = 25
	for i := range objects {
		f.failed(t, fmt.Sprintf("shop/order/%02d.csv", i), orders, work.Transform, fault.TooManyRejects)
	}
	f.failed(t, "shop/order/other.csv", orders, work.Transform, fault.BadHeader)
	queues := f.Queues
	f.Queues = &brokenQueues{Queues: queues, left: 1}
	outcomes, err := f.redriveAll(t, orders, fault.TooManyRejects)
	if count(outcomes, operator.WasRedriven) != 10 || count(outcomes, operator.WasNotSent) != 10 || len(outcomes) != 20 {
		t.Errorf("outcomes of the first command: %v", outcomes)
	}
	if message(err) != "send to the transform queue: no answer (run the command again)" {
		t.Errorf("error of the first command: %v", err)
	}
	f.Queues = queues
	if outcomes, err = f.redriveAll(t, orders, fault.TooManyRejects); err != nil || count(outcomes, operator.WasRedriven) != 15 || len(outcomes) != 15 {
		t.Errorf("outcomes of the same command: %v, %v", outcomes, err)
	}
	sent := f.takeTransformWork(t)
	keys := make(map[string]bool)
	for _, w := range sent {
		keys[w.Object.Key] = true
	}
	if len(sent) != objects || len(keys) != objects {
		t.Errorf("%d messages of %d objects, want one of each of %d", len(sent), len(keys), objects)
	}
	if unsent, err := f.Journal.Unsent(ctx, orders, ""); err != nil || len(unsent) > 0 {
		t.Errorf("%d unsent messages, %v", len(unsent), err)
	}
}

// TestRedriveAllContinuesAfterRefusedMessage: SQS refuses one message of a request.
func TestRedriveAllContinuesAfterRefusedMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 12 {
		f.failed(t, fmt.Sprintf("shop/order/%02d.csv", i), orders, work.Transform, fault.TooManyRejects)
	}
	queues := f.Queues
	f.Queues = &brokenQueues{Queues: queues, left: -1, refuses: "03.csv"}
	outcomes, err := f.redriveAll(t, orders, fault.TooManyRejects)
	if count(outcomes, operator.WasRedriven) != 11 || outcomes["shop/order/03.csv"] != operator.WasNotSent {
		t.Errorf("outcomes %v", outcomes)
	}
	if message(err) != "SQS refused 1 messages, the first: send to the transform queue: InternalError: again (run the command again)" {
		t.Errorf("error %v", err)
	}
	f.Queues = queues
	want := map[string]operator.Outcome{"shop/order/03.csv": operator.WasRedriven}
	outcomes, err = f.redriveAll(t, orders, fault.TooManyRejects)
	if diff := cmp.Diff(want, outcomes); err != nil || diff != "" {
		t.Errorf("the same command: %v (-want +got):\n%s", err, diff)
	}
}

// TestTwoPersonsRedriveAtOnce: both commands succeed, and together redrive all objects.
func TestTwoPersonsRedriveAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const objects = 30
	for i := range objects {
		f.failed(t, fmt.Sprintf("shop/order/%02d.csv", i), orders, work.Transform, fault.TooManyRejects)
	}
	results := make(chan map[string]operator.Outcome, 2)
	for range cap(results) {
		go func() {
			outcomes, err := f.redriveAll(t, orders, fault.TooManyRejects)
			if err != nil {
				t.Error(err)
			}
			results <- outcomes
		}()
	}
	redriven := make(map[string]bool)
	for range cap(results) {
		for key, outcome := range <-results {
			switch outcome {
			case operator.WasRedriven:
				redriven[key] = true
			case operator.WasUnderWay:
			default:
				t.Errorf("%s: %s", key, outcome)
			}
		}
	}
	if len(redriven) != objects {
		t.Errorf("%d objects were redriven, want %d", len(redriven), objects)
	}
	sent := make(map[string]bool)
	for _, w := range f.takeTransformWork(t) { // both commands may send a message: transform claims the object once
		sent[w.Object.Key] = true
	}
	if len(sent) != objects {
		t.Errorf("messages of %d objects, want %d", len(sent), objects)
	}
}

func count(outcomes map[string]operator.Outcome, wanted operator.Outcome) (n int) {
	for _, outcome := range outcomes {
		if outcome == wanted {
			n++
		}
	}
	return n
}

func TestRedriveAllRefusesUnknownDataset(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, test := range []struct {
		dataset string
		code    fault.Code
		want    string
	}{
		{"shop.ordr", "", `no contract for dataset "shop.ordr": name one of ` + all},
		{"shop.order", "bad_heder", `no fault has the code "bad_heder": docs/runbook.md lists all codes`},
	} {
		if _, err := f.redriveAll(t, test.dataset, test.code); message(err) != test.want {
			t.Errorf("RedriveAll = %v, want %q", err, test.want)
		}
	}
}

func TestIngest(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	start := time.Date(2018, 1, 31, 1, 0, 0, 0, time.FixedZone("", 3600))
	run, err := f.Ingest(ctx, "station.event", start, start.AddDate(0, 0, 7))
	if err != nil || run.State != journal.RunOrdered || run.ID != "20180131T000000Z-20180207T000000Z" {
		t.Fatalf("%+v, %v", run, err)
	}
	bodies := f.takeMessages(ctx, t, "ingest")
	var got map[string]string
	if len(bodies) != 1 || json.Unmarshal([]byte(bodies[0]), &got) != nil {
		t.Fatalf("the queue got %q", bodies)
	}
	want := map[string]string{"dataset": "station.event", "start": "2018-01-31T00:00:00Z", "end": "2018-02-07T00:00:00Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		dataset string
		end     time.Time
		want    string
	}{
		{"station.event", start, "ingest station.event: start 2018-01-31T01:00:00+01:00 must be before end 2018-01-31T01:00:00+01:00"},
		{"station.quake", start.AddDate(0, 0, 1), "ingest station.quake: the dataset has no contract with firn.ingest: name one of station.event"},
		{"shop.order", start.AddDate(0, 0, 1), "ingest shop.order: the dataset has no contract with firn.ingest: name one of station.event"},
	} {
		if _, err := f.Ingest(ctx, test.dataset, start, test.end); message(err) != test.want {
			t.Errorf("Ingest = %v, want %q", err, test.want)
		}
	}
	if refused := f.takeMessages(ctx, t, "ingest"); len(refused) > 0 {
		t.Errorf("a refused request was sent: %q", refused)
	}
	if runs, err := f.Journal.Runs(ctx, "station.event"); err != nil || len(runs) != 1 || runs[0].Message != bodies[0] {
		t.Errorf("unfinished runs %+v, %v; want the ordered run with its message", runs, err)
	}
}

// TestIngestOfKnownRun: a run under way gets another message, and a finished run gets
// none. The status lists a run until its end.
func TestIngestOfKnownRun(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	start := time.Date(2018, 1, 31, 0, 0, 0, 0, time.UTC)
	ingest := func() journal.Run {
		t.Helper()
		run, err := f.Ingest(ctx, "station.event", start, start.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	listed := func() []journal.Run {
		t.Helper()
		summaries, err := f.Summaries(ctx, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var runs []journal.Run
		for _, s := range summaries {
			if len(s.Runs) > 0 && s.Dataset != "station.event" {
				t.Errorf("%s has runs: %+v", s.Dataset, s.Runs)
			}
			runs = append(runs, s.Runs...)
		}
		return runs
	}
	name := ingest().RunName
	d := journal.Delay{Stage: "ingest", Code: fault.SourceAway, Cause: "no answer", Tries: 6, Last: start, Next: start.Add(time.Hour)}
	if err := f.stages.DelayRun(ctx, name, d); err != nil {
		t.Fatal(err)
	}
	if runs := listed(); len(runs) != 1 || runs[0].State != journal.RunWaiting || runs[0].Delay == nil || runs[0].Delay.Code != fault.SourceAway {
		t.Errorf("listed %+v, want the waiting run", runs)
	}
	if run := ingest(); run.State != journal.RunOrdered || len(f.takeMessages(ctx, t, "ingest")) != 2 {
		t.Errorf("a second order: %+v", run)
	}
	if err := f.stages.SaveCheckpoint(ctx, name, 1, journal.RunProgress{Pages: 1, Rows: 7, Finished: true}); err != nil {
		t.Fatal(err)
	}
	if run := ingest(); run.State != journal.RunFinished || len(f.takeMessages(ctx, t, "ingest")) != 0 || len(listed()) != 0 {
		t.Errorf("an order of a finished run: %+v, listed %+v", run, listed())
	}
}
