//go:build standin

package journal_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func (b *fixture) reload(t *testing.T, o object.Object) journal.Reload {
	t.Helper()
	reload, err := b.Reload(t.Context(), o.ID())
	if err != nil {
		t.Fatal(err)
	}
	return reload
}

// TestReloadInEveryState reloads an object in each state, and repeats each possible
// reload.
func TestReloadInEveryState(t *testing.T) {
	t.Parallel()
	refusals := map[journal.State]string{
		journal.Received:     "the object is received, before the first load",
		journal.Transforming: "the object is transforming, before the first load",
		journal.Transformed:  "the object is transformed, before the first load",
		journal.Superseded:   "the object is superseded: the rows of newer replaced the object's rows",
		journal.Withdrawn:    "the object is withdrawn: put the file again",
		journal.Ignored:      "the object is ignored: a folder",
	}
	for _, state := range states {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			o := objectInState(t, b, state)
			if refusal, refused := refusals[state]; refused {
				want := journal.Reload{Refused: refusal}
				if diff := cmp.Diff(want, b.reload(t, o)); diff != "" {
					t.Errorf("reload (-want +got):\n%s", diff)
				}
				return
			}
			next := &work.Work{Stage: work.Transform, Dataset: b.dataset, Object: o, Generation: 1}
			first := b.reload(t, o)
			if diff := cmp.Diff(journal.Reload{Generation: 1, Work: next, Mark: first.Mark}, first); diff != "" || first.Mark == "" {
				t.Errorf("reload with the mark %q (-want +got):\n%s", first.Mark, diff)
			}
			// The second reload is for an operator's command that was killed before the
			// send.
			if diff := cmp.Diff(journal.Reload{Generation: 1, Work: next, Mark: first.Mark, UnderWay: true}, b.reload(t, o)); diff != "" {
				t.Errorf("reload again (-want +got):\n%s", diff)
			}
			entry := b.get(t, o)
			if entry.State != journal.Received || entry.Generation != 1 || entry.Reloads != 1 || entry.Attempts != 0 || entry.Receipt != nil {
				t.Errorf("entry %+v", entry)
			}
			if entry.Stage+entry.Code+entry.Cause+entry.Hint+entry.Message+entry.Queue != "" {
				t.Errorf("the entry has the old fault: %+v", entry)
			}
			if entry.KeepsEarlierRows() != (state == journal.Loaded) {
				t.Errorf("KeepsEarlierRows = %t", entry.KeepsEarlierRows())
			}
			checkIndexes(t, b, entry)
		})
	}
}

