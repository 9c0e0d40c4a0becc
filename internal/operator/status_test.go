//go:build standin

package operator_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.received(t, "shop/order/a b+c.csv", "shop.order")
	for _, name := range []string{o.URI(), string(o.ID())} {
		if entry, err := b.Status(ctx, name); err != nil || entry.ID != o.ID() || entry.State != journal.Received {
			t.Errorf("Status(%s) = %+v, %v", name, entry, err)
		}
	}
	unknown := object.Object{Bucket: "b", Key: "k"}
	for name, want := range map[string]string{
		"s3://b/k":           "the journal knows no s3://b/k: was it put into the landing bucket " + b.Stack.LandingBucket + "?",
		string(unknown.ID()): "the journal knows no " + string(unknown.ID()) + ": was it put into the landing bucket " + b.Stack.LandingBucket + "?",
		"shop/order/a":       `"shop/order/a" is no object: write s3://bucket/key`,
		"s3://bucket":        `"s3://bucket" is no object: write s3://bucket/key`,
		"":                   `"" is no object: write s3://bucket/key`,
	} {
		if _, err := b.Status(ctx, name); message(err) != want {
			t.Errorf("Status(%q) = %v, want %q", name, err, want)
		}
	}
}

// TestStatusOfKeyIsNewestVersion: a key's status is that of its newest version, an id's
// that of its own.
func TestStatusOfKeyIsNewestVersion(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	version := func(name, sequencer string) object.Object {
		o := object.Object{Bucket: "landing", Key: "shop/order/a.csv", Version: name, Sequencer: object.NormalizeSequencer(sequencer)}
		if _, err := b.stages.Receive(ctx, o, "shop.order"); err != nil {
			t.Fatal(err)
		}
		return o
	}
	newer := version("v2", "2")
	older := version("v1", "1") // arrives late
	if entry, err := b.Status(ctx, newer.URI()); err != nil || entry.ID != newer.ID() {
		t.Errorf("by key: %s, %v", entry.Object.Version, err)
	}
	if entry, err := b.Status(ctx, string(older.ID())); err != nil || entry.ID != older.ID() {
		t.Errorf("by id: %s, %v", entry.Object.Version, err)
	}
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	want := []operator.Summary{
		{Dataset: "shop.customer"},
		{Dataset: "shop.item"},
		{Dataset: "shop.order"},
		{Dataset: "shop.visit"},
		{Dataset: "station.event"},
	}
	check := func(when string) {
		t.Helper()
		got, err := b.Summaries(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if got[i].Failed == nil {
				t.Errorf("%s: %s has null for its failed objects, want a list", when, got[i].Dataset)
			}
			for j, entry := range got[i].Failed {
				got[i].Failed[j] = journal.Entry{ID: entry.ID, Code: entry.Code}
			}
			if len(got[i].Failed) == 0 {
				got[i].Failed = nil
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("nothing happened")
	b.transformed(t, b.received(t, "shop/order/1.csv", "shop.order"), "shop.order")
	header := b.failed(t, "shop/order/2.csv", "shop.order", work.Transform, fault.BadHeader)
	nobody := b.failed(t, "nobody.csv", "", work.Route, fault.NoDataset)
	want[2].Waiting = 1
	want[2].Failed = []journal.Entry{{ID: header.ID(), Code: "bad_header"}}
	want = append(want, operator.Summary{Failed: []journal.Entry{{ID: nobody.ID(), Code: "no_dataset"}}})
	check("one waits, one failed, one is nobody's")
}

// TestWaitReturnsEntriesInOrder settles one object after the other: the second when the first was
// told, so that the wait must look again. One isn't known at first.
func TestWaitReturnsEntriesInOrder(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	failed := b.failed(t, "shop/order/1.csv", "shop.order", work.Transform, fault.BadHeader)
	late := object.Object{Bucket: b.Stack.LandingBucket, Key: "shop/order/2.csv", Version: "v1"}
	var told []object.ID
	entries, err := b.Wait(ctx, []object.ID{late.ID(), failed.ID()}, func(e journal.Entry) {
		if told = append(told, e.ID); e.ID != failed.ID() {
			return
		}
		if _, err := b.stages.Receive(ctx, late, "shop.order"); err != nil {
			t.Error(err)
		}
		if err := b.stages.Loaded(ctx, late.ID(), journal.Load{LoadID: "l", Rows: 3}); err != nil {
			t.Error(err)
		}
	})
	if err != nil || len(entries) != 2 || entries[0].State != journal.Loaded || entries[1].State != journal.Failed {
		t.Errorf("Wait = %+v, %v", entries, err)
	}
	if !slices.Equal(told, []object.ID{failed.ID(), late.ID()}) {
		t.Errorf("told %v, want each once", told)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	failed := b.failed(t, "shop/order/1.csv", "shop.order", work.Transform, fault.BadHeader)
	stays := b.received(t, "shop/order/2.csv", "shop.order")
	over := errors.New("not settled within a moment")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	entries, err := b.Wait(ctx, []object.ID{failed.ID(), stays.ID()}, func(journal.Entry) { time.AfterFunc(20*time.Millisecond, func() { cancel(over) }) })
	if want := "1 of 2 objects are not settled: " + over.Error(); message(err) != want || !errors.Is(err, over) {
		t.Errorf("Wait = %v, want %q", err, want)
	}
	if len(entries) != 2 || entries[0].State != journal.Failed {
		t.Errorf("Wait = %+v, want what is known", entries)
	}
}
