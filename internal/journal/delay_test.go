//go:build standin

package journal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// stuck returns the objects of this fixture and of other tests that EachStuck finds.
func (b *fixture) stuck(t *testing.T, state journal.State, before time.Time) ([]journal.Entry, error) {
	t.Helper()
	var entries []journal.Entry
	err := b.EachStuck(t.Context(), state, before, func(e journal.Entry) bool {
		entries = append(entries, e)
		return true
	})
	return entries, err
}

// delay records a delay of the object: the store doesn't answer, and the next try comes
// a minute later.
func (b *fixture) delay(t *testing.T, o object.Object) {
	t.Helper()
	f := fault.Dependency("read", fault.StoreAway, errors.New("no answer"))
	f.ObjectID = string(o.ID())
	if err := b.Delayed(t.Context(), f, "transform", time.Minute); err != nil {
		t.Fatal(err)
	}
}

// TestRetriesKeepTimeOfProgress starts and releases an object again and again. The time
// of progress and the order in the index stay, and each delay counts.
func TestRetriesKeepTimeOfProgress(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	arrived := b.clock()
	for range 3 {
		b.advance(time.Hour)
		if _, claimed, err := b.start(t.Context(), o, "m1"); err != nil || !claimed {
			t.Fatal(claimed, err)
		}
		if err := b.Release(t.Context(), o.ID(), "m1"); err != nil {
			t.Fatal(err)
		}
		b.delay(t, o)
	}
	entry := b.get(t, o)
	want := &journal.Delay{
		Stage: "transform", Code: fault.StoreAway, Cause: "no answer", Hint: fault.StoreAway.Hint(), Tries: 3,
		Last: b.clock().Truncate(time.Millisecond), Next: b.clock().Add(time.Minute).Truncate(time.Millisecond),
	}
	if diff := cmp.Diff(want, entry.Delay); diff != "" {
		t.Errorf("delay (-want +got):\n%s", diff)
	}
	if !entry.Progressed.Equal(arrived) || entry.State != journal.Received {
		t.Errorf("%s, progress at %s, want received at %s", entry.State, entry.Progressed, arrived)
	}
	if got := entry.LastActivity(); !got.Equal(b.clock()) {
		t.Errorf("last activity %s, want %s", got, b.clock())
	}
	stuck, err := b.stuck(t, journal.Received, arrived.Add(time.Second))
	if err != nil || !containsObject(stuck, o) {
		t.Errorf("the index has lost the object: %v", err)
	}
}

func containsObject(entries []journal.Entry, o object.Object) bool {
	for _, e := range entries {
		if e.ID == o.ID() {
			return true
		}
	}
	return false
}

// TestProgressRemovesDelay: each progress sets a new time and removes the delay.
func TestProgressRemovesDelay(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(*testing.T, *fixture, object.Object) error{
		"receipt": func(t *testing.T, b *fixture, o object.Object) error {
			_, err := b.transformed(t.Context(), o, "01")
			return err
		},
		"load": func(t *testing.T, b *fixture, o object.Object) error {
			return b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l"})
		},
		"newer version": func(t *testing.T, b *fixture, o object.Object) error {
			return b.Superseded(t.Context(), o.ID(), "newer")
		},
		"failure": func(t *testing.T, b *fixture, o object.Object) error {
			_, err := b.fail(t.Context(), o, work.Transform, fault.BadHeader)
			return err
		},
		"Glue run": func(t *testing.T, b *fixture, o object.Object) error {
			if _, _, err := b.start(t.Context(), o, "m1"); err != nil {
				return err
			}
			_, err := b.Assign(t.Context(), o.ID(), "m1", "manifest")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			o := b.receivedObject(t)
			b.advance(time.Hour)
			b.delay(t, o)
			b.advance(time.Hour)
			if err := move(t, b, o); err != nil {
				t.Fatal(err)
			}
			if e := b.get(t, o); e.Delay != nil || !e.Progressed.Equal(b.clock()) {
				t.Errorf("delay %+v, progress at %s, want none at %s", e.Delay, e.Progressed, b.clock())
			}
		})
	}
}

// TestDelayOfEndedObjectIsNotRecorded: a late fault of a loaded, failed or unknown
// object, or of no object, changes nothing.
func TestDelayOfEndedObjectIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	loaded, failed := b.receivedObject(t), b.receivedObject(t)
	if err := b.Loaded(t.Context(), loaded.ID(), journal.Load{LoadID: "l"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fail(t.Context(), failed, work.Transform, fault.BadHeader); err != nil {
		t.Fatal(err)
	}
	for _, o := range []object.Object{loaded, failed} {
		b.delay(t, o)
		if e := b.get(t, o); e.Delay != nil {
			t.Errorf("%s: delay %+v", e.State, e.Delay)
		}
	}
	b.delay(t, b.object("unknown.csv", ""))
	if err := b.Delayed(t.Context(), fault.Dependency("read", fault.StoreAway, errors.New("no answer")), "route", time.Minute); err != nil {
		t.Error(err)
	}
}

// TestDelayEndsCountOfSweeps: a try proves that the object's message isn't lost, so
// sweeps count from 0 again.
func TestDelayEndsCountOfSweeps(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	if _, claimed, err := b.ClaimForSweep(t.Context(), b.get(t, o), "m1", b.Now()); err != nil || !claimed {
		t.Fatal(claimed, err)
	}
	b.delay(t, o)
	if e := b.get(t, o); e.SweepCount != 0 || !e.LastSweepAt.IsZero() {
		t.Errorf("%d sweeps, last at %s", e.SweepCount, e.LastSweepAt)
	}
}

// TestEachStuckStopsWhenAsked reads pages of one entry and stops after the first.
func TestEachStuckStopsWhenAsked(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.client.page = 1
	for range 3 {
		b.receivedObject(t)
	}
	b.advance(time.Minute)
	calls := 0
	err := b.EachStuck(t.Context(), journal.Received, b.clock(), func(journal.Entry) bool {
		calls++
		return false
	})
	if err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
