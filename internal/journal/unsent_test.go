//go:build standin

package journal_test

import (
	"slices"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func (b *fixture) redrive(t *testing.T, o object.Object) journal.Redrive {
	t.Helper()
	redrive, err := b.Redrive(t.Context(), o.ID())
	if err != nil {
		t.Fatal(err)
	}
	return redrive
}

// unsent returns the ids of the objects with an unsent message.
func (b *fixture) unsent(t *testing.T, dataset string, code fault.Code) []object.ID {
	t.Helper()
	entries, err := b.Unsent(t.Context(), dataset, code)
	if err != nil {
		t.Fatal(err)
	}
	return idsOf(entries)
}

// TestUnsentMessagesAreFoundByCode: the index has an object by the code of the failure
// before the redrive, until the message is sent.
func TestUnsentMessagesAreFoundByCode(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	header, load, reloaded := b.receivedObject(t), b.receivedObject(t), objectInState(t, b, journal.Loaded)
	if _, err := b.fail(ctx, header, work.Transform, fault.BadHeader); err != nil {
		t.Fatal(err)
	}
	if _, err := b.transformed(ctx, load, "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fail(ctx, load, work.Load, fault.DuplicateContent); err != nil {
		t.Fatal(err)
	}
	marks := map[object.ID]string{
		header.ID(): b.redrive(t, header).Mark, load.ID(): b.redrive(t, load).Mark, reloaded.ID(): b.reload(t, reloaded).Mark,
	}
	for code, want := range map[fault.Code][]object.ID{
		fault.BadHeader: {header.ID()}, fault.DuplicateContent: {load.ID()}, fault.Crashed: {},
		"": {reloaded.ID(), header.ID(), load.ID()}, // in the order of the codes
	} {
		if got := b.unsent(t, b.dataset, code); !slices.Equal(got, want) {
			t.Errorf("code %q: unsent %v, want %v", code, got, want)
		}
	}
	if waiting, err := b.Waiting(ctx, b.dataset, 10); err != nil || len(waiting) > 0 {
		t.Errorf("before the send %d objects wait for the load, %v", len(waiting), err)
	}
	for _, o := range []object.Object{header, load, reloaded} {
		if err := b.Sent(ctx, o.ID(), "another mark"); err != nil || !b.get(t, o).Unsent {
			t.Errorf("another mark: %v, unsent %t", err, b.get(t, o).Unsent)
		}
		if err := b.Sent(ctx, o.ID(), marks[o.ID()]); err != nil || b.get(t, o).Unsent {
			t.Errorf("Sent: %v, unsent %t", err, b.get(t, o).Unsent)
		}
		checkIndexes(t, b, b.get(t, o))
	}
	if got := b.unsent(t, b.dataset, ""); len(got) > 0 {
		t.Errorf("after the send: unsent %v", got)
	}
	if waiting, err := b.Waiting(ctx, b.dataset, 10); err != nil || !slices.Equal(idsOf(waiting), []object.ID{load.ID()}) {
		t.Errorf("after the send: waiting %v, %v", idsOf(waiting), err)
	}
	if redrive, reload := b.redrive(t, header), b.reload(t, reloaded); redrive.Body != "" || reload.Work != nil || !reload.UnderWay {
		t.Errorf("after the send: %+v, %+v; want no message", redrive, reload)
	}
}

// TestNextStateEndsUnsentMark: the message was sent, but the command ended before Sent.
func TestNextStateEndsUnsentMark(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := objectInState(t, b, journal.Failed)
	mark := b.redrive(t, o).Mark
	if _, ok, err := b.start(ctx, o, "m1"); err != nil || !ok {
		t.Fatalf("Start = %t, %v", ok, err)
	}
	if err := b.Sent(ctx, o.ID(), mark); err != nil || b.get(t, o).Unsent || len(b.unsent(t, b.dataset, "")) > 0 {
		t.Errorf("Sent: %v; entry %+v", err, b.get(t, o))
	}
	// A late Sent of the first redrive doesn't end the mark of the second redrive.
	if _, err := b.fail(ctx, o, work.Transform, fault.BadHeader); err != nil {
		t.Fatal(err)
	}
	b.redrive(t, o)
	if err := b.Sent(ctx, o.ID(), mark); err != nil || !b.get(t, o).Unsent {
		t.Errorf("late Sent: %v; entry %+v", err, b.get(t, o))
	}
}
