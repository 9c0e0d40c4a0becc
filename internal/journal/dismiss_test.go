//go:build standin

package journal_test

import (
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func (b *fixture) dismiss(t *testing.T, o object.Object, by, reason string) bool {
	t.Helper()
	_, dismissed, err := b.Dismiss(t.Context(), o.ID(), journal.Dismissal{By: by, Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return dismissed
}

// TestDismissKeepsFaultAndFirstReason: a second dismissal changes nothing, and a redrive
// removes person and reason.
func TestDismissKeepsFaultAndFirstReason(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInState(t, b, journal.Failed)
	if first, second := b.dismiss(t, o, "ann", "not wanted"), b.dismiss(t, o, "bob", "another reason"); !first || second {
		t.Errorf("Dismiss = %t, %t; want true, false", first, second)
	}
	got := b.get(t, o)
	if got.State != journal.Dismissed || got.DismissedBy != "ann" || got.Reason != "not wanted" || got.Code != string(fault.BadHeader) || !got.Done(0) {
		t.Errorf("entry %+v", got)
	}
	if redrive := b.redrive(t, o); redrive.Stage != work.Transform || redrive.Before.State != journal.Dismissed {
		t.Errorf("redrive %+v", redrive)
	}
	if got := b.get(t, o); got.State != journal.Received || got.DismissedBy+got.Reason+got.Code != "" || got.Redrives != 1 {
		t.Errorf("entry after the redrive %+v", got)
	}
}

// TestDismissedWaitIsDoneForEveryMessage: the table of a transformed object stays hidden,
// and a person gives the object up. No later message or receipt continues the object.
func TestDismissedWaitIsDoneForEveryMessage(t *testing.T) {
	t.Parallel()
	for _, state := range []journal.State{journal.Received, journal.Transforming, journal.Transformed} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b, ctx := newFixture(t), t.Context()
			o := objectInState(t, b, state)
			if !b.dismiss(t, o, "ann", "the table stays hidden") {
				t.Fatal("not dismissed")
			}
			if _, claimed, err := b.start(ctx, o, "m1"); err != nil || claimed {
				t.Errorf("Start = %t, %v", claimed, err)
			}
			if entry, err := b.transformed(ctx, o, "second"); err != nil || entry.State != journal.Dismissed {
				t.Errorf("Transformed: %s, %v", entry.State, err)
			}
			if recorded, err := b.fail(ctx, o, work.Load, fault.Crashed); err != nil || recorded {
				t.Errorf("Fail = %t, %v", recorded, err)
			}
			entry := b.get(t, o)
			if entry.State != journal.Dismissed || !entry.Done(0) {
				t.Errorf("entry %+v", entry)
			}
			checkIndexes(t, b, entry)
			if redrive := b.redrive(t, o); redrive.Stage != work.Transform {
				t.Errorf("redrive %+v", redrive)
			}
		})
	}
}

// TestDismissedReloadKeepsEarlierRows: the rows of the earlier generation are in the
// table, and the next reload adds a generation.
func TestDismissedReloadKeepsEarlierRows(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInReload(t, b, journal.Failed)
	b.dismiss(t, o, "ann", "the rows of before are enough")
	if entry := b.get(t, o); !entry.KeepsEarlierRows() || entry.LoadID != "l1" {
		t.Errorf("entry %+v", entry)
	}
	if reload := b.reload(t, o); reload.Generation != 2 || reload.Work == nil || b.get(t, o).DismissedBy != "" {
		t.Errorf("reload %+v; entry %+v", reload, b.get(t, o))
	}
}
