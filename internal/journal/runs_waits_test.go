//go:build standin

package journal_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// delayRunShortly records a wait of a minute in the queue.
func (b *fixture) delayRunShortly(t *testing.T, id string) {
	t.Helper()
	f := fault.Dependency("read", fault.StoreAway, errors.New("no answer"))
	f.Dataset, f.RunID = b.dataset, id
	if err := b.Delayed(t.Context(), f, "ingest", time.Minute); err != nil {
		t.Fatal(err)
	}
}

// TestShortWaitKeepsRunRunning: the queue keeps the message of a short wait, so no tick
// resumes the run. A waiting run keeps its next try.
func TestShortWaitKeepsRunRunning(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.startRun(t, "r1")
	for range 2 {
		b.delayRunShortly(t, "r1")
	}
	run := b.onlyRun(t)
	want := &journal.Delay{
		Stage: "ingest", Code: fault.StoreAway, Cause: "no answer", Hint: fault.StoreAway.Hint(), Tries: 2,
		Last: b.clock().Truncate(time.Millisecond), Next: b.clock().Add(time.Minute).Truncate(time.Millisecond),
	}
	if diff := cmp.Diff(want, run.Delay); diff != "" || run.State != journal.RunRunning {
		t.Errorf("%s, delay (-want +got):\n%s", run.State, diff)
	}
	b.advance(time.Hour)
	if due := b.ofFixture(t, func(do func(journal.Run) bool) error { return b.EachDueRun(t.Context(), do) }); len(due) != 0 {
		t.Errorf("due runs: %v", due)
	}
	b.wait(t, "r1", 3, time.Hour)
	b.delayRunShortly(t, "r1")
	if run := b.onlyRun(t); run.State != journal.RunWaiting || run.Delay.Tries != 3 {
		t.Errorf("a late short wait: %s, %+v", run.State, run.Delay)
	}
}

// TestTwoTicksResumeRunOnce: only one of two callers gets the claim. After an unsent
// message the claim ends, and the next caller sends the message.
func TestTwoTicksResumeRunOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	claims := func() (claimed int64) {
		var all sync.WaitGroup
		var count atomic.Int64
		for range 2 {
			all.Go(func() {
				mine, err := b.ClaimResume(t.Context(), b.run("r1"))
				if err != nil {
					t.Error(err)
				}
				if mine {
					count.Add(1)
				}
			})
		}
		all.Wait()
		return count.Load()
	}
	due := func() []string {
		return b.ofFixture(t, func(do func(journal.Run) bool) error { return b.EachDueRun(t.Context(), do) })
	}
	if n := claims(); n != 0 {
		t.Errorf("%d claims of an unknown run", n)
	}
	b.wait(t, "r1", 1, time.Hour)
	if n := claims(); n != 0 || len(due()) != 0 {
		t.Errorf("before the next try: %d claims, due %v", n, due())
	}
	b.advance(time.Hour + time.Millisecond)
	if n := claims(); n != 1 || len(due()) != 1 {
		t.Errorf("at the next try: %d claims, due %v, want one", n, due())
	}
	b.advance(time.Minute)
	if n := claims(); n != 1 {
		t.Errorf("a minute after an unsent message: %d claims, want one", n)
	}
	if err := b.RecordResume(t.Context(), b.run("r1")); err != nil {
		t.Fatal(err)
	}
	if run := b.onlyRun(t); run.State != journal.RunOrdered || !run.Ordered.Equal(b.clock().Truncate(time.Microsecond)) || run.Delay == nil {
		t.Errorf("after the sent message: %+v", run)
	}
	if n := claims(); n != 0 || len(due()) != 0 {
		t.Errorf("after the sent message: %d claims, due %v", n, due())
	}
}

// TestResumedRunMayStartBeforeRecord: ingest is faster than the record of the sent
// message, and its clock is a second late.
func TestResumedRunMayStartBeforeRecord(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.wait(t, "r1", 1, time.Hour)
	b.advance(time.Hour)
	if claimed, err := b.ClaimResume(t.Context(), b.run("r1")); !claimed || err != nil {
		t.Fatal(claimed, err)
	}
	b.advance(-time.Second)
	if run, started := b.startRun(t, "r1"); !started {
		t.Errorf("the message of the claim doesn't start the run: %+v", run)
	}
	b.advance(time.Second)
	if err := b.RecordResume(t.Context(), b.run("r1")); err != nil {
		t.Fatal(err)
	}
	if run := b.onlyRun(t); run.State != journal.RunRunning {
		t.Errorf("the late record makes the run %s", run.State)
	}
	b.wait(t, "r1", 2, time.Hour) // the try is over before the record
	if err := b.RecordResume(t.Context(), b.run("r1")); err != nil {
		t.Fatal(err)
	}
	if run := b.onlyRun(t); run.State != journal.RunWaiting {
		t.Errorf("the late record ends the next wait: %s", run.State)
	}
}

