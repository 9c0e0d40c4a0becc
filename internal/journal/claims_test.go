//go:build standin

package journal_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// TestStart follows claims over time. Each step is a claim by an owner after a time,
// with the expected result.
func TestStart(t *testing.T) {
	t.Parallel()
	type step struct {
		after    time.Duration
		owner    string
		want     bool
		attempts int
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"another message waits for the end of the claim", []step{
			{0, "m1", true, 1}, {claimTime - time.Millisecond, "m2", false, 1}, {2 * time.Millisecond, "m2", true, 2},
		}},
		{"at the deadline the claim still holds", []step{{0, "m1", true, 1}, {claimTime, "m2", false, 1}}},
		{"the same message claims again at once", []step{{0, "m1", true, 1}, {0, "m1", true, 2}, {time.Minute, "m1", true, 3}}},
		{"a second claim has a new deadline", []step{
			{0, "m1", true, 1}, {claimTime / 2, "m1", true, 2}, {claimTime/2 + time.Second, "m2", false, 2}, {claimTime, "m2", true, 3},
		}},
		{"an earlier owner waits for the end of the new claim", []step{
			{0, "m1", true, 1}, {claimTime + time.Second, "m2", true, 2}, {0, "m1", false, 2},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			o := b.receivedObject(t)
			for i, step := range test.steps {
				b.advance(step.after)
				entry, got, err := b.start(t.Context(), o, step.owner)
				if err != nil || got != step.want || entry.Attempts != step.attempts || entry.State != journal.Transforming {
					t.Fatalf("step %d: Start = %t (%s, %d attempts), %v; want %t, %d", i, got, entry.State, entry.Attempts, err, step.want, step.attempts)
				}
			}
		})
	}
}

func TestStartOfUnknownObjectFails(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	if _, ok, err := b.start(t.Context(), b.object("unknown.csv", ""), "m1"); ok || !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Start = %t, %v; want ErrNotFound", ok, err)
	}
}

func TestConcurrentStartsGrantOneClaim(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	o := b.receivedObject(t)
	const callers = 8
	var (
		begin   = make(chan struct{})
		claimed = make(chan string, callers)
		wait    sync.WaitGroup
	)
	for i := range callers {
		owner := string(rune('a' + i))
		wait.Go(func() {
			<-begin
			_, ok, err := b.start(t.Context(), o, owner)
			if err != nil {
				t.Errorf("Start: %v", err)
			}
			if ok {
				claimed <- owner
			}
		})
	}
	close(begin)
	wait.Wait()
	if len(claimed) != 1 || b.get(t, o).Attempts != 1 {
		t.Errorf("%d claims and %d attempts, want 1 and 1", len(claimed), b.get(t, o).Attempts)
	}
}

func TestReleaseRestoresAttemptCount(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.receivedObject(t)
	for range 3 {
		if _, ok, err := b.start(ctx, o, "m1"); err != nil || !ok {
			t.Fatalf("Start = %t, %v", ok, err)
		}
		if err := b.Release(ctx, o.ID(), "m1"); err != nil {
			t.Fatal(err)
		}
	}
	if entry := b.get(t, o); entry.Attempts != 0 || entry.State != journal.Received {
		t.Errorf("%s after %d attempts, want received after 0 attempts", entry.State, entry.Attempts)
	}
	// The claim is gone too, so another message may claim at once.
	if entry, ok, err := b.start(ctx, o, "m2"); err != nil || !ok || entry.Attempts != 1 {
		t.Errorf("Start by another = %t, %d attempts, %v", ok, entry.Attempts, err)
	}
	if err := b.Release(ctx, b.object("unknown.csv", "").ID(), "m1"); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Release of an unknown object = %v", err)
	}
}

func TestReceiptBeforeFailureKeepsObjectFailed(t *testing.T) {
	t.Parallel()
	b, ctx := newFixture(t), t.Context()
	o := b.receivedObject(t)
	if _, err := b.transformed(ctx, o, "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.fail(ctx, o, work.Load, fault.ReceiptMismatch); err != nil {
		t.Fatal(err)
	}
	entry, err := b.transformed(ctx, o, "first")
	if err != nil || entry.State != journal.Failed {
		t.Errorf("the receipt of the failure again: %s, %v; want failed", entry.State, err)
	}
	entry, err = b.transformed(ctx, o, "second")
	if err != nil || entry.State != journal.Transformed || entry.Code != "" || !strings.Contains(entry.Receipt.Key, "/second/") {
		t.Errorf("another receipt: %s %q at %+v, %v; want transformed without a fault", entry.State, entry.Code, entry.Receipt, err)
	}
}

func TestLongCauseIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for _, prefix := range []string{"", "x"} {
		o := b.receivedObject(t)
		f := fault.Permanentf("test", fault.BadHeader, "%s%s", prefix, strings.Repeat("é", 5000))
		f.ObjectID = string(o.ID())
		if _, err := b.Fail(t.Context(), f, "transform", "arn", "body"); err != nil {
			t.Fatal(err)
		}
		cause := b.get(t, o).Cause
		if !utf8.ValidString(cause) || strings.ContainsRune(cause, utf8.RuneError) || len(cause) > 4096 || len(cause) < 4094 {
			t.Errorf("%d bytes, valid %t, ends %q", len(cause), utf8.ValidString(cause), cause[len(cause)-4:])
		}
	}
}

// TestRepeatedWriteCountsOnce: the SDK repeats a write after a lost answer.
func TestRepeatedWriteCountsOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.client.repeats = true
	o := b.receivedObject(t)
	entry, claimed, err := b.start(t.Context(), o, "m1")
	if err != nil || !claimed || entry.Attempts != 1 {
		t.Errorf("claimed %t, attempts %d, %v", claimed, entry.Attempts, err)
	}
	if entry, claimed, err = b.start(t.Context(), o, "m1"); err != nil || !claimed || entry.Attempts != 2 {
		t.Errorf("second claim %t, attempts %d, %v", claimed, entry.Attempts, err)
	}
	if err := b.Release(t.Context(), o.ID(), "m1"); err != nil || b.get(t, o).Attempts != 1 {
		t.Errorf("attempts %d after the release, %v", b.get(t, o).Attempts, err)
	}
	if recorded, err := b.fail(t.Context(), o, work.Transform, fault.Crashed); err != nil || !recorded {
		t.Errorf("recorded %t, %v", recorded, err)
	}
	if _, err := b.Redrive(t.Context(), o.ID()); err != nil || b.get(t, o).Redrives != 1 {
		t.Errorf("%d redrives, %v", b.get(t, o).Redrives, err)
	}
	if err := b.Loaded(t.Context(), o.ID(), journal.Load{LoadID: "l"}); err != nil {
		t.Fatal(err)
	}
	if reload := b.reload(t, o); reload.UnderWay || reload.Generation != 1 || b.get(t, o).Reloads != 1 {
		t.Errorf("reload %+v, %d reloads", reload, b.get(t, o).Reloads)
	}
}
