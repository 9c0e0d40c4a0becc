//go:build standin

package journal_test

import (
	"slices"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// TestGlueRunKeepsClaimUntilItsEnd: from the manifest to the end of the run no other
// worker gets the object. A repeated message gets the manifest.
func TestGlueRunKeepsClaimUntilItsEnd(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	if _, claimed, err := b.start(t.Context(), o, "m1"); err != nil || !claimed {
		t.Fatalf("claimed %t, %v", claimed, err)
	}
	if assigned, err := b.Assign(t.Context(), o.ID(), "m2", "one"); err != nil || assigned {
		t.Errorf("Assign by another owner = %t, %v", assigned, err)
	}
	if assigned, err := b.Assign(t.Context(), o.ID(), "m1", "one"); err != nil || !assigned {
		t.Fatalf("assigned %t, %v", assigned, err)
	}
	if entry, claimed, err := b.start(t.Context(), o, "m1"); err != nil || !claimed || entry.Manifest != "one" || entry.Run != "" {
		t.Errorf("the repeated message got %+v, %t, %v", entry, claimed, err)
	}
	if err := b.SetRun(t.Context(), o.ID(), "other", "jr_0"); err != nil || b.get(t, o).Run != "" {
		t.Errorf("the run of another manifest was recorded: %v", err)
	}
	if err := b.SetRun(t.Context(), o.ID(), "one", "jr_1"); err != nil || b.get(t, o).Run != "jr_1" {
		t.Errorf("run %q, %v", b.get(t, o).Run, err)
	}
	b.advance(6 * 24 * time.Hour)
	for _, owner := range []string{"m1", "m2"} {
		if _, claimed, err := b.start(t.Context(), o, owner); err != nil || claimed {
			t.Errorf("%s claimed an object of a run: %t, %v", owner, claimed, err)
		}
	}
	if moved, err := b.Reassign(t.Context(), o.ID(), "other", "two"); err != nil || moved {
		t.Errorf("Reassign from another manifest = %t, %v", moved, err)
	}
	if moved, err := b.Reassign(t.Context(), o.ID(), "one", "two"); err != nil || !moved {
		t.Errorf("moved %t, %v", moved, err)
	}
	if entry := b.get(t, o); entry.Manifest != "two" || entry.Run != "" || entry.Attempts != 3 {
		t.Errorf("entry %+v", entry)
	}
	if _, err := b.transformed(t.Context(), o, "01"); err != nil {
		t.Fatal(err)
	}
	if moved, err := b.Reassign(t.Context(), o.ID(), "two", "three"); err != nil || moved {
		t.Errorf("a transformed object moved: %t, %v", moved, err)
	}
}

// TestReleaseClearsManifest: after a release the next delivery makes a new manifest.
func TestReleaseClearsManifest(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	_, _, err := b.start(t.Context(), o, "m1")
	if err == nil {
		_, err = b.Assign(t.Context(), o.ID(), "m1", "one")
	}
	if err == nil {
		err = b.Release(t.Context(), o.ID(), "m1")
	}
	if entry := b.get(t, o); err != nil || entry.Manifest != "" || entry.State != journal.Received || entry.Attempts != 0 {
		t.Errorf("entry %+v, %v", entry, err)
	}
}

// TestEachStuckFindsObjectsWithoutProgress: a new start of a transform isn't progress, and
// a new manifest is.
func TestEachStuckFindsObjectsWithoutProgress(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.advance(-365 * 24 * time.Hour) // before all writes of other tests
	old, retried, other := b.receivedObject(t), b.receivedObject(t), b.receivedObject(t)
	for _, o := range []object.Object{old, retried, other} {
		if _, claimed, err := b.start(t.Context(), o, "m"); err != nil || !claimed {
			t.Fatalf("claimed %t, %v", claimed, err)
		}
	}
	b.advance(time.Hour)
	if err := b.Release(t.Context(), retried.ID(), "m"); err != nil {
		t.Fatal(err)
	}
	if _, claimed, err := b.start(t.Context(), retried, "m"); err != nil || !claimed {
		t.Fatalf("claimed %t, %v", claimed, err)
	}
	if assigned, err := b.Assign(t.Context(), other.ID(), "m", "manifest"); err != nil || !assigned {
		t.Fatalf("assigned %t, %v", assigned, err)
	}
	stuck, err := b.stuck(t, journal.Transforming, b.clock().Add(-time.Minute))
	if err != nil || len(stuck) != 2 || !containsObject(stuck, old) || !containsObject(stuck, retried) {
		t.Errorf("stuck %v, %v", stuck, err)
	}
	stuck, err = b.stuck(t, journal.Transforming, b.clock().Add(time.Minute))
	mine := func(e journal.Entry) bool { return e.Dataset == b.dataset }
	if err != nil || !slices.ContainsFunc(stuck, mine) || len(stuck) < 3 {
		t.Errorf("stuck %v, %v", stuck, err)
	}
}
