//go:build standin

package operator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	o := f.received(t, "shop/order/a b+c.csv", "shop.order")
	for _, name := range []string{o.URI(), string(o.ID())} {
		if entry, err := f.Status(ctx, name); err != nil || entry.ID != o.ID() || entry.State != journal.Received {
			t.Errorf("Status(%s) = %+v, %v", name, entry, err)
		}
	}
	unknown := object.Object{Bucket: "b", Key: "k"}
	for name, want := range map[string]string{
		"s3://b/k":           "the journal has no entry of s3://b/k: was the object put into the landing bucket " + f.Stack.LandingBucket + "?",
		string(unknown.ID()): "the journal has no entry of " + string(unknown.ID()) + ": was the object put into the landing bucket " + f.Stack.LandingBucket + "?",
		"shop/order/a":       `"shop/order/a" is no object: write s3://bucket/key`,
		"s3://bucket":        `"s3://bucket" is no object: write s3://bucket/key`,
		"":                   `"" is no object: write s3://bucket/key`,
	} {
		if _, err := f.Status(ctx, name); message(err) != want {
			t.Errorf("Status(%q) = %v, want %q", name, err, want)
		}
	}
}

// TestSameBytes: the default of firn.duplicateContent loads the same bytes again, and
// the status of the second object names the first.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	first := f.received(t, "shop/order/a.csv", "shop.order")
	lost := object.Object{Bucket: "landing", Key: "shop/order/lost.csv", Version: "v1"}
	for name, want := range map[string]*journal.Entry{
		"none.csv": nil,
		"b.csv":    {ID: first.ID(), Object: first},
		"c.csv":    {ID: lost.ID()}, // the journal has no entry of the first object
	} {
		o := f.received(t, "shop/order/"+name, "shop.order")
		load := journal.Load{LoadID: "l1"}
		if want != nil {
			load.DuplicateOf = want.ID
		}
		if err := f.stages.Loaded(ctx, o.ID(), load); err != nil {
			t.Fatal(err)
		}
		entry, err := f.Status(ctx, string(o.ID()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.SameBytes(ctx, entry)
		if err != nil || (got == nil) != (want == nil) || got != nil && (got.ID != want.ID || got.Object.URI() != want.Object.URI()) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
		}
	}
}