func TestReloadOfObjectWithoutDataset(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.object("unclaimed.csv", "")
	if _, err := b.Receive(t.Context(), o, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fail(t.Context(), o, work.Route, fault.NoDataset); err != nil {
		t.Fatal(err)
	}
	if got := b.reload(t, o); got.Work != nil || !strings.HasPrefix(got.Refused, "the object has no contract") {
		t.Errorf("reload %+v", got)
	}
}

// TestConcurrentReloadsAddOneGeneration: of several simultaneous reloads a single
// reload adds a generation.
func TestConcurrentReloadsAddOneGeneration(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInState(t, b, journal.Loaded)
	const callers = 8
	reloads := make(chan journal.Reload, callers)
	for range callers {
		go func() {
			reload, err := b.Reload(context.WithoutCancel(t.Context()), o.ID())
			if err != nil {
				t.Error(err)
			}
			reloads <- reload
		}()
	}
	first := 0
	for range callers {
		if reload := <-reloads; !reload.UnderWay {
			first++
		}
	}
	if entry := b.get(t, o); first != 1 || entry.Generation != 1 || entry.Reloads != 1 {
		t.Errorf("%d new reloads, generation %d after %d reloads; want 1 each", first, entry.Generation, entry.Reloads)
	}
}

// TestReloadBesideAnotherReloadAddsOneGeneration: another reload ends between the read
// and the write of Reload. Reload must not use the same generation again.
func TestReloadBesideAnotherReloadAddsOneGeneration(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInState(t, b, journal.Loaded)
	b.client.before = func() {
		b.reload(t, o)
		if err := b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l2", Generation: 1}); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(journal.Reload{Generation: 1, UnderWay: true}, b.reload(t, o)); diff != "" {
		t.Errorf("reload (-want +got):\n%s", diff)
	}
	if entry := b.get(t, o); entry.State != journal.Loaded || entry.Generation != 1 {
		t.Errorf("%s, generation %d", entry.State, entry.Generation)
	}
}

// objectInReload moves a loaded object to a state of a reload.
func objectInReload(t *testing.T, b *fixture, state journal.State) object.Object {
	t.Helper()
	o := objectInState(t, b, journal.Loaded)
	w := *b.reload(t, o).Work
	var err error
	switch state {
	case journal.Transforming:
		_, _, err = b.Start(t.Context(), w, "m1", b.clock().Add(claimTime))
	case journal.Transformed:
		receipt, at := b.receipt(o, "again")
		receipt.Generation = 1
		_, err = b.Transformed(t.Context(), receipt, at)
	case journal.Failed:
		_, err = b.failGeneration(t.Context(), o, 1, work.Transform, fault.TooManyRejects)
	default:
	}
	if err != nil || b.get(t, o).State != state {
		t.Fatalf("reach %s of a reload: %s, %v", state, b.get(t, o).State, err)
	}
	return o
}

// TestEarlierGenerationChangesNothing sends repeated messages, late receipts, late loads
// and late faults of the generation before the reload.
func TestEarlierGenerationChangesNothing(t *testing.T) {
	t.Parallel()
	for _, state := range []journal.State{journal.Received, journal.Transforming, journal.Transformed, journal.Failed} {
		for name, late := range map[string]func(context.Context, *fixture, object.Object) error{
			"work": func(ctx context.Context, b *fixture, o object.Object) error {
				_, _, err := b.start(ctx, o, "m1")
				return err
			},
			"receipt": func(ctx context.Context, b *fixture, o object.Object) error {
				_, err := b.transformed(ctx, o, "late")
				return err
			},
			"load": func(ctx context.Context, b *fixture, o object.Object) error {
				return b.Loaded(ctx, o.ID(), journal.Load{LoadID: "late"})
			},
			"fault": func(ctx context.Context, b *fixture, o object.Object) error {
				recorded, err := b.fail(ctx, o, work.Load, fault.CopyRefused)
				if recorded {
					t.Error("a late fault needs a dead letter")
				}
				return err
			},
		} {
			t.Run(name+"/"+string(state), func(t *testing.T) {
				t.Parallel()
				b := newFixture(t)
				o := objectInReload(t, b, state)
				before := b.get(t, o)
				b.advance(1e9)
				if err := late(t.Context(), b, o); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, b.get(t, o)); diff != "" {
					t.Errorf("the entry changed (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// TestSupersededHoldsForReload: a newer version is in the ledger, so the reload of the
// older version has no effect any more, in any state of the reload.
func TestSupersededHoldsForReload(t *testing.T) {
	t.Parallel()
	for _, state := range []journal.State{journal.Received, journal.Transforming, journal.Transformed, journal.Failed} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			b, ctx := newFixture(t), t.Context()
			o := objectInReload(t, b, state)
			if err := b.Superseded(ctx, o.ID(), "newer"); err != nil {
				t.Fatal(err)
			}
			recorded, err := b.failGeneration(ctx, o, 1, work.Transform, fault.TooManyRejects)
			if entry := b.get(t, o); entry.State != journal.Superseded || entry.SupersededBy != "newer" || entry.Generation != 1 || recorded || err != nil {
				t.Errorf("%s by %q, generation %d; the fault of the reload was recorded: %t, %v", entry.State, entry.SupersededBy, entry.Generation, recorded, err)
			}
		})
	}
}

// TestFailedReloadKeepsLoadedRows: the entry shows the earlier load, and a redrive
// keeps the generation of the reload.
func TestFailedReloadKeepsLoadedRows(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInReload(t, b, journal.Failed)
	if entry := b.get(t, o); !entry.KeepsEarlierRows() || entry.LoadID != "l1" || entry.RowsLoaded != 9 {
		t.Errorf("the entry lacks the earlier load: %+v", entry)
	}
	redrive, err := b.Redrive(t.Context(), o.ID())
	want := work.Work{Stage: work.Transform, Dataset: b.dataset, Object: o, Generation: 1}
	if err != nil || redrive.Body != want.Encode() {
		t.Errorf("redrive %+v, %v; want generation 1", redrive, err)
	}
	if got := b.reload(t, o); !got.UnderWay || got.Generation != 1 {
		t.Errorf("reload after the redrive: %+v", got)
	}
}

// TestReloadAfterReloadAddsSecondGeneration: after the load of generation 1 the next
// reload adds generation 2.
func TestReloadAfterReloadAddsSecondGeneration(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := objectInReload(t, b, journal.Transformed)
	if got := b.reload(t, o); !got.UnderWay || got.Work != nil {
		t.Errorf("reload during the wait for the load: %+v; want no message", got)
	}
	if err := b.Loaded(ctx, o.ID(), journal.Load{LoadID: "l2", Generation: 1, Rows: 8}); err != nil {
		t.Fatal(err)
	}
	entry := b.get(t, o)
	if entry.State != journal.Loaded || entry.LoadID != "l2" || entry.KeepsEarlierRows() || !entry.Done(1) || !entry.Done(0) || entry.Done(2) {
		t.Errorf("entry %+v", entry)
	}
	if got := b.reload(t, o); got.Generation != 2 || got.UnderWay {
		t.Errorf("the next reload: %+v", got)
	}
	if err := b.Superseded(ctx, o.ID(), "newer"); err != nil || b.get(t, o).State != journal.Superseded {
		t.Errorf("after a newer version: %s, %v; want superseded", b.get(t, o).State, err)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("a.csv", "7")
	lost := journal.Load{LoadID: "l1", Generation: 2, QueryID: "q1", Rows: 5, DuplicateOf: "another object"}
	if err := b.Restore(ctx, o, b.dataset, lost); err != nil {
		t.Fatal(err)
	}
	entry := b.get(t, o)
	if entry.State != journal.Loaded || entry.Generation != 2 || entry.LoadID != "l1" || entry.RowsLoaded != 5 || entry.Dataset != b.dataset || entry.DuplicateOf != lost.DuplicateOf {
		t.Errorf("entry %+v", entry)
	}
	if newest, err := b.Newest(ctx, o.Bucket, o.Key); err != nil || newest.ID != o.ID() {
		t.Errorf("the newest version of the key is %s, %v", newest.ID, err)
	}
	b.reload(t, o)
	if err := b.Restore(ctx, o, b.dataset, lost); err != nil || b.get(t, o).State != journal.Received {
		t.Errorf("Restore changed an existing entry to %s, %v", b.get(t, o).State, err)
	}
}
