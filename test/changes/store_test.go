package changes_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/engines/suite"
)

// store is a store in memory with one landing object.
type store struct {
	landing []byte
	files   map[string][]byte
}

func (s *store) Open(context.Context, object.Object) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s.landing)), nil
}

func (s *store) Create(_ context.Context, at work.Location) transform.Upload {
	return &upload{store: s, key: at.Key}
}

func (s *store) Put(_ context.Context, at work.Location, body []byte) error {
	s.files[at.Key] = bytes.Clone(body)
	return nil
}

type upload struct {
	bytes.Buffer

	store *store
	key   string
}

func (u *upload) Commit(ctx context.Context) error {
	return u.store.Put(ctx, work.Location{Key: u.key}, u.Bytes())
}

func (u *upload) Abort(context.Context) error { return nil }

// outcome is the engine's result for a file.
type outcome struct {
	receipt work.Receipt
	// rejected has the numbers of the rejected records, from 1.
	rejected map[int64]string
	rows     []map[string]any
}

// run runs the engine on a file under a contract.
func run(t testing.TB, c *contract.Contract, key string, body []byte) outcome {
	t.Helper()
	s := &store{landing: body, files: make(map[string][]byte)}
	o := object.Object{Bucket: "landing", Key: key, Version: "v1", Size: int64(len(body))}
	got := outcome{rejected: make(map[int64]string)}
	engine := &transform.Engine{Store: s, Bucket: "curated", Now: func() time.Time { return time.Unix(1764000000, 0).UTC() }}
	var err error
	got.receipt, err = engine.Transform(t.Context(), transform.Job{
		Work: work.Work{Stage: work.Transform, Dataset: c.Dataset(), Object: o}, Contract: c, Attempt: "00-01-a",
		Rejected: func(record reader.Record, rule string) { got.rejected[record.Number] = rule },
	})
	if err != nil {
		t.Fatalf("transform %q under %+v: %v", body, c, err)
	}
	for _, file := range got.receipt.Data {
		rows, err := suite.ReadParquet(s.files[file.Key])
		if err != nil {
			t.Fatalf("read %s of %v: %v", file.Key, slices.Collect(maps.Keys(s.files)), err)
		}
		got.rows = append(got.rows, rows...)
	}
	return got
}
