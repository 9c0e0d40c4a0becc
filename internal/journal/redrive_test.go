//go:build standin

package journal_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// TestRedrive fails an object in several ways, and checks the stage of the redrive.
func TestRedrive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		unclaimed bool
		receipt   bool
		stage     work.Stage
		code      fault.Code
		want      work.Stage
		state     journal.State
	}{
		{name: "transform failed", stage: work.Transform, code: fault.BadHeader, want: work.Transform, state: journal.Received},
		{name: "route refused the receipt", stage: work.Route, code: fault.TooManyRejects, want: work.Transform, state: journal.Received},
		{name: "load failed with a sound receipt", receipt: true, stage: work.Load, code: fault.DuplicateContent, want: work.Load, state: journal.Transformed},
		{name: "load failed, COPY refused the files", receipt: true, stage: work.Load, code: fault.CopyRefused, want: work.Transform, state: journal.Received},
		{name: "load failed, the receipt refuses the object", receipt: true, stage: work.Load, code: fault.TooManyRejects, want: work.Transform, state: journal.Received},
		{name: "load failed without a table", receipt: true, stage: work.Load, code: fault.TableMissing, want: work.Load, state: journal.Transformed},
		{name: "load failed, the files have other counts", receipt: true, stage: work.Load, code: fault.ReceiptMismatch, want: work.Transform, state: journal.Received},
		{name: "load failed, the receipt is deleted", receipt: true, stage: work.Load, code: fault.ReceiptMissing, want: work.Transform, state: journal.Received},
		{name: "load failed without a receipt in the journal", stage: work.Load, code: fault.Crashed, want: work.Transform, state: journal.Received},
		{name: "route failed without a contract", unclaimed: true, stage: work.Route, code: fault.NoDataset, want: work.Route, state: journal.Received},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, ctx := newFixture(t), t.Context()
			o := b.object("a.csv", "1")
			dataset := b.dataset
			if test.unclaimed {
				dataset = ""
			}
			if _, err := b.Receive(ctx, o, dataset); err != nil {
				t.Fatal(err)
			}
			wantWork := work.Work{Stage: test.want, Dataset: dataset, Object: o}
			if test.receipt {
				if _, _, err := b.start(ctx, o, "m1"); err != nil {
					t.Fatal(err)
				}
				if _, err := b.transformed(ctx, o, "first"); err != nil {
					t.Fatal(err)
				}
			}
			if test.want == work.Load {
				_, at := b.receipt(o, "first")
				wantWork.Receipt = &at
			}
			wantBody := wantWork.Encode()
			if test.unclaimed {
				wantBody = "the message" // the original failed message
			}
			if _, err := b.fail(ctx, o, test.stage, test.code); err != nil {
				t.Fatal(err)
			}
			// The second redrive is for an operator's command that was killed after the
			// write to the journal and before the send.
			var mark string
			for i := range 2 {
				got, err := b.Redrive(ctx, o.ID())
				if err != nil || got.Stage != test.want || got.Body != wantBody || got.Mark == "" || i > 0 && got.Mark != mark {
					t.Fatalf("Redrive %d: %+v, %v; want %s %s", i+1, got, err, test.want, wantBody)
				}
				mark = got.Mark
			}
			entry := b.get(t, o)
			if entry.State != test.state || entry.Redrives != 1 || entry.Attempts != 0 {
				t.Errorf("%s, %d redrives, %d attempts; want %s, 1, 0", entry.State, entry.Redrives, entry.Attempts, test.state)
			}
			if entry.Stage+entry.Code+entry.Cause+entry.Hint != "" {
				t.Errorf("the entry has the old fault: %s %s %s %s", entry.Stage, entry.Code, entry.Cause, entry.Hint)
			}
			checkIndexes(t, b, entry)
			if failed, err := b.Failed(ctx, dataset, ""); err != nil || slices.Contains(idsOf(failed), o.ID()) {
				t.Errorf("the object is still among the failed objects, %v", err)
			}
		})
	}
}

// TestRedriveOfMovedObjectHasNoMessage: another command moved the object and sent the
// message.
func TestRedriveOfMovedObjectHasNoMessage(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.receivedObject(t)
	if _, err := b.fail(ctx, o, work.Transform, fault.BadHeader); err != nil {
		t.Fatal(err)
	}
	b.redrive(t, o)
	if entry, ok, err := b.start(ctx, o, "m1"); err != nil || !ok || entry.Attempts != 1 {
		t.Fatalf("Start = %t, %d attempts, %v; want attempt 1", ok, entry.Attempts, err)
	}
	if redrive := b.redrive(t, o); redrive.Body != "" || redrive.Mark != "" || redrive.Before.State != journal.Transforming {
		t.Errorf("Redrive = %+v; want no message", redrive)
	}
	// The object fails again and gets a second redrive.
	if _, err := b.fail(ctx, o, work.Transform, fault.BadHeader); err != nil {
		t.Fatal(err)
	}
	if redrive := b.redrive(t, o); redrive.Body == "" || b.get(t, o).Redrives != 2 {
		t.Errorf("second Redrive: %+v, %d redrives", redrive, b.get(t, o).Redrives)
	}
}

// TestRedriveBesideAnotherRedrive: another command moves the object between the read and
// the write of Redrive.
func TestRedriveBesideAnotherRedrive(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInState(t, b, journal.Failed)
	var other journal.Redrive
	b.client.before = func() { other = b.redrive(t, o) }
	redrive := b.redrive(t, o)
	if redrive.Mark != other.Mark || redrive.Body != other.Body || redrive.Body == "" || b.get(t, o).Redrives != 1 {
		t.Errorf("Redrive = %+v; want the unsent message of the other command", redrive)
	}
}

// TestRedriveWithoutOriginalMessage: a person dismissed an object without a dataset before
// its failure, so the journal has no message. The redrive has an event of the object.
func TestRedriveWithoutOriginalMessage(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("a.csv", "1")
	if _, err := b.Receive(ctx, o, ""); err != nil {
		t.Fatal(err)
	}
	if _, dismissed, err := b.Dismiss(ctx, o.ID(), journal.Dismissal{By: "ann", Reason: "test"}); !dismissed || err != nil {
		t.Fatalf("Dismiss: %t, %v", dismissed, err)
	}
	for range 2 { // the second redrive is after a kill before the send
		redrive := b.redrive(t, o)
		notices, err := event.Decode(redrive.Body)
		if err != nil || redrive.Stage != work.Route || redrive.Mark == "" || len(notices) != 1 || notices[0].IsRemoval() {
			t.Fatalf("Redrive = %+v, %v", redrive, err)
		}
		if diff := cmp.Diff(o, notices[0].Object); diff != "" {
			t.Errorf("object of the event (-want +got):\n%s", diff)
		}
	}
}
