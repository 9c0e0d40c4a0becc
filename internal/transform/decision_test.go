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

// fakeGlueQueue is a Glue queue with a record of its messages.
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
		// before is the number of earlier attempts.
		before int
		glue   bool
	}{
		{"a small file", "a.csv", 6, contract.AutoEngine, 0, false},
		{"30 GB of CSV need less than ten minutes", "a.csv", 30 * gigabyte, contract.AutoEngine, 0, false},
		{"40 GB of CSV need more than ten minutes", "a.csv", 40 * gigabyte, contract.AutoEngine, 0, true},
		{"5 GB of gzip unpack to 40 GB", "a.csv.gz", 5 * gigabyte, contract.AutoEngine, 0, true},
		{"a contract can require Lambda", "a.csv", 40 * gigabyte, contract.LambdaEngine, 0, false},
		{"a contract can require Glue", "a.csv", 6, contract.GlueEngine, 0, true},
		{"zstd never goes to Glue", "a.csv.zst", 40 * gigabyte, contract.GlueEngine, 0, false},
		{"a killed attempt", "a.csv", 6, contract.AutoEngine, 1, true},
		{"a killed attempt with a contract for Lambda", "a.csv", 6, contract.LambdaEngine, 1, false},
		{"a key with an unsupported ending", "a.pdf", 40 * gigabyte, contract.AutoEngine, 0, false},
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

// TestHandOverToGlueSendsBeforeRelease lets the message fail. The claim must stay, so
// that a later delivery retries the object.
func TestHandOverToGlueSendsBeforeRelease(t *testing.T) {
	t.Parallel()
	b := newFixture("n\n1\n")
	b.stage.Glue, b.journal.attempts = &fakeGlueQueue{err: fault.Dependency("send", fault.QueueAway, errors.New("away"))}, 1
	if f := b.handle(t); f.Code != fault.QueueAway || len(b.journal.released) > 0 {
		t.Errorf("fault %v, released %v", f, b.journal.released)
	}
}

// slowStore takes a minute for each line of the object.
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

// TestSlowEngineHandsOverToGlue lets the engine stop early, before the end of its time.
// Without Glue, the engine must continue.
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
				t.Errorf("the engine stopped after %s", took)
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
