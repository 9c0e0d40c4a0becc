//go:build standin

package operator_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

// dismissAll runs a dismissal and returns the reported objects by key.
func (f *fixture) dismissAll(t *testing.T, d operator.Dismiss) map[string]operator.Dismissed {
	t.Helper()
	d.By = "ann"
	reported := make(map[string]operator.Dismissed)
	if err := f.Dismiss(t.Context(), d, func(one operator.Dismissed) { reported[one.Object.Key] = one }); err != nil {
		t.Fatal(err)
	}
	return reported
}

// TestDismissNamedObjects dismisses a failed and a waiting object. A loaded object is
// refused. The second call changes nothing, and a redrive works again.
func TestDismissNamedObjects(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	failed := f.failed(t, "shop/order/1.csv", orders, work.Transform, fault.BadHeader)
	waiting := f.received(t, "shop/order/2.csv", orders)
	f.transformed(t, waiting, orders)
	loaded := f.loaded(t, "shop/order/3.csv")
	asked := operator.Dismiss{Objects: []string{failed.URI(), string(waiting.ID()), loaded.URI()}, Reason: "not wanted"}
	for _, before := range []bool{false, true} {
		want := map[string]operator.Dismissed{
			failed.Key:  {ID: failed.ID(), Object: failed, Dataset: orders, Before: before},
			waiting.Key: {ID: waiting.ID(), Object: waiting, Dataset: orders, Before: before},
			loaded.Key:  {ID: loaded.ID(), Object: loaded, Dataset: orders, Refused: "the object is loaded: `firn withdraw` removes its rows"},
		}
		if diff := cmp.Diff(want, f.dismissAll(t, asked)); diff != "" {
			t.Errorf("dismissed before %t: reported (-want +got):\n%s", before, diff)
		}
	}
	for _, o := range []object.Object{failed, waiting} {
		if entry, err := f.Journal.Get(ctx, o.ID()); err != nil || entry.State != journal.Dismissed || entry.DismissedBy != "ann" || entry.Reason != "not wanted" {
			t.Errorf("entry %+v, %v", entry, err)
		}
		if redriven, err := f.Redrive(ctx, o.URI()); err != nil || redriven.Outcome != operator.WasRedriven {
			t.Errorf("Redrive of %s = %s, %v", o.Key, redriven.Outcome, err)
		}
	}
	if sent := f.takeTransformWork(t); len(sent) != 2 {
		t.Errorf("sent %+v", sent)
	}
}

// TestDismissOfCodeTakesOnlyFailedObjects: an object on its way keeps its state.
func TestDismissOfCodeTakesOnlyFailedObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	one := f.failed(t, "shop/order/1.csv", orders, work.Transform, fault.BadHeader)
	f.failed(t, "shop/order/2.csv", orders, work.Transform, fault.TooManyRejects)
	moving := f.failed(t, "shop/order/3.csv", orders, work.Transform, fault.BadHeader)
	if _, err := f.Redrive(t.Context(), moving.URI()); err != nil {
		t.Fatal(err)
	}
	unclaimed := f.failed(t, "unclaimed/5.csv", "", work.Route, fault.NoDataset)
	for _, step := range []struct {
		asked operator.Dismiss
		want  map[string]operator.Dismissed
	}{
		{operator.Dismiss{Dataset: orders, Code: fault.BadHeader}, map[string]operator.Dismissed{one.Key: {ID: one.ID(), Object: one, Dataset: orders}}},
		{operator.Dismiss{Dataset: orders, Code: fault.BadHeader}, map[string]operator.Dismissed{}},
		{operator.Dismiss{Code: fault.NoDataset}, map[string]operator.Dismissed{unclaimed.Key: {ID: unclaimed.ID(), Object: unclaimed}}},
	} {
		step.asked.Reason = "not wanted"
		if diff := cmp.Diff(step.want, f.dismissAll(t, step.asked)); diff != "" {
			t.Errorf("%+v: reported (-want +got):\n%s", step.asked, diff)
		}
	}
}