// TestSweepClaimsIdleRun: a sweep counts each run without activity once. A further try
// of the sweep's message may claim again.
func TestSweepClaimsIdleRun(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.order(t, "r1")
	claim := func(claimant string, before time.Time) (int, bool) {
		t.Helper()
		run, claimed, err := b.ClaimRunForSweep(t.Context(), b.run("r1"), claimant, before)
		if err != nil {
			t.Fatal(err)
		}
		return run.SweepCount, claimed
	}
	stuck := func() int {
		return len(b.ofFixture(t, func(do func(journal.Run) bool) error {
			return b.EachStuckRun(t.Context(), b.clock().Add(-6*time.Hour), do)
		}))
	}
	if count, claimed := claim("m1", b.clock()); claimed || count != 0 || stuck() != 0 {
		t.Errorf("a new order: claimed %t, count %d, %d stuck", claimed, count, stuck())
	}
	b.advance(7 * time.Hour)
	before := b.clock().Add(-6 * time.Hour)
	if count, claimed := claim("m1", before); !claimed || count != 1 || stuck() != 1 {
		t.Errorf("without activity: claimed %t, count %d, %d stuck", claimed, count, stuck())
	}
	if count, claimed := claim("m2", before); claimed || count != 1 {
		t.Errorf("another sweep: claimed %t, count %d", claimed, count)
	}
	if count, claimed := claim("m1", before); !claimed || count != 1 {
		t.Errorf("the same message again: claimed %t, count %d", claimed, count)
	}
	b.advance(7 * time.Hour)
	if count, claimed := claim("m2", b.clock().Add(-6*time.Hour)); !claimed || count != 2 {
		t.Errorf("the next sweep: claimed %t, count %d", claimed, count)
	}
	b.startRun(t, "r1")
	b.delayRunShortly(t, "r1")
	if run := b.onlyRun(t); run.SweepCount != 0 {
		t.Errorf("after a try: %d sweeps", run.SweepCount)
	}
	b.wait(t, "r1", 2, 100*time.Hour)
	b.advance(50 * time.Hour)
	if _, claimed := claim("m3", b.clock()); claimed || stuck() != 0 {
		t.Errorf("a waiting run: claimed %t, %d stuck", claimed, stuck())
	}
}

// TestRunsShowDelay lists the runs with a delay and without progress since before a time.
// The query reads pages of one run.
func TestRunsShowDelay(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.client.page = 1
	for _, id := range []string{"new", "ordered", "running", "waiting", "recovered", "failed", "finished"} {
		b.startRun(t, id)
	}
	b.advance(time.Hour)
	for _, id := range []string{"ordered", "waiting", "recovered", "failed"} {
		b.wait(t, id, 4, time.Minute)
	}
	b.delayRunShortly(t, "running")
	b.order(t, "ordered")
	b.save(t, "recovered", 1, false)
	b.failRun(t, "failed")
	b.save(t, "finished", 1, true)
	delayed := func(before time.Time) (ids []string) {
		t.Helper()
		runs, err := b.Runs(t.Context(), b.dataset)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			if r.Delay != nil && r.Progressed.Before(before) {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	if diff := cmp.Diff([]string{"ordered", "running", "waiting"}, delayed(b.clock().Add(-time.Minute))); diff != "" {
		t.Errorf("delayed (-want +got):\n%s", diff)
	}
	if got := delayed(b.clock().Add(-2 * time.Hour)); len(got) != 0 {
		t.Errorf("delayed since two hours: %v", got)
	}
	if runs, err := b.Runs(t.Context(), b.dataset); err != nil || len(runs) != 6 {
		t.Errorf("%d unfinished runs, %v, want all but the finished one", len(runs), err)
	}
	var moving []string
	err := b.EachRunWithoutEnd(t.Context(), func(r journal.Run) bool {
		if r.Dataset == b.dataset {
			moving = append(moving, r.ID)
		}
		return true
	})
	slices.Sort(moving)
	if want := []string{"new", "ordered", "recovered", "running", "waiting"}; err != nil || !slices.Equal(moving, want) {
		t.Errorf("runs without an end: %v, %v, want %v", moving, err, want)
	}
	calls := 0
	if err := b.EachRunWithoutEnd(t.Context(), func(journal.Run) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("%d calls, %v, want one", calls, err)
	}
}

// TestWaitCodeOfRun: the cause of a run's wait, and the time at which a mail reports it.
func TestWaitCodeOfRun(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return at.Add(-d) }
	away := func(last, next time.Duration) *journal.Delay {
		return &journal.Delay{Code: fault.SourceAway, Last: ago(last), Next: ago(next)}
	}
	for name, test := range map[string]struct {
		run     journal.Run
		code    fault.Code
		tooLong bool
	}{
		"new":                           {journal.Run{State: journal.RunOrdered, Progressed: ago(time.Minute)}, "", false},
		"lost message":                  {journal.Run{State: journal.RunOrdered, Progressed: ago(2 * time.Hour)}, fault.NotTried, true},
		"ordered again":                 {journal.Run{State: journal.RunOrdered, Progressed: ago(2 * time.Hour), Ordered: ago(time.Minute)}, "", false},
		"short outage":                  {journal.Run{State: journal.RunWaiting, Progressed: ago(10 * time.Minute), Delay: away(time.Minute, -time.Minute)}, fault.SourceAway, false},
		"outage":                        {journal.Run{State: journal.RunWaiting, Progressed: ago(20 * time.Minute), Delay: away(time.Minute, -time.Minute)}, fault.SourceAway, true},
		"the source asks for six hours": {journal.Run{State: journal.RunWaiting, Progressed: ago(5 * time.Hour), Delay: away(5*time.Hour, -time.Hour)}, fault.SourceAway, true},
		"no tick for hours":             {journal.Run{State: journal.RunWaiting, Progressed: ago(5 * time.Hour), Delay: away(5*time.Hour, 2*time.Hour)}, fault.NotTried, true},
	} {
		if got := test.run.WaitCode(at); got != test.code || test.run.WaitsTooLong(at) != test.tooLong {
			t.Errorf("%s: code %q, too long %t, want %q, %t", name, got, test.run.WaitsTooLong(at), test.code, test.tooLong)
		}
	}
}
