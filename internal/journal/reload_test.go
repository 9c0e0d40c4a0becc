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

// TestReloadReplacesRows reloads an object in every state, once and once more.
func TestReloadReplacesRows(t *testing.T) {
	t.Parallel()
	refusals := map[journal.State]string{
		journal.Received:     "it is received, on its way for the first time",
		journal.Transforming: "it is transforming, on its way for the first time",
		journal.Transformed:  "it is transformed, on its way for the first time",
		journal.Superseded:   "it is superseded: the rows of newer took the place of its own",
		journal.Ignored:      "it is ignored: it is a folder",
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
			if diff := cmp.Diff(journal.Reload{Generation: 1, Work: next}, b.reload(t, o)); diff != "" {
				t.Errorf("reload (-want +got):\n%s", diff)
			}
			// The second is that of an operator whose command was killed before it
			// sent the message.
			if diff := cmp.Diff(journal.Reload{Generation: 1, Work: next, UnderWay: true}, b.reload(t, o)); diff != "" {
				t.Errorf("reload again (-want +got):\n%s", diff)
			}
			entry := b.get(t, o)
			if entry.State != journal.Received || entry.Generation != 1 || entry.Reloads != 1 || entry.Attempts != 0 || entry.Receipt != nil {
				t.Errorf("entry %+v", entry)
			}
			if entry.Stage+entry.Code+entry.Cause+entry.Hint+entry.Message+entry.Queue != "" {
				t.Errorf("the old fault shows: %+v", entry)
			}
			if entry.KeepsEarlierRows() != (state == journal.Loaded) {
				t.Errorf("it keeps rows of before: %t", entry.KeepsEarlierRows())
			}
			checkIndexes(t, b, entry)
		})
	}
}

func TestReloadOfObjectWithoutDataset(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.object("nobody.csv", "")
	if _, err := b.Receive(t.Context(), o, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fail(t.Context(), o, work.Route, fault.NoDataset); err != nil {
		t.Fatal(err)
	}
	if got := b.reload(t, o); got.Work != nil || !strings.HasPrefix(got.Refused, "no contract claimed it") {
		t.Errorf("reload %+v", got)
	}
}

// TestConcurrentReloadsAddOneGeneration: of two operators who reload one object at once, one adds
// a generation.
func TestConcurrentReloadsAddOneGeneration(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInState(t, b, journal.Loaded)
	const racers = 8
	reloads := make(chan journal.Reload, racers)
	for range racers {
		go func() {
			reload, err := b.Reload(context.WithoutCancel(t.Context()), o.ID())
			if err != nil {
				t.Error(err)
			}
			reloads <- reload
		}()
	}
	first := 0
	for range racers {
		if reload := <-reloads; !reload.UnderWay {
			first++
		}
	}
	if entry := b.get(t, o); first != 1 || entry.Generation != 1 || entry.Reloads != 1 {
		t.Errorf("%d began it; generation %d after %d reloads, want 1 each", first, entry.Generation, entry.Reloads)
	}
}

// TestReloadDuringAnotherReloadAddsNewGeneration: between its read and its write another
// reload came to its end. It must not give that one's generation out again.
func TestReloadDuringAnotherReloadAddsNewGeneration(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInState(t, b, journal.Loaded)
	b.client.before = func() {
		b.reload(t, o)
		if err := b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l2", Generation: 1}); err != nil {
			t.Error(err)
		}
	}
	if got := b.reload(t, o); got.Refused != "it became loaded meanwhile: look again" || got.Work != nil {
		t.Errorf("reload %+v", got)
	}
	if entry := b.get(t, o); entry.State != journal.Loaded || entry.Generation != 1 {
		t.Errorf("%s, generation %d", entry.State, entry.Generation)
	}
}

// objectInReload brings a loaded object to a state of its reload.
func objectInReload(t *testing.T, b *fixture, state journal.State) object.Object {
	t.Helper()
	o := objectInState(t, b, journal.Loaded)
	w := *b.reload(t, o).Work
	var err error
	switch state {
	case journal.Transforming:
		_, _, err = b.Start(t.Context(), w, "m1", b.clock().Add(lease))
	case journal.Transformed:
		receipt, at := b.receipt(o, "again")
		receipt.Generation = 1
		_, err = b.Transformed(t.Context(), receipt, at)
	case journal.Failed:
		_, err = b.fail(t.Context(), o, work.Transform, fault.TooManyRejects)
	default:
	}
	if err != nil || b.get(t, o).State != state {
		t.Fatalf("reach %s of a reload: %s, %v", state, b.get(t, o).State, err)
	}
	return o
}

// TestEarlierGenerationChangesNothing: repeated messages, late
// receipts and late loads of what was before the reload.
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
					t.Errorf("it changed the entry (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// TestFailedReloadKeepsLoadedRows keeps what was loaded before, and is redriven in its own
// generation.
func TestFailedReloadKeepsLoadedRows(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := objectInReload(t, b, journal.Failed)
	if entry := b.get(t, o); !entry.KeepsEarlierRows() || entry.LoadID != "l1" || entry.RowsLoaded != 9 {
		t.Errorf("what was loaded before doesn't show: %+v", entry)
	}
	redrive, err := b.Redrive(t.Context(), o.ID())
	want := work.Work{Stage: work.Transform, Dataset: b.dataset, Object: o, Generation: 1}
	if err != nil || redrive.Body != want.Encode() {
		t.Errorf("redrive %+v, %v; want generation 1", redrive, err)
	}
	if got := b.reload(t, o); !got.UnderWay || got.Generation != 1 {
		t.Errorf("a reload of what is redriven: %+v", got)
	}
}

// TestReloadAfterReloadAddsSecondGeneration: the new generation is loaded, and the next reload is the second.
func TestReloadAfterReloadAddsSecondGeneration(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := objectInReload(t, b, journal.Transformed)
	if got := b.reload(t, o); !got.UnderWay || got.Work != nil {
		t.Errorf("a reload that waits for its load: %+v; want nothing to send", got)
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
		t.Errorf("a newer version came meanwhile: %s, %v", b.get(t, o).State, err)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.object("a.csv", "7")
	lost := journal.Load{LoadID: "l1", Generation: 2, QueryID: "q1", Rows: 5}
	if err := b.Restore(ctx, o, b.dataset, lost); err != nil {
		t.Fatal(err)
	}
	entry := b.get(t, o)
	if entry.State != journal.Loaded || entry.Generation != 2 || entry.LoadID != "l1" || entry.RowsLoaded != 5 || entry.Dataset != b.dataset {
		t.Errorf("entry %+v", entry)
	}
	if newest, err := b.Newest(ctx, o.Bucket, o.Key); err != nil || newest.ID != o.ID() {
		t.Errorf("the key's newest is %s, %v", newest.ID, err)
	}
	b.reload(t, o)
	if err := b.Restore(ctx, o, b.dataset, lost); err != nil || b.get(t, o).State != journal.Received {
		t.Errorf("an entry that is there became %s, %v", b.get(t, o).State, err)
	}
}