// lateJournal lists an object as failed, although another command has redriven the
// object since.
type lateJournal struct {
	operator.Journal

	failed []journal.Entry
}

func (j lateJournal) Failed(context.Context, string, fault.Code) ([]journal.Entry, error) {
	return j.failed, nil
}

func TestDismissBesideRedriveKeepsObject(t *testing.T) {
	t.Parallel()
	f, ctx := newFixture(t), t.Context()
	o := f.failed(t, "shop/order/1.csv", orders, work.Transform, fault.BadHeader)
	entry, err := f.Journal.Get(ctx, o.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redrive(ctx, o.URI()); err != nil {
		t.Fatal(err)
	}
	f.Journal = lateJournal{Journal: f.Journal, failed: []journal.Entry{entry}}
	const want = "the object is received again: another command redrove the object"
	if got := f.dismissAll(t, operator.Dismiss{Dataset: orders, Code: fault.BadHeader, Reason: "r"})[o.Key]; got.Refused != want {
		t.Errorf("reported %+v, want %q", got, want)
	}
}

// brokenJournal refuses the dismissal of one object, after the dismissal of another object.
type brokenJournal struct {
	operator.Journal

	first, broken object.ID
	done          chan struct{}
}

func (j brokenJournal) Dismiss(ctx context.Context, id object.ID, d journal.Dismissal) (journal.Entry, bool, error) {
	switch id {
	case j.broken:
		<-j.done
		return journal.Entry{}, false, errors.New("no answer")
	case j.first:
		defer close(j.done)
	}
	return j.Journal.Dismiss(ctx, id, d)
}

func TestDismissReportsFinishedObjectsBeforeError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.failed(t, "shop/order/1.csv", orders, work.Transform, fault.BadHeader)
	broken := f.failed(t, "shop/order/2.csv", orders, work.Transform, fault.BadHeader)
	f.Journal = brokenJournal{Journal: f.Journal, first: first.ID(), broken: broken.ID(), done: make(chan struct{})}
	var reported []operator.Dismissed
	err := f.Dismiss(t.Context(), operator.Dismiss{Objects: []string{first.URI(), broken.URI()}, By: "ann", Reason: "r"}, func(d operator.Dismissed) {
		reported = append(reported, d)
	})
	if want := "no answer (run the command again)"; message(err) != want {
		t.Errorf("Dismiss = %v, want %q", err, want)
	}
	if diff := cmp.Diff([]operator.Dismissed{{ID: first.ID(), Object: first, Dataset: orders}}, reported); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
}

func TestDismissRefusesMistakes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, test := range []struct {
		asked operator.Dismiss
		want  string
	}{
		{operator.Dismiss{Dataset: orders, Code: fault.BadHeader, Reason: " "}, "a dismissal needs a reason"},
		{operator.Dismiss{Dataset: orders, Code: fault.BadHeader, Reason: strings.Repeat("ä", 1001)}, "the reason has more than 1000 characters"},
		{operator.Dismiss{Dataset: orders, Reason: "r"}, "name objects, or a dataset and a code"},
		{operator.Dismiss{Dataset: "shop.ordr", Code: fault.BadHeader, Reason: "r"}, `no contract for dataset "shop.ordr": name one of ` + all},
		{operator.Dismiss{Dataset: orders, Code: "bad_heder", Reason: "r"}, `no fault has the code "bad_heder": docs/runbook.md lists all codes`},
		{operator.Dismiss{Objects: []string{"s3://b/never"}, Reason: "r"}, "the journal has no entry of s3://b/never: was the object put into the landing bucket " + f.Stack.LandingBucket + "?"},
	} {
		err := f.Dismiss(t.Context(), test.asked, func(d operator.Dismissed) { t.Errorf("reported %+v", d) })
		if message(err) != test.want {
			t.Errorf("Dismiss %+v: %v, want %q", test.asked, err, test.want)
		}
	}
}