// TestStatusOfKeyIsNewestVersion: the status of a key is the status of the newest
// version. The status of an id is the status of that version.
func TestStatusOfKeyIsNewestVersion(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	version := func(name, sequencer string) object.Object {
		o := object.Object{Bucket: "landing", Key: "shop/order/a.csv", Version: name, Sequencer: object.NormalizeSequencer(sequencer)}
		if _, err := f.stages.Receive(ctx, o, "shop.order"); err != nil {
			t.Fatal(err)
		}
		return o
	}
	newer := version("v2", "2")
	older := version("v1", "1") // a late event
	if entry, err := f.Status(ctx, newer.URI()); err != nil || entry.ID != newer.ID() {
		t.Errorf("by key: %s, %v", entry.Object.Version, err)
	}
	if entry, err := f.Status(ctx, string(older.ID())); err != nil || entry.ID != older.ID() {
		t.Errorf("by id: %s, %v", entry.Object.Version, err)
	}
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	want := []operator.Summary{
		{Dataset: "shop.customer"},
		{Dataset: "shop.item"},
		{Dataset: "shop.order"},
		{Dataset: "shop.visit"},
		{Dataset: "station.event"},
	}
	check := func(when string) {
		t.Helper()
		got, err := f.Summaries(ctx, time.Now())
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
			if w := got[i].OldestWait; w != nil {
				got[i].OldestWait = &operator.Wait{ID: w.ID, State: w.State}
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("nothing happened")
	waits := f.received(t, "shop/order/1.csv", "shop.order")
	f.transformed(t, waits, "shop.order")
	moves := f.received(t, "shop/item/1.csv", "shop.item")
	header := f.failed(t, "shop/order/2.csv", "shop.order", work.Transform, fault.BadHeader)
	unclaimed := f.failed(t, "unclaimed.csv", "", work.Route, fault.NoDataset)
	want[1].ToTransform, want[1].OldestWait = 1, &operator.Wait{ID: moves.ID(), State: journal.Received}
	want[2].Waiting, want[2].OldestWait = 1, &operator.Wait{ID: waits.ID(), State: journal.Transformed}
	want[2].Failed = []journal.Entry{{ID: header.ID(), Code: "bad_header"}}
	want[2].FailedByCode = []operator.FailedCode{{Code: "bad_header", Objects: 1, Command: "firn redrive " + string(header.ID())}}
	want = append(want, operator.Summary{
		Failed:       []journal.Entry{{ID: unclaimed.ID(), Code: "no_dataset"}},
		FailedByCode: []operator.FailedCode{{Code: "no_dataset", Objects: 1, Command: "firn redrive " + string(unclaimed.ID())}},
	})
	check("one waits for each stage, one failed, one failed without a contract")
	for i, needs := range []bool{false, false, true, false, false, true} {
		if want[i].NeedsPerson() != needs {
			t.Errorf("%q needs a person: %t", want[i].Dataset, want[i].NeedsPerson())
		}
	}
}

// TestSummaryDescribesWaitsAndLastLoad: a paused dataset, a wait that is too long for a
// mail, and the newest five of seven failures.
func TestSummaryDescribesWaitsAndLastLoad(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	began := time.Now()
	paused := f.received(t, "shop/order/1.csv", "shop.order")
	f.transformed(t, paused, "shop.order")
	late := f.received(t, "shop/order/2.csv", "shop.order")
	for o, code := range map[object.Object]fault.Code{paused: fault.DatasetPaused, late: fault.AccessDenied} {
		delay := fault.Dependency("test", code, errors.New("because of "+string(code)))
		delay.ObjectID = string(o.ID())
		if err := f.stages.Delayed(ctx, delay, "load", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	var failed []object.Object
	for i := range 7 {
		failed = append(failed, f.failed(t, fmt.Sprintf("shop/order/failed-%d.csv", i), "shop.order", work.Transform, fault.BadHeader))
	}
	loads := []journal.Volume{{ID: "a", Key: "a.csv", LoadedAt: began, Read: 1}, {ID: "b", Key: "b.csv", LoadedAt: began, Read: 9, Rejected: 2}}
	if err := f.stages.AddVolumes(ctx, "shop.order", loads); err != nil {
		t.Fatal(err)
	}
	got, err := f.Summary(ctx, "shop.order", began.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Paused || got.Waiting != 1 || got.ToTransform != 1 || got.WaitsTooLong != 1 || !got.NeedsPerson() {
		t.Errorf("summary %+v", got)
	}
	if w := got.OldestWait; w == nil || w.ID != late.ID() && w.ID != paused.ID() || w.Tries != 1 || w.NextTry.IsZero() || !strings.HasPrefix(w.Cause, "because of ") {
		t.Errorf("oldest wait %+v", w)
	}
	if l := got.LastLoad; l == nil || l.ID != "b" || l.RowsRead != 9 || l.RowsRejected != 2 {
		t.Errorf("last load %+v", l)
	}
	want := []operator.FailedCode{{Code: fault.BadHeader, Objects: 7, Command: "firn redrive --dataset shop.order --code bad_header"}}
	if diff := cmp.Diff(want, got.FailedByCode); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if len(got.Failed) != 5 || got.Failed[0].ID != failed[6].ID() || got.Failed[4].ID != failed[2].ID() {
		t.Errorf("newest failures %+v", got.Failed)
	}
	if _, err := f.Summary(ctx, "shop.ordr", began); message(err) != `no contract for dataset "shop.ordr": name one of shop.customer, shop.item, shop.order, shop.visit, station.event` {
		t.Errorf("unknown dataset: %v", err)
	}
}

// TestSummariesHaveNewColumnsWithoutKnownOnes: the contract of shop.order has "state" by
// now.
func TestSummariesHaveNewColumnsWithoutKnownOnes(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	owner := work.NewColumn{Name: "owner", Object: "s3://landing/shop/order/1.csv"}
	n := work.NewColumns{Dataset: "shop.order", Columns: []work.NewColumn{owner}, More: 2}
	check := func(when string, want operator.Summary) {
		t.Helper()
		got, err := f.Summaries(ctx, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, operator.Summary{Dataset: got[2].Dataset, NewColumns: got[2].NewColumns, MoreNewColumns: got[2].MoreNewColumns}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("without a report", operator.Summary{Dataset: "shop.order"})
	for _, step := range []struct {
		name string
		n    work.NewColumns
		want operator.Summary
	}{
		{"new columns", n, operator.Summary{Dataset: "shop.order", NewColumns: []work.NewColumn{owner}, MoreNewColumns: 2}},
		{
			"a known column",
			work.NewColumns{Dataset: "shop.order", Columns: []work.NewColumn{{Name: "state"}, owner}, More: 2},
			operator.Summary{Dataset: "shop.order", NewColumns: []work.NewColumn{owner}},
		},
	} {
		if _, err := f.stages.ClaimNewColumns(ctx, step.n.Dataset, "alert"); err != nil {
			t.Fatal(err)
		}
		if recorded, err := f.stages.RecordNewColumns(ctx, step.n, "alert"); !recorded || err != nil {
			t.Fatalf("record: %t, %v", recorded, err)
		}
		check(step.name, step.want)
	}
}

// TestWaitReturnsEntriesInOrder settles the second object after the report of the
// first, so Wait must read the journal again. At the start, the journal has no entry of
// the second object.
func TestWaitReturnsEntriesInOrder(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	failed := f.failed(t, "shop/order/1.csv", "shop.order", work.Transform, fault.BadHeader)
	late := object.Object{Bucket: f.Stack.LandingBucket, Key: "shop/order/2.csv", Version: "v1"}
	var reported []object.ID
	entries, err := f.Wait(ctx, []object.ID{late.ID(), failed.ID()}, func(e journal.Entry) {
		if reported = append(reported, e.ID); e.ID != failed.ID() {
			return
		}
		if _, err := f.stages.Receive(ctx, late, "shop.order"); err != nil {
			t.Error(err)
		}
		if err := f.stages.Loaded(ctx, late.ID(), journal.Load{LoadID: "l", Rows: 3}); err != nil {
			t.Error(err)
		}
	})
	if err != nil || len(entries) != 2 || entries[0].State != journal.Loaded || entries[1].State != journal.Failed {
		t.Errorf("Wait = %+v, %v", entries, err)
	}
	if !slices.Equal(reported, []object.ID{failed.ID(), late.ID()}) {
		t.Errorf("reported %v, want each object once", reported)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	failed := f.failed(t, "shop/order/1.csv", "shop.order", work.Transform, fault.BadHeader)
	stays := f.received(t, "shop/order/2.csv", "shop.order")
	tooLate := errors.New("not settled within a moment")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	entries, err := f.Wait(ctx, []object.ID{failed.ID(), stays.ID()}, func(journal.Entry) { time.AfterFunc(20*time.Millisecond, func() { cancel(tooLate) }) })
	if want := "1 of 2 objects are not settled: " + tooLate.Error(); message(err) != want || !errors.Is(err, tooLate) {
		t.Errorf("Wait = %v, want %q", err, want)
	}
	if len(entries) != 2 || entries[0].State != journal.Failed {
		t.Errorf("Wait = %+v, want the entries read so far", entries)
	}
}

// TestNeedsPerson: an ingestion run needs a person only after its failure.
func TestNeedsPerson(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		summary operator.Summary
		want    bool
	}{
		{"nothing", operator.Summary{}, false},
		{"failed objects", operator.Summary{FailedByCode: []operator.FailedCode{{Code: fault.BadHeader, Objects: 1}}}, true},
		{"a held delivery", operator.Summary{Held: []work.HeldDelivery{{Name: "2026-01-31"}}}, true},
		{"a wait", operator.Summary{Waiting: 1, OldestWait: &operator.Wait{}}, false},
		{"a long wait", operator.Summary{Waiting: 1, WaitsTooLong: 1}, true},
		{"ordered and waiting runs", operator.Summary{Runs: []journal.Run{{State: journal.RunOrdered}, {State: journal.RunWaiting}}}, false},
		{"a failed run beside an ordered run", operator.Summary{Runs: []journal.Run{{State: journal.RunOrdered}, {State: journal.RunFailed}}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := test.summary.NeedsPerson(); got != test.want {
				t.Errorf("NeedsPerson = %t, want %t", got, test.want)
			}
		})
	}
}
