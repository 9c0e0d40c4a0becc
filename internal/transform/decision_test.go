package transform_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// fakeGlueQueue is a Glue queue that keeps what it is sent.
type fakeGlueQueue struct {
	works []work.Work
	err   error
}

func (s *fakeGlueQueue) Send(_ context.Context, w work.Work) error {
	if s.err == nil {
		s.works = append(s.works, w)
	}
	return s.err
}

func TestEngineByContractSizeAndTime(t *testing.T) {
	t.Parallel()
	const gigabyte = 1_000_000_000
	tests := []struct {
		name   string
		key    string
		size   int64
		engine contract.Engine
		// before is how many attempts there were.
		before int
		glue   bool
	}{
		{"a small file", "a.csv", 6, contract.AutoEngine, 0, false},
		{"30 GB of CSV fit into ten minutes", "a.csv", 30 * gigabyte, contract.AutoEngine, 0, false},
		{"40 GB don't", "a.csv", 40 * gigabyte, contract.AutoEngine, 0, true},
		{"gzip is larger than it looks", "a.csv.gz", 5 * gigabyte, contract.AutoEngine, 0, true},
		{"a contract may force the Lambda", "a.csv", 40 * gigabyte, contract.LambdaEngine, 0, false},
		{"a contract may force Glue", "a.csv", 6, contract.GlueEngine, 0, true},
		{"zstd never goes to Glue", "a.csv.zst", 40 * gigabyte, contract.GlueEngine, 0, false},
		{"one that was killed", "a.csv", 6, contract.AutoEngine, 1, true},
		{"one that was killed, for the Lambda only", "a.csv", 6, contract.LambdaEngine, 1, false},
		{"a key that no engine reads", "a.pdf", 40 * gigabyte, contract.AutoEngine, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture("n\n1\n")
			glue := &fakeGlueQueue{}
			b.stage.Glue, b.journal.attempts = glue, test.before
			c := *b.stage.Contracts[0]
			c.Engine = test.engine
			b.stage.Contracts = contract.Set{&c}
			body := b.store.landing[b.work.Object.ID()]
			b.work.Object.Key, b.work.Object.Size = test.key, test.size
			b.store.landing[b.work.Object.ID()] = body
			f := b.handle(t)
			if toGlue := len(glue.works) == 1; toGlue != test.glue {
				t.Fatalf("to Glue: %t, want %t; %v", toGlue, test.glue, f)
			}
			if test.glue && (f != nil || b.journal.attempts != test.before || len(b.store.keys()) > 0) {
				t.Errorf("fault %v, %d attempts, files %v", f, b.journal.attempts, b.store.keys())
			}
		})
	}
}

// TestHandOverToGlueSendsBeforeRelease: a claim that is given back without a
// message would be nobody's.
func TestHandOverToGlueSendsBeforeRelease(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	b.stage.Glue, b.journal.attempts = &fakeGlueQueue{err: fault.Dependency("send", fault.QueueAway, errors.New("away"))}, 1
	if f := b.handle(t); f.Code != fault.QueueAway || len(b.journal.released) > 0 {
		t.Errorf("fault %v, released %v", f, b.journal.released)
	}
}

// slowStore takes a minute for each line that it gives.
type slowStore struct {
	transform.Store

	lines int
	clock *time.Time
}

func (s slowStore) Open(context.Context, object.Object) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader([]byte("n\n")), &slowReader{left: s.lines, clock: s.clock})), nil
}

type slowReader struct {
	left  int
	clock *time.Time
}

func (m *slowReader) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	m.left--
	*m.clock = m.clock.Add(time.Minute)
	return copy(p, "1\n"), nil
}

// TestSlowEngineHandsOverToGlue: it stops as soon as it sees that it won't
// come to the end, not when its time is over; without Glue it goes on.
func TestSlowEngineHandsOverToGlue(t *testing.T) {
	t.Parallel()
	for _, withGlue := range []bool{true, false} {
		t.Run(fmt.Sprint(withGlue), func(t *testing.T) {
			t.Parallel()
			b, glue := newFixture(""), &fakeGlueQueue{}
			if withGlue {
				b.stage.Glue = glue
			}
			now := time.Now()
			const lines = 40
			b.stage.Engine.Store = slowStore{Store: b.store, lines: lines, clock: &now}
			b.stage.Engine.Now = func() time.Time { return now }
			b.work.Object.Size = int64(len("n\n") + lines*len("1\n"))
			b.store.landing[b.work.Object.ID()] = nil
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(15*time.Minute))
			defer cancel()
			began := now
			f := fault.As(b.stage.Handle(ctx, batch.Message{ID: "m1", Body: b.work.Encode()}))
			if took := now.Sub(began); (took < 5*time.Minute) != withGlue {
				t.Errorf("it stopped after %s", took)
			}
			if f != nil || (len(glue.works) == 1) != withGlue || (len(b.journal.released) == 1) != withGlue {
				t.Errorf("fault %v, to Glue %v, released %v", f, glue.works, b.journal.released)
			}
			if published := strings.Join(b.store.keys(), " "); strings.Contains(published, "receipt") == withGlue {
				t.Errorf("files %s", published)
			}
		})
	}
}
