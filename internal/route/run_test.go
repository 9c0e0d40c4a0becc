package route_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// addRun adds a run without progress for the given time.
func (b *fixture) addRun(id string, state journal.RunState, idle time.Duration) journal.Run {
	name := journal.RunName{Dataset: "station.event", ID: id}
	run := journal.Run{RunName: name, State: state, Ordered: noon.Add(-idle), Progressed: noon.Add(-idle), Message: "the message of " + id}
	b.journal.runs[name] = run
	return run
}

func (b *fixture) changeRun(run journal.Run, change func(*journal.Run)) {
	change(&run)
	b.journal.runs[run.RunName] = run
}

// sentTo returns the bodies of the messages to a queue, sorted.
func (b *fixture) sentTo(queue string) []string {
	var bodies []string
	for _, s := range b.sqs.sent {
		if s.Queue == queue {
			bodies = append(bodies, s.Body)
		}
	}
	slices.Sort(bodies)
	return bodies
}

// TestSweepFindsStuckRuns expects a message for each run that may have lost its message.
func TestSweepFindsStuckRuns(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.addRun("ordered", journal.RunOrdered, 7*time.Hour)
	b.addRun("running", journal.RunRunning, 7*time.Hour)
	b.addRun("young", journal.RunRunning, 5*time.Hour)
	b.addRun("waiting", journal.RunWaiting, 70*time.Hour)
	b.addRun("failed", journal.RunFailed, 70*time.Hour)
	b.changeRun(b.addRun("resumed", journal.RunOrdered, 70*time.Hour), func(r *journal.Run) { r.Ordered = noon.Add(-time.Hour) })
	b.changeRun(b.addRun("tried", journal.RunRunning, 70*time.Hour), func(r *journal.Run) {
		r.Delay = &journal.Delay{Code: fault.StoreAway, Last: noon.Add(-time.Minute)}
	})
	b.changeRun(b.addRun("swept", journal.RunRunning, 70*time.Hour), func(r *journal.Run) { r.LastSweepAt = noon.Add(-5 * time.Hour) })
	if f := b.handle(scheduledSweep(noon)); f != nil {
		t.Fatal(f)
	}
	var want []string
	for _, id := range []string{"ordered", "running"} {
		want = append(want, work.StuckRun{Dataset: "station.event", RunID: id, Before: noon.Add(-6 * time.Hour)}.Encode())
	}
	if diff := cmp.Diff(want, b.sentTo(routeURL)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// TestStuckRunGetsThreeMessagesThenFails sweeps a run whose messages have no effect. The
// fault is ingest's, so the mail names the run's command.
func TestStuckRunGetsThreeMessagesThenFails(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	name := b.addRun("r1", journal.RunRunning, 7*time.Hour).RunName
	sweep := func(id string) *fault.Fault {
		b.sqs.sent = nil
		body := work.StuckRun{Dataset: name.Dataset, RunID: name.ID, Before: b.now.Add(-6 * time.Hour)}.Encode()
		return fault.As(b.router.Handle(context.Background(), []batch.Message{{ID: id, Body: body, Queue: "route"}})[id])
	}
	for n := range 3 {
		for range 2 { // SQS delivers the message twice
			if f := sweep(fmt.Sprint("m", n)); f != nil {
				t.Fatal(f)
			}
			if diff := cmp.Diff([]string{"the message of r1"}, b.sentTo(ingestURL)); diff != "" || b.journal.runs[name].SweepCount != n+1 {
				t.Errorf("sweep %d: count %d, sent (-want +got):\n%s", n+1, b.journal.runs[name].SweepCount, diff)
			}
		}
		b.now = b.now.Add(7 * time.Hour)
	}
	f := sweep("m4")
	checkFault(t, f, fault.Permanent, fault.Stuck, "no progress since 2026-11-30 05:00:00 UTC (28 hours)", "3 times")
	if f.Stage != string(work.Ingest) || f.RunID != "r1" || f.Dataset != "station.event" || len(b.sqs.sent) != 0 {
		t.Errorf("fault %+v, sent %v", f, b.sqs.sent)
	}
	// The consumer has recorded the failure, but the dead letter wasn't sent.
	fail := func(code fault.Code) {
		b.changeRun(b.journal.runs[name], func(r *journal.Run) {
			r.State, r.Failed, r.Code = journal.RunFailed, b.now, string(code)
		})
	}
	fail(fault.Stuck)
	checkFault(t, sweep("m4"), fault.Permanent, fault.Stuck, "(28 hours)")
	if f := sweep("m5"); f != nil {
		t.Errorf("another sweep of the failed run: %v", f)
	}
	// Ingest has recorded a fault of its own since the claim.
	fail(fault.SourceRefused)
	if f := sweep("m4"); f != nil {
		t.Errorf("a sweep of a run with another fault: %v", f)
	}
}

// TestMovedRunIsNotResumed: the run has moved on since the sweep.
func TestMovedRunIsNotResumed(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]journal.RunState{"waiting": journal.RunWaiting, "finished": journal.RunFinished, "failed": journal.RunFailed, "running": journal.RunRunning} {
		b := newFixture(t)
		b.addRun("r1", state, time.Hour)
		body := work.StuckRun{Dataset: "station.event", RunID: "r1", Before: noon.Add(-6 * time.Hour)}.Encode()
		if f := b.handle(body); f != nil || len(b.sqs.sent) != 0 {
			t.Errorf("%s: %v, sent %v", name, f, b.sqs.sent)
		}
	}
	checkFault(t, newFixture(t).handle(`{"stage":"route","run_id":"r1"}`), fault.Permanent, fault.Undecodable)
}

// TestUnsentResumeIsRetried: the sweep's message returns while SQS is unavailable, and
// the run gets its message later without a second count.
func TestUnsentResumeIsRetried(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	name := b.addRun("r1", journal.RunOrdered, 7*time.Hour).RunName
	b.sqs.unavailable = map[string]error{ingestURL: fmt.Errorf("no answer")}
	body := work.StuckRun{Dataset: name.Dataset, RunID: name.ID, Before: noon.Add(-6 * time.Hour)}.Encode()
	checkFault(t, b.handle(body), fault.RetryAfter, fault.QueueAway)
	b.sqs.unavailable = nil
	if f := b.handle(body); f != nil || len(b.sentTo(ingestURL)) != 1 || b.journal.runs[name].SweepCount != 1 {
		t.Errorf("%v, sent %v, count %d", f, b.sqs.sent, b.journal.runs[name].SweepCount)
	}
}
