//go:build standin

package journal_test

import (
	"slices"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// TestClaimForSweepGrantsOneClaim follows the claims of sweeps over time. Each step is
// a claim by a message after a time, with the expected result.
func TestClaimForSweepGrantsOneClaim(t *testing.T) {
	t.Parallel()
	const gap = 15 * time.Minute
	b := newFixture(t)
	o := b.receivedObject(t)
	for i, step := range []struct {
		after    time.Duration
		claimant string
		want     bool
		sweeps   int
	}{
		{0, "m1", true, 1},
		{time.Second, "m1", true, 1}, // a redelivery isn't counted
		{time.Second, "m2", false, 1},
		{gap, "m2", true, 2},
		{0, "m1", false, 2},
		{gap, "m2", true, 3}, // so late a redelivery counts
	} {
		b.advance(step.after)
		entry := b.get(t, o)
		after, claimed, err := b.ClaimForSweep(t.Context(), entry, step.claimant, b.Now().Add(-gap))
		if err != nil || claimed != step.want || after.SweepCount != step.sweeps {
			t.Errorf("step %d: ClaimForSweep = %d sweeps, %t, %v; want %d, %t", i, after.SweepCount, claimed, err, step.sweeps, step.want)
		}
		if after.State != journal.Received || !after.Times[journal.Received].Equal(entry.Times[journal.Received]) {
			t.Errorf("step %d: the claim changed the state: %+v", i, after)
		}
	}
	stuck, err := b.stuck(t, journal.Received, b.Now())
	if err != nil || !slices.ContainsFunc(stuck, func(e journal.Entry) bool { return e.ID == o.ID() && e.SweepCount == 3 }) {
		t.Errorf("the object isn't in the index with 3 sweeps: %v", err)
	}
}

// TestClaimForSweepOfChangedEntryIsRefused: a claim with an entry from before the last
// change is refused, also in the same state.
func TestClaimForSweepOfChangedEntryIsRefused(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	before := b.get(t, o)
	b.advance(time.Second)
	if _, _, err := b.start(t.Context(), o, "m1"); err != nil {
		t.Fatal(err)
	}
	started := b.get(t, o)
	b.advance(time.Second)
	if _, _, err := b.start(t.Context(), o, "m1"); err != nil {
		t.Fatal(err)
	}
	for _, e := range []journal.Entry{before, started} {
		if after, claimed, err := b.ClaimForSweep(t.Context(), e, "m2", b.Now()); err != nil || claimed || after.State != journal.Transforming || after.SweepCount != 0 {
			t.Errorf("%s: ClaimForSweep = %+v, %t, %v", e.State, after, claimed, err)
		}
	}
}

// TestSweepCountRestartsAfterProgress: a receipt, a redrive and a reload set the count
// to 0.
func TestSweepCountRestartsAfterProgress(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(*testing.T, *fixture, journal.Entry) error{
		"receipt": func(t *testing.T, b *fixture, e journal.Entry) error {
			_, err := b.transformed(t.Context(), e.Object, "01")
			return err
		},
		"redrive": func(t *testing.T, b *fixture, e journal.Entry) error {
			if _, err := b.fail(t.Context(), e.Object, work.Transform, fault.Stuck); err != nil {
				return err
			}
			_, err := b.Redrive(t.Context(), e.ID)
			return err
		},
		"reload": func(t *testing.T, b *fixture, e journal.Entry) error {
			if _, err := b.fail(t.Context(), e.Object, work.Transform, fault.Stuck); err != nil {
				return err
			}
			_, err := b.Reload(t.Context(), e.ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			o := b.receivedObject(t)
			entry, claimed, err := b.ClaimForSweep(t.Context(), b.get(t, o), "m1", b.Now())
			if err != nil || !claimed || entry.LastSweepAt.IsZero() {
				t.Fatalf("ClaimForSweep = %+v, %t, %v", entry, claimed, err)
			}
			if err := move(t, b, entry); err != nil {
				t.Fatal(err)
			}
			if after := b.get(t, o); after.SweepCount != 0 || !after.LastSweepAt.IsZero() {
				t.Errorf("entry %+v", after)
			}
		})
	}
}

func TestSweptUntilOnlyMovesForward(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i, step := range []struct{ set, want time.Time }{
		{noon, noon}, {noon.Add(-time.Hour), noon}, {noon.Add(time.Hour), noon.Add(time.Hour)},
	} {
		if err := b.SetSweptUntil(t.Context(), step.set); err != nil {
			t.Fatal(err)
		}
		if got, err := b.SweptUntil(t.Context()); err != nil || !got.Equal(step.want) {
			t.Errorf("step %d: swept until %s, %v; want %s", i, got, err, step.want)
		}
	}
}
