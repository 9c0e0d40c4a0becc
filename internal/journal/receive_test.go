//go:build standin

package journal_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func TestSecondReceiveReturnsSameEntry(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("a b+c=%é.csv", "0055AED6DCD90281E5")
	first, err := b.Receive(ctx, o, b.dataset)
	if err != nil || first.State != journal.Received || first.Object != o || first.Dataset != b.dataset {
		t.Fatalf("Receive = %+v, %v", first, err)
	}
	b.advance(1e9)
	second, err := b.Receive(ctx, o, "another.dataset")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second Receive changes the entry (-first +second):\n%s", diff)
	}
}

// TestLaterReceiveSetsMissingDataset: an object had no contract at the first event.
// After a deployment of the contract, the object gets the dataset.
func TestLaterReceiveSetsMissingDataset(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("a.csv", "")
	if entry, err := b.Receive(ctx, o, ""); err != nil || entry.Dataset != "" {
		t.Fatalf("Receive = %q, %v", entry.Dataset, err)
	}
	if _, err := b.fail(ctx, o, work.Route, fault.NoDataset); err != nil {
		t.Fatal(err)
	}
	// The event comes again, but only a redrive ends the state Failed.
	if entry, err := b.Receive(ctx, o, b.dataset); err != nil || entry.State != journal.Failed || entry.Dataset != "" {
		t.Errorf("Receive of a failed object = %s, dataset %q, %v; want failed without dataset", entry.State, entry.Dataset, err)
	}
	if _, err := b.Redrive(ctx, o.ID()); err != nil {
		t.Fatal(err)
	}
	if entry, err := b.Receive(ctx, o, b.dataset); err != nil || entry.Dataset != b.dataset || entry.State != journal.Received {
		t.Errorf("Receive = %s, dataset %q, %v; want received, dataset %q", entry.State, entry.Dataset, err, b.dataset)
	}
	if _, err := b.transformed(ctx, o, "first"); err != nil {
		t.Fatal(err)
	}
	if waiting, err := b.Waiting(ctx, b.dataset, 10); err != nil || len(waiting) != 1 {
		t.Errorf("Waiting = %d entries, %v; want 1", len(waiting), err)
	}
}

func TestIgnore(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.object("folder/", "1")
	if err := b.Ignore(t.Context(), o, "a folder marker"); err != nil {
		t.Fatal(err)
	}
	entry, err := b.Newest(t.Context(), o.Bucket, o.Key)
	if err != nil || entry.State != journal.Ignored || entry.Reason != "a folder marker" || entry.ID != o.ID() {
		t.Errorf("Newest = %+v, %v", entry, err)
	}
}

// TestNewest receives versions of one key in some order. want is the place of the
// newest version in the order.
func TestNewest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		sequencers []string
		want       int
	}{
		{"in order", []string{"10", "11", "12"}, 2},
		{"in reverse", []string{"12", "11", "10"}, 0},
		{"mixed", []string{"11", "12", "10"}, 1},
		{"by length, not by text", []string{"0A", "9"}, 0},
		{"a longer text is later", []string{"FF", "100"}, 1},
		{"from a listing, after an event", []string{"10", ""}, 0},
		{"from a listing, before an event", []string{"", "10"}, 1},
		{"only from listings", []string{"", ""}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, ctx := newFixture(t), t.Context()
			ids := make([]object.ID, len(test.sequencers))
			key := ""
			for i, sequencer := range test.sequencers {
				o := b.object("a.csv", sequencer)
				ids[i], key = o.ID(), o.Key
				for range 2 { // each event comes twice
					if _, err := b.Receive(ctx, o, b.dataset); err != nil {
						t.Fatal(err)
					}
				}
			}
			entry, err := b.Newest(ctx, bucket, key)
			if err != nil || entry.ID != ids[test.want] {
				t.Errorf("Newest = sequencer %q, %v; want %q", entry.Object.Sequencer, err, test.sequencers[test.want])
			}
		})
	}
}

func TestUnknownObjectIsNotFound(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("unknown.csv", "")
	if _, err := b.Get(ctx, o.ID()); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Get = %v", err)
	}
	if _, err := b.Newest(ctx, o.Bucket, o.Key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Newest = %v", err)
	}
	if _, err := b.Redrive(ctx, o.ID()); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Redrive = %v", err)
	}
	if err := b.Loaded(ctx, o.ID(), journal.Load{}); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Loaded = %v", err)
	}
	if err := b.Superseded(ctx, o.ID(), "x"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Superseded = %v", err)
	}
	if _, err := b.transformed(ctx, o, "first"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Transformed = %v", err)
	}
}
