//go:build standin

package journal_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// attributes returns an item's texts and numbers under the names in the table. The DAGs
// in airflow/dags read these names.
func (b *fixture) attributes(t testing.TB, pk string) map[string]string {
	t.Helper()
	output, err := b.client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(tableName), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}},
	})
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for name, value := range output.Item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			found[name] = v.Value
		case *types.AttributeValueMemberN:
			found[name] = v.Value
		}
	}
	return found
}

// run returns the name of a run of the fixture's dataset.
func (b *fixture) run(id string) journal.RunName { return journal.RunName{Dataset: b.dataset, ID: id} }

func (b *fixture) order(t testing.TB, id string) journal.Run {
	t.Helper()
	run, err := b.OrderRun(t.Context(), journal.RunOrder{RunName: b.run(id), Message: "the message of " + id})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func (b *fixture) startRun(t testing.TB, id string) (journal.Run, bool) {
	t.Helper()
	run, started, err := b.StartRun(t.Context(), journal.RunOrder{RunName: b.run(id), Message: "the message of " + id})
	if err != nil {
		t.Fatal(err)
	}
	return run, started
}

// save saves a checkpoint with a number of pages, each of a hundred rows.
func (b *fixture) save(t testing.TB, id string, pages int, finished bool) {
	t.Helper()
	p := journal.RunProgress{Pages: pages, Rows: int64(100 * pages), Finished: finished}
	if err := b.SaveCheckpoint(t.Context(), b.run(id), struct{ Page int }{pages}, p); err != nil {
		t.Fatal(err)
	}
}

// wait makes a run wait, with the given number of tries.
func (b *fixture) wait(t testing.TB, id string, tries int, after time.Duration) {
	t.Helper()
	err := b.DelayRun(t.Context(), b.run(id), journal.Delay{
		Stage: "ingest", Code: fault.SourceAway, Cause: "no answer", Hint: "wait", Tries: tries, Repeats: tries,
		Last: b.clock(), Next: b.clock().Add(after), Since: b.clock(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// failRun fails a run, and reports whether the failure was recorded.
func (b *fixture) failRun(t testing.TB, id string) bool {
	t.Helper()
	f := fault.Permanentf("ask source", fault.SourceRefused, "%s", strings.Repeat("no ", 4000))
	f.Dataset, f.RunID = b.dataset, id
	recorded, err := b.Fail(t.Context(), f, "ingest", "arn", "body")
	if err != nil {
		t.Fatal(err)
	}
	return recorded
}

// onlyRun returns the single unfinished run of the fixture.
func (b *fixture) onlyRun(t testing.TB) journal.Run {
	t.Helper()
	runs, err := b.Runs(t.Context(), b.dataset)
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d unfinished runs, %v, want one", len(runs), err)
	}
	return runs[0]
}

// ofFixture collects the runs of this fixture from an iterator of the journal.
func (b *fixture) ofFixture(t testing.TB, each func(func(journal.Run) bool) error) []string {
	t.Helper()
	var ids []string
	err := each(func(r journal.Run) bool {
		if r.Dataset == b.dataset {
			ids = append(ids, r.ID)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestRunFromOrderToEnd follows a run through all states. The repeated writes are the
// SDK's after a lost answer.
func TestRunFromOrderToEnd(t *testing.T) {
	t.Parallel()
	for _, repeats := range []bool{false, true} {
		b := newFixture(t)
		b.client.repeats = repeats
		ordered := b.clock()
		if run := b.order(t, "r1"); run.State != journal.RunOrdered || !run.Ordered.Equal(ordered) || !run.Progressed.Equal(ordered) {
			t.Errorf("after the order: %+v", run)
		}
		b.advance(time.Minute)
		if run, started := b.startRun(t, "r1"); !started || run.State != journal.RunRunning || !run.Progressed.Equal(ordered) {
			t.Errorf("after the start: %t, %+v", started, run)
		}
		b.save(t, "r1", 1, false)
		progressed := b.clock()
		b.advance(time.Minute)
		b.wait(t, "r1", 3, time.Hour)
		want := journal.Run{
			RunName: b.run("r1"), State: journal.RunWaiting, Ordered: ordered.Truncate(time.Microsecond), Progressed: progressed.Truncate(time.Microsecond),
			Pages: 1, Rows: 100, Message: "the message of r1",
			Delay: &journal.Delay{
				Stage: "ingest", Code: fault.SourceAway, Cause: "no answer", Hint: "wait", Tries: 3, Repeats: 3,
				Last: b.clock().Truncate(time.Millisecond), Next: b.clock().Add(time.Hour).Truncate(time.Millisecond), Since: b.clock().Truncate(time.Millisecond),
			},
		}
		if diff := cmp.Diff(want, b.onlyRun(t), cmpopts.IgnoreUnexported(journal.Run{})); diff != "" {
			t.Errorf("waiting run (-want +got):\n%s", diff)
		}
		if run, started := b.startRun(t, "r1"); started || run.State != journal.RunWaiting {
			t.Errorf("a message before the next try: started %t, %s", started, run.State)
		}
		b.advance(time.Hour)
		if run, started := b.startRun(t, "r1"); !started || run.Delay == nil || run.Delay.Tries != 3 {
			t.Errorf("a message at the next try: started %t, delay %+v", started, run.Delay)
		}
		b.save(t, "r1", 2, false)
		if run := b.onlyRun(t); run.Delay != nil || run.Pages != 2 || run.Rows != 200 || !run.Progressed.Equal(b.clock().Truncate(time.Microsecond)) {
			t.Errorf("after progress: %+v", run)
		}
		b.save(t, "r1", 2, true)
		if runs, err := b.Runs(t.Context(), b.dataset); err != nil || len(runs) != 0 {
			t.Errorf("a finished run is in the list: %+v, %v", runs, err)
		}
		if run, started := b.startRun(t, "r1"); started || run.State != journal.RunFinished || !run.Finished.Equal(b.clock().Truncate(time.Microsecond)) {
			t.Errorf("a message of a finished run: started %t, %+v", started, run)
		}
	}
}

// TestOrderOfKnownRun: a finished run stays as it is, a failed run starts again, and all
// other runs keep their progress.
func TestOrderOfKnownRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(*testing.T, *fixture)
		want    journal.RunState
		pages   int
		delayed bool
		renewed bool // the order is progress
	}{
		{"ordered", func(*testing.T, *fixture) {}, journal.RunOrdered, 0, false, false},
		{"running", func(t *testing.T, b *fixture) { b.startRun(t, "r1") }, journal.RunRunning, 0, false, false},
		{"waiting", func(t *testing.T, b *fixture) { b.save(t, "r1", 1, false); b.wait(t, "r1", 1, time.Hour) }, journal.RunOrdered, 1, true, false},
		{"failed", func(t *testing.T, b *fixture) { b.save(t, "r1", 1, false); b.failRun(t, "r1") }, journal.RunOrdered, 1, false, true},
		{"finished", func(t *testing.T, b *fixture) { b.save(t, "r1", 1, true) }, journal.RunFinished, 1, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			before := b.order(t, "r1")
			test.prepare(t, b)
			b.advance(time.Minute)
			run := b.order(t, "r1")
			if run.State != test.want || run.Pages != test.pages || (run.Delay != nil) != test.delayed || run.Code != "" || !run.Failed.IsZero() {
				t.Errorf("after a second order: %+v", run)
			}
			if run.State != journal.RunFinished && !run.Ordered.Equal(b.clock()) {
				t.Errorf("ordered at %s, want %s", run.Ordered, b.clock())
			}
			if renewed := !run.Progressed.Equal(before.Progressed.Truncate(time.Microsecond)); renewed != test.renewed {
				t.Errorf("progress at %s, before at %s", run.Progressed, before.Progressed)
			}
			if test.want != journal.RunFinished {
				if again, started := b.startRun(t, "r1"); !started {
					t.Errorf("the message of the order doesn't start the run: %+v", again)
				}
			}
		})
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	type checkpoint struct {
		Offset int    `json:"offset"`
		Part   string `json:"part"`
	}
	b, ctx := newFixture(t), t.Context()
	run := b.run("r1")
	var got checkpoint
	if found, err := b.Checkpoint(ctx, run, &got); found || err != nil {
		t.Fatalf("Checkpoint of a new run = %t, %v", found, err)
	}
	for _, want := range []checkpoint{{100, "p1"}, {200, "p2"}} {
		if err := b.SaveCheckpoint(ctx, run, want, journal.RunProgress{}); err != nil {
			t.Fatal(err)
		}
		if found, err := b.Checkpoint(ctx, run, &got); !found || err != nil || got != want {
			t.Errorf("Checkpoint = %+v, %t, %v; want %+v", got, found, err, want)
		}
	}
	if found, err := b.Checkpoint(ctx, b.run("r2"), &got); found || err != nil {
		t.Errorf("Checkpoint of another run = %t, %v", found, err)
	}
	var wrong []string
	if _, err := b.Checkpoint(ctx, run, &wrong); err == nil || !strings.Contains(err.Error(), run.FullName()) {
		t.Errorf("a checkpoint of another type = %v, want an error with the run", err)
	}
	if err := b.SaveCheckpoint(ctx, run, func() {}, journal.RunProgress{}); err == nil {
		t.Error("SaveCheckpoint took a value that JSON doesn't have")
	}
}

func TestFailRunKeepsCheckpoint(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	fail := func() map[string]string {
		t.Helper()
		if !b.failRun(t, "r1") {
			t.Fatal("the failure isn't recorded")
		}
		return b.attributes(t, "run#"+b.dataset+"/r1")
	}
	failed := fail()
	if len(failed["cause"]) != 4<<10 {
		t.Errorf("the cause has %d bytes, want 4096", len(failed["cause"]))
	}
	delete(failed, "cause")
	delete(failed, "change") // random
	want := map[string]string{
		"pk": "run#" + b.dataset + "/r1", "failed_at": "2026-03-01T12:00:00.123456Z", "stage": "ingest",
		"code": "source_refused", "hint": fault.SourceRefused.Hint(), "run_state": "failed", "pages": "0", "rows": "0",
		"work_pk": "run#" + b.dataset, "work_sk": "r1",
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("before the first page (-want +got):\n%s", diff)
	}
	var saved struct{ Page int }
	if found, err := b.Checkpoint(t.Context(), b.run("r1"), &saved); found || err != nil {
		t.Errorf("checkpoint = %t, %v; want none", found, err)
	}
	b.save(t, "r1", 7, false)
	if item := b.attributes(t, "run#"+b.dataset+"/r1"); item["failed_at"] != "" || item["code"] != "" {
		t.Errorf("after a new checkpoint the run has failed_at %q and code %q", item["failed_at"], item["code"])
	}
	if code := fail()["code"]; code != "source_refused" {
		t.Errorf("after a page the run has code %q", code)
	}
	if found, err := b.Checkpoint(t.Context(), b.run("r1"), &saved); !found || err != nil || saved.Page != 7 {
		t.Errorf("checkpoint = %+v, %t, %v; want page 7", saved, found, err)
	}
}

// TestConcurrentCheckpointIsKept saves a page between the read and the write of another
// change. The page isn't lost, and the change is made.
func TestConcurrentCheckpointIsKept(t *testing.T) {
	t.Parallel()
	changes := map[string]struct {
		change func(*testing.T, *fixture)
		want   journal.RunState
	}{
		"failure": {func(t *testing.T, b *fixture) { b.failRun(t, "r1") }, journal.RunFailed},
		"wait":    {func(t *testing.T, b *fixture) { b.wait(t, "r1", 1, time.Hour) }, journal.RunWaiting},
		"order":   {func(t *testing.T, b *fixture) { b.order(t, "r1") }, journal.RunRunning},
	}
	for name, test := range changes {
		for _, first := range []int{0, 1} { // the number of pages before
			b := newFixture(t)
			if first > 0 {
				b.save(t, "r1", first, false)
			}
			b.client.before = func() { b.save(t, "r1", first+1, false) }
			test.change(t, b)
			var saved struct{ Page int }
			if found, err := b.Checkpoint(t.Context(), b.run("r1"), &saved); !found || err != nil || saved.Page != first+1 {
				t.Errorf("%s: checkpoint = %+v, %t, %v; want page %d", name, saved, found, err, first+1)
			}
			if run := b.onlyRun(t); run.State != test.want || run.Pages != first+1 {
				t.Errorf("%s: %+v, want %s", name, run, test.want)
			}
		}
	}
}

// TestFinishedRunStaysFinished: a slow duplicate of the message saves an earlier page
// after the end of the run, or between the duplicate's read and write.
func TestFinishedRunStaysFinished(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(*testing.T, *fixture){
		"before the read": func(t *testing.T, b *fixture) { b.save(t, "r1", 3, true) },
		"after the read":  func(t *testing.T, b *fixture) { b.client.before = func() { b.save(t, "r1", 3, true) } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.startRun(t, "r1")
			finish(t, b)
			b.save(t, "r1", 2, false)
			run, started := b.startRun(t, "r1")
			if started || run.State != journal.RunFinished || run.Pages != 3 || !run.Finished.Equal(b.clock().Truncate(time.Microsecond)) {
				t.Errorf("started %t, %+v; want the finished run with 3 pages", started, run)
			}
			var saved struct{ Page int }
			if found, err := b.Checkpoint(t.Context(), b.run("r1"), &saved); !found || err != nil || saved.Page != 3 {
				t.Errorf("checkpoint = %+v, %t, %v; want page 3", saved, found, err)
			}
		})
	}
}

// TestBusyRunIsDependencyFault: another writer changes the run before each write.
func TestBusyRunIsDependencyFault(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var disturb func()
	pages := 0
	disturb = func() {
		pages++
		b.save(t, "r1", pages, false)
		b.client.before = disturb
	}
	b.client.before = disturb
	_, err := b.OrderRun(t.Context(), journal.RunOrder{RunName: b.run("r1")})
	var f *fault.Fault
	if !errors.As(err, &f) || f.Code != fault.JournalAway || !strings.Contains(f.Cause(), "changed during each of 5 tries") {
		t.Errorf("OrderRun = %v", err)
	}
}

// TestLateChangeOfEndedRunIsIgnored: a late duplicate of a message neither fails nor
// delays a run that has ended.
func TestLateChangeOfEndedRunIsIgnored(t *testing.T) {
	t.Parallel()
	for _, state := range []journal.RunState{journal.RunFinished, journal.RunFailed} {
		b := newFixture(t)
		b.save(t, "r1", 1, state == journal.RunFinished)
		if state == journal.RunFailed {
			b.failRun(t, "r1")
		}
		if recorded := b.failRun(t, "r1"); recorded != (state == journal.RunFailed) {
			t.Errorf("%s: failure recorded: %t", state, recorded)
		}
		b.wait(t, "r1", 1, time.Hour)
		b.delayRunShortly(t, "r1")
		if run, err := b.OrderRun(t.Context(), journal.RunOrder{RunName: b.run("r1")}); err != nil || run.Delay != nil {
			t.Errorf("%s: %+v, %v", state, run, err)
		}
	}
}

// TestRunsAreNoObjects: the scan of all objects and the queries for objects have no run.
func TestRunsAreNoObjects(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.order(t, "r1")
	b.wait(t, "r2", 1, time.Hour)
	b.failRun(t, "r3")
	objects := 0
	err := b.Each(t.Context(), func(e journal.Entry) {
		if e.Dataset == b.dataset || strings.HasPrefix(string(e.ID), "run#") {
			objects++
		}
	})
	failed, failedErr := b.Failed(t.Context(), b.dataset, "")
	waiting, waitingErr := b.Waiting(t.Context(), b.dataset, 10)
	if n := objects + len(failed) + len(waiting); n != 0 || errors.Join(err, failedErr, waitingErr) != nil {
		t.Errorf("%d objects, %v", n, errors.Join(err, failedErr, waitingErr))
	}
}

// TestDecodeRefusesMalformedRun: an error names the attribute.
func TestDecodeRefusesMalformedRun(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for name, value := range map[string]string{"looks": "many", "ordered_at": "yesterday", "run_state": "waiting"} {
		_, err := b.client.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String(tableName),
			Item: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: "run#" + b.dataset + "/r1"}, name: &types.AttributeValueMemberS{Value: value},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := name
		if name == "run_state" {
			want = "delay_code"
		}
		if _, err := b.OrderRun(t.Context(), journal.RunOrder{RunName: b.run("r1")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%q: %v, want an error with %s", name, value, err, want)
		}
	}
}

// The journal doesn't record Glue runs.
func TestGlueRunIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	f := fault.Permanentf("end run", fault.GlueFailed, "stopped")
	f.Dataset, f.RunID = b.dataset, "jr_1"
	if recorded, err := b.Fail(t.Context(), f, "transform", "arn", "body"); !recorded || err != nil {
		t.Errorf("Fail = %t, %v", recorded, err)
	}
	if err := b.Delayed(t.Context(), f, "transform", time.Minute); err != nil {
		t.Error(err)
	}
	if item := b.attributes(t, "run#"+b.dataset+"/jr_1"); len(item) > 0 {
		t.Errorf("the Glue run is recorded: %v", item)
	}
}

func TestCountLoad(t *testing.T) { //nolint:paralleltest // one count for the whole table
	b := newFixture(t)
	count := func() int {
		n, _ := strconv.Atoi(b.attributes(t, "loads")["loads"]) // a missing count is 0
		return n
	}
	for _, repeats := range []bool{false, true} {
		b.client.repeats = repeats
		before := count()
		for range 2 {
			if err := b.CountLoad(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if after := count(); after != before+2 {
			t.Errorf("requests come twice: %t: two loads move the count from %d to %d", repeats, before, after)
		}
	}
}
