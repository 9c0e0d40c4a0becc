//go:build standin

package operator_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
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
		{"shop/order/load.csv", "shop.order", work.Load, fault.CopyRefused, work.Load},
		{"unclaimed/x.csv", "", work.Route, fault.NoDataset, work.Route},
	}
	for _, test := range tests {
		o := f.failed(t, test.key, test.dataset, test.stage, test.code)
		entry, err := f.Redrive(ctx, o.URI())
		if err != nil || entry.ID != o.ID() || entry.Code != string(test.code) {
			t.Errorf("%s: Redrive = %s %s, %v; want the entry before the redrive", test.key, entry.ID, entry.Code, err)
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
// send. The second redrive names the object by id.
func TestRedriveAfterInterruptedRedriveSendsMessage(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	o := f.failed(t, "shop/order/a.csv", "shop.order", work.Transform, fault.BadHeader)
	if _, err := f.stages.Redrive(ctx, o.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redrive(ctx, string(o.ID())); err != nil {
		t.Errorf("Redrive: %v", err)
	}
	if bodies := f.takeMessages(ctx, t, "transform"); len(bodies) != 1 {
		t.Errorf("the queue got %q, want one message", bodies)
	}
}

func TestRedriveRefuses(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	o := f.received(t, "shop/order/a.csv", "shop.order")
	if _, err := f.Redrive(ctx, o.URI()); message(err) != "redrive "+o.URI()+": the object is received, not failed" {
		t.Errorf("Redrive = %v", err)
	}
	broken := f.failed(t, "shop/order/b.csv", "shop.order", work.Transform, fault.BadHeader)
	f.Stack.Queues["transform"] += "-gone"
	if _, err := f.Redrive(ctx, broken.URI()); err == nil || !strings.HasPrefix(err.Error(), "send to the transform queue: ") {
		t.Errorf("with a missing queue: %v", err)
	}
}

func TestRedriveAllSendsObjectsWithCode(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	const dataset = "shop.order"
	first := f.failed(t, "shop/order/1.csv", dataset, work.Transform, fault.TooManyRejects)
	second := f.failed(t, "shop/order/2.csv", dataset, work.Transform, fault.TooManyRejects)
	header := f.failed(t, "shop/order/3.csv", dataset, work.Transform, fault.BadHeader)
	f.failed(t, "shop/item/4.csv", "shop.item", work.Transform, fault.TooManyRejects)
	unclaimed := f.failed(t, "unclaimed/5.csv", "", work.Route, fault.NoDataset)
	for _, step := range []struct {
		dataset string
		code    fault.Code
		want    []string
	}{
		{dataset, fault.TooManyRejects, []string{first.Key, second.Key}},
		{dataset, fault.TooManyRejects, []string{}},
		{dataset, "", []string{header.Key}},
		{"", "", []string{unclaimed.Key}},
	} {
		redriven, err := f.RedriveAll(ctx, step.dataset, step.code)
		got := make([]string, 0, len(redriven))
		for _, entry := range redriven {
			got = append(got, entry.Object.Key)
		}
		slices.Sort(got)
		if diff := cmp.Diff(step.want, got); err != nil || diff != "" {
			t.Errorf("RedriveAll %q %q: %v (-want +got):\n%s", step.dataset, step.code, err, diff)
		}
	}
	if transforms, routes := f.takeMessages(ctx, t, "transform"), f.takeMessages(ctx, t, "route"); len(transforms) != 3 || len(routes) != 1 {
		t.Errorf("%d messages to transform and %d to route, want 3 and 1", len(transforms), len(routes))
	}
}

// TestRedriveAllReturnsRedrivenObjectsOnError makes the second of two sends fail.
func TestRedriveAllReturnsRedrivenObjectsOnError(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	const dataset = "shop.order"
	// The order is by code and time: load's copy_refused comes first.
	first := f.failed(t, "shop/order/1.csv", dataset, work.Load, fault.CopyRefused)
	f.failed(t, "shop/order/2.csv", dataset, work.Transform, fault.TooManyRejects)
	f.Stack.Queues["transform"] += "-gone"
	redriven, err := f.RedriveAll(ctx, dataset, "")
	if err == nil || len(redriven) != 1 || redriven[0].ID != first.ID() {
		t.Errorf("RedriveAll = %d entries, %v; want the first and an error", len(redriven), err)
	}
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
		if _, err := f.RedriveAll(t.Context(), test.dataset, test.code); message(err) != test.want {
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
	if runs, err := f.Runs(ctx); err != nil || len(runs) != 1 || runs[0].Message != bodies[0] {
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
		summaries, err := f.Summaries(ctx)
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
