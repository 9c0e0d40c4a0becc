package route_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

func TestLandingObjectBecomesWork(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"shop/order/day.csv", "shop/order/a b+c%d=é日.csv", "shop/order/sub/_x/day.csv",
	} {
		b, o := newFixture(t), landed(key)
		if f := b.handle(records(o)); f != nil {
			t.Fatal(f)
		}
		wantWork := map[string]work.Work{key: {Stage: work.Transform, Dataset: "shop.order", Object: o}}
		if diff := cmp.Diff(wantWork, b.sqs.works(t, transformURL, work.Transform)); diff != "" {
			t.Errorf("work (-want +got):\n%s", diff)
		}
		if e := b.journal.entries[o.ID()]; e.State != journal.Received || e.Dataset != "shop.order" {
			t.Errorf("journal has %+v", e)
		}
	}
}

func TestMarkersAndHiddenFilesAreIgnored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key     string
		size    int64
		ignored bool
	}{
		{"shop/order/2026/", 0, true},
		{"unknown/", 0, true},
		{"shop/order/2026/", 5, false},
		{"shop/order/run=1/_manifest.json", 40, true},
		{"shop/order/_SUCCESS", 0, true},
		{"unknown/_SUCCESS", 0, true},
		{"shop/order/.part.csv.swp", 9, true},
		{"shop/order/empty.csv", 0, false},
		{"shop/order/a_b.csv", 9, false},
	}
	for _, test := range tests {
		t.Run(test.key, func(t *testing.T) {
			t.Parallel()
			b, o := newFixture(t), landed(test.key)
			o.Size = test.size
			if f := b.handle(records(o)); f != nil {
				t.Fatal(f)
			}
			e := b.journal.entries[o.ID()]
			if got := e.State == journal.Ignored && e.Reason != ""; got != test.ignored {
				t.Errorf("journal has %+v", e)
			}
			if sends := len(b.sqs.sent); (sends == 0) != test.ignored {
				t.Errorf("%d messages sent", sends)
			}
		})
	}
}

func TestLandingEventByState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state journal.State
		sent  int
	}{
		{journal.Received, 1},
		{journal.Transforming, 0},
		{journal.Transformed, 0},
		{journal.Loaded, 0},
		{journal.Superseded, 0},
		{journal.Failed, 0},
	}
	for _, test := range tests {
		o := landed("shop/order/day.csv")
		b := newFixture(t, journal.Entry{Object: o, Dataset: "shop.order", State: test.state, Generation: 2, Queue: "transform", Message: "other"})
		if f := b.handle(records(o)); f != nil {
			t.Fatal(f)
		}
		works := b.sqs.works(t, transformURL, work.Transform)
		if len(works) != test.sent {
			t.Errorf("%s: %d sent, want %d", test.state, len(works), test.sent)
		}
		for _, w := range works {
			if w.Generation != 2 {
				t.Errorf("%s: generation %d, want the generation of the journal", test.state, w.Generation)
			}
		}
	}
}

// TestUnclaimedKeyCanBeRedriven follows a key without a contract: failure, a lost dead
// letter, a redrive, and a new contract for the key.
func TestUnclaimedKeyCanBeRedriven(t *testing.T) {
	t.Parallel()
	b, o := newFixture(t), landed("new/thing/day.csv")
	body := records(o)
	for range 2 { // the second time after its dead letter wasn't sent
		f := b.handle(body)
		checkFault(t, f, fault.Permanent, fault.NoDataset, `"new/thing/day.csv"`)
		if f.ObjectID != string(o.ID()) || f.Subject != o.URI() || f.Dataset != "" {
			t.Fatalf("fault names %+v", f)
		}
		if _, err := b.journal.Fail(context.Background(), f, "route", "route", body); err != nil {
			t.Fatal(err)
		}
	}
	e := b.journal.entries[o.ID()]
	e.State = journal.Received // redriven
	b.journal.entries[o.ID()] = e
	b.router.Contracts = append(b.router.Contracts, &contract.Contract{Source: "new", Entity: "thing", KeyPrefix: "new/thing/"})
	if f := b.handle(e.Message); f != nil {
		t.Fatal(f)
	}
	if w := b.sqs.works(t, transformURL, work.Transform)[o.Key]; w.Dataset != "new.thing" {
		t.Errorf("sent %+v", w)
	}
	if got := b.journal.entries[o.ID()].Dataset; got != "new.thing" {
		t.Errorf("journal has dataset %q", got)
	}
}

// TestRepeatedMessageOfFailedObjectFailsAgain: the object failed with the same message,
// and the dead letter wasn't sent. If route dropped the message, the failure would
// cause no mail.
func TestRepeatedMessageOfFailedObjectFailsAgain(t *testing.T) {
	t.Parallel()
	o := landed("shop/order/day.csv")
	b := newFixture(t, journal.Entry{
		Object: o, Dataset: "shop.order", State: journal.Failed, Stage: "route",
		Code: "crashed", Cause: "panic: x", Hint: "look", Queue: "route", Message: records(o),
	})
	f := b.handle(records(o))
	checkFault(t, f, fault.Permanent, fault.Crashed, "panic: x")
	if f.Hint != "look" || f.ObjectID != string(o.ID()) {
		t.Errorf("fault is %+v", f)
	}
}
