package transform_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// fakeJournal is a journal of one object with a count of its attempts.
type fakeJournal struct {
	attempts int
	held     bool
	err      error
	owner    string
	until    time.Time
	released []string
}

func (c *fakeJournal) Start(_ context.Context, w work.Work, owner string, until time.Time) (journal.Entry, bool, error) {
	if c.err != nil {
		return journal.Entry{}, false, c.err
	}
	if c.held {
		return journal.Entry{State: journal.Transforming}, false, nil
	}
	c.attempts++
	c.owner, c.until = owner, until
	return journal.Entry{ID: w.Object.ID(), State: journal.Transforming, Attempts: c.attempts}, true, nil
}

func (c *fakeJournal) Release(_ context.Context, id object.ID, owner string) error {
	c.attempts--
	c.released = append(c.released, string(id)+" "+owner)
	return nil
}

type fixture struct {
	stage   *transform.Stage
	journal *fakeJournal
	store   *memoryStore
	work    work.Work
}

func newFixture(body string) fixture {
	store, w := landed("a.csv", []byte(body))
	c := &fakeJournal{}
	return fixture{journal: c, store: store, work: w, stage: &transform.Stage{
		Contracts: contract.Set{numbers()}, Journal: c, Attempts: 3, Now: clock,
		NewID:  func() string { return "unique" },
		Engine: &transform.Engine{Store: store, Bucket: bucket, Now: clock},
	}}
}

func (b fixture) handle(t *testing.T) *fault.Fault {
	t.Helper()
	return fault.As(b.stage.Handle(t.Context(), batch.Message{ID: "m1", Body: b.work.Encode()}))
}

func TestStageWritesReceipt(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	if f := b.handle(t); f != nil {
		t.Fatal(f)
	}
	want := "shop/order/" + string(b.work.Object.ID()) + "/00-01-unique/receipt.json"
	if keys := b.store.keys(); !slices.Contains(keys, want) {
		t.Errorf("files %v lack %s", keys, want)
	}
	if b.journal.owner != "m1" || !b.journal.until.Equal(start.Add(15*time.Minute)) {
		t.Errorf("claimed for %s until %s", b.journal.owner, b.journal.until)
	}
}

func TestStageKeepsGeneration(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	b.work.Generation = 2
	if f := b.handle(t); f != nil {
		t.Fatal(f)
	}
	attempt := object.Attempt{Dataset: "shop.order", Object: b.work.Object.ID(), Name: "02-01-unique"}
	receipt, err := work.DecodeReceipt(b.store.files[attempt.Receipt()], work.Location{Bucket: bucket, Key: attempt.Receipt()})
	if err != nil || receipt.Generation != 2 || attempt.Generation() != 2 {
		t.Errorf("receipt %+v, %v, of generation %d", receipt, err, attempt.Generation())
	}
}

func TestStageClaimsUntilTheDeadline(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	if err := b.stage.Handle(ctx, batch.Message{ID: "m1", Body: b.work.Encode()}); err != nil {
		t.Fatal(err)
	}
	if !b.journal.until.Equal(deadline) {
		t.Errorf("claimed until %s, want %s", b.journal.until, deadline)
	}
}

// TestPanicOfWriterFailsAttempt panics in the goroutine that writes the rows. The process
// stays alive, and the fault doesn't quote the value.
func TestPanicOfWriterFailsAttempt(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n781120\n")
	b.store.panicCreate = "row 781120"
	f := b.handle(t)
	if f == nil || f.Code != fault.Crashed || f.Disposition != fault.Retry || f.Attempt != 1 || f.ObjectID != string(b.work.Object.ID()) {
		t.Fatalf("fault %+v", f)
	}
	const want = "panic: a value of type string at internal/transform_test.(*memoryStore).Create (internal/transform_test/memory_test.go:"
	if !strings.HasPrefix(f.Cause(), want) || strings.Contains(f.Error(), "781120") {
		t.Errorf("cause %q, want %q", f.Cause(), want)
	}
	if keys := b.store.keys(); len(keys) != 0 {
		t.Errorf("files %v", keys)
	}
}

// TestRefusedObjectIsDone: the stage is done with the message, because route reads the
// receipt.
func TestRefusedObjectIsDone(t *testing.T) {
	t.Parallel()
	b := newFixture("other\n1\n")
	if f := b.handle(t); f != nil {
		t.Fatal(f)
	}
	if keys := b.store.keys(); len(keys) != 1 || !strings.HasSuffix(keys[0], "receipt.json") {
		t.Errorf("files %v, want only the receipt", keys)
	}
}

func TestStageReturnsFaultWithAttempt(t *testing.T) {
	t.Parallel()
	away := fault.Dependency("write journal", fault.JournalAway, errors.New("timeout"))
	tests := []struct {
		name        string
		prepare     func(*fixture)
		code        fault.Code
		disposition fault.Disposition
		attempt     int
		released    int
	}{
		{"journal unavailable", func(b *fixture) { b.journal.err = away }, fault.JournalAway, fault.RetryAfter, 0, 0},
		{"unknown dataset", func(b *fixture) { b.work.Dataset = "shop.unknown" }, fault.NoDataset, fault.Permanent, 0, 0},
		{"started too often", func(b *fixture) { b.journal.attempts = 3 }, fault.Crashed, fault.Permanent, 0, 0},
		{"object gone", func(b *fixture) { clear(b.store.landing) }, fault.ObjectGone, fault.Permanent, 1, 0},
		{"store unavailable, never counted", func(b *fixture) { b.store.failRead = 1 }, fault.StoreAway, fault.RetryAfter, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture("n\n1\n")
			b.work.Generation = 2
			test.prepare(&b)
			f := b.handle(t)
			if f == nil || f.Code != test.code || f.Disposition != test.disposition || f.Attempt != test.attempt {
				t.Fatalf("fault %+v", f)
			}
			if f.ObjectID != string(b.work.Object.ID()) || f.Generation != 2 || f.Dataset != b.work.Dataset || f.Subject != "s3://landing/a.csv" {
				t.Errorf("the fault has object id %q, generation %d, dataset %q, subject %q", f.ObjectID, f.Generation, f.Dataset, f.Subject)
			}
			if len(b.journal.released) != test.released {
				t.Errorf("released %v", b.journal.released)
			}
			if keys := b.store.keys(); len(keys) != 0 {
				t.Errorf("files %v, want none", keys)
			}
		})
	}
}

func TestStageSkipsClaimedObject(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	b.journal.held = true
	if f := b.handle(t); f != nil {
		t.Fatal(f)
	}
	if keys := b.store.keys(); len(keys) != 0 {
		t.Errorf("files %v, want none", keys)
	}
}

func TestStageRefusesForeignMessages(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	f := fault.As(b.stage.Handle(t.Context(), batch.Message{ID: "m1", Body: `{"stage":"load"}`}))
	if f == nil || f.Code != fault.Undecodable || f.Disposition != fault.Permanent {
		t.Errorf("fault %v", f)
	}
}
