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
	"github.com/firn-data/firn/internal/work"
)

func TestRedriveSendsToTheRightQueue(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	tests := []struct {
		key, dataset string
		stage        work.Stage
		code         fault.Code
		want         work.Stage
	}{
		{"shop/order/transform.csv", "shop.order", work.Transform, fault.BadHeader, work.Transform},
		{"shop/order/load.csv", "shop.order", work.Load, fault.CopyRefused, work.Load},
		{"nobody/x.csv", "", work.Route, fault.NoDataset, work.Route},
	}
	for _, test := range tests {
		o := b.failed(t, test.key, test.dataset, test.stage, test.code)
		entry, err := b.Redrive(ctx, o.URI())
		if err != nil || entry.ID != o.ID() || entry.Code != string(test.code) {
			t.Errorf("%s: Redrive = %s %s, %v; want what it was", test.key, entry.ID, entry.Code, err)
		}
		for _, queue := range []work.Stage{work.Route, work.Transform, work.Load} {
			bodies := b.takeMessages(ctx, t, string(queue))
			switch {
			case queue != test.want:
				if len(bodies) > 0 {
					t.Errorf("%s: the %s queue got %q", test.key, queue, bodies)
				}
			case len(bodies) != 1:
				t.Errorf("%s: the %s queue got %q, want one message", test.key, queue, bodies)
			case queue == work.Route:
				if bodies[0] != "the event of "+test.key {
					t.Errorf("%s: the event became %q", test.key, bodies[0])
				}
			default:
				if w, err := work.Decode(bodies[0], queue); err != nil || w.Object != o || w.Dataset != test.dataset {
					t.Errorf("%s: %+v, %v", test.key, w, err)
				}
			}
		}
	}
}

// TestRedriveAfterInterruptedRedriveSendsMessage: an operator's command that was killed before it sent is
// given again, by the object's id this time.
func TestRedriveAfterInterruptedRedriveSendsMessage(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.failed(t, "shop/order/a.csv", "shop.order", work.Transform, fault.BadHeader)
	if _, err := b.stages.Redrive(ctx, o.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Redrive(ctx, string(o.ID())); err != nil {
		t.Errorf("Redrive: %v", err)
	}
	if bodies := b.takeMessages(ctx, t, "transform"); len(bodies) != 1 {
		t.Errorf("the queue got %q, want one message", bodies)
	}
}

func TestRedriveRefuses(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.received(t, "shop/order/a.csv", "shop.order")
	if _, err := b.Redrive(ctx, o.URI()); message(err) != "redrive "+o.URI()+": it is received, not failed" {
		t.Errorf("Redrive = %v", err)
	}
	broken := b.failed(t, "shop/order/b.csv", "shop.order", work.Transform, fault.BadHeader)
	b.Stack.Queues["transform"] += "-gone"
	if _, err := b.Redrive(ctx, broken.URI()); err == nil || !strings.HasPrefix(err.Error(), "send to the transform queue: ") {
		t.Errorf("without its queue: %v", err)
	}
}

func TestRedriveAllSendsObjectsWithCode(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	const dataset = "shop.order"
	one := b.failed(t, "shop/order/1.csv", dataset, work.Transform, fault.TooManyRejects)
	two := b.failed(t, "shop/order/2.csv", dataset, work.Transform, fault.TooManyRejects)
	header := b.failed(t, "shop/order/3.csv", dataset, work.Transform, fault.BadHeader)
	b.failed(t, "shop/item/4.csv", "shop.item", work.Transform, fault.TooManyRejects)
	nobody := b.failed(t, "nobody/5.csv", "", work.Route, fault.NoDataset)
	for _, step := range []struct {
		dataset string
		code    fault.Code
		want    []string
	}{
		{dataset, fault.TooManyRejects, []string{one.Key, two.Key}},
		{dataset, fault.TooManyRejects, []string{}},
		{dataset, "", []string{header.Key}},
		{"", "", []string{nobody.Key}},
	} {
		redriven, err := b.RedriveAll(ctx, step.dataset, step.code)
		got := make([]string, 0, len(redriven))
		for _, entry := range redriven {
			got = append(got, entry.Object.Key)
		}
		slices.Sort(got)
		if diff := cmp.Diff(step.want, got); err != nil || diff != "" {
			t.Errorf("RedriveAll %q %q: %v (-want +got):\n%s", step.dataset, step.code, err, diff)
		}
	}
	if transforms, routes := b.takeMessages(ctx, t, "transform"), b.takeMessages(ctx, t, "route"); len(transforms) != 3 || len(routes) != 1 {
		t.Errorf("%d messages to transform and %d to route, want 3 and 1", len(transforms), len(routes))
	}
}

// TestRedriveAllReturnsRedrivenObjectsOnError stops at the first whose message can't be sent.
func TestRedriveAllReturnsRedrivenObjectsOnError(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	const dataset = "shop.order"
	// By code and time: the load's comes before the transform's.
	first := b.failed(t, "shop/order/1.csv", dataset, work.Load, fault.CopyRefused)
	b.failed(t, "shop/order/2.csv", dataset, work.Transform, fault.TooManyRejects)
	b.Stack.Queues["transform"] += "-gone"
	redriven, err := b.RedriveAll(ctx, dataset, "")
	if err == nil || len(redriven) != 1 || redriven[0].ID != first.ID() {
		t.Errorf("RedriveAll = %d entries, %v; want the first and an error", len(redriven), err)
	}
}

func TestRedriveAllRefusesUnknownDataset(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for _, test := range []struct {
		dataset string
		code    fault.Code
		want    string
	}{
		{"shop.ordr", "", `no contract for dataset "shop.ordr": name one of ` + all},
		{"shop.order", "bad_heder", `no fault has the code "bad_heder": docs/runbook.md has them all`},
	} {
		if _, err := b.RedriveAll(t.Context(), test.dataset, test.code); message(err) != test.want {
			t.Errorf("RedriveAll = %v, want %q", err, test.want)
		}
	}
}

func TestIngest(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	start := time.Date(2018, 1, 31, 1, 0, 0, 0, time.FixedZone("", 3600))
	if err := b.Ingest(ctx, "station.event", start, start.AddDate(0, 0, 7)); err != nil {
		t.Fatal(err)
	}
	bodies := b.takeMessages(ctx, t, "ingest")
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
		{"station.quake", start.AddDate(0, 0, 1), "ingest station.quake: no contract of that dataset names an API: name one of station.event"},
		{"shop.order", start.AddDate(0, 0, 1), "ingest shop.order: no contract of that dataset names an API: name one of station.event"},
	} {
		if err := b.Ingest(ctx, test.dataset, start, test.end); message(err) != test.want {
			t.Errorf("Ingest = %v, want %q", err, test.want)
		}
	}
	if bodies := b.takeMessages(ctx, t, "ingest"); len(bodies) > 0 {
		t.Errorf("what was refused was sent: %q", bodies)
	}
}
