package transform_test

import (
	"context"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/engines/suite"
)

const bucket = "curated"

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func clock() time.Time { return start }

// newContract returns a contract with the defaults of a contract file. Columns without
// a header or pointer get one from their name.
func newContract(format contract.Format, columns ...contract.Column) *contract.Contract {
	c := &contract.Contract{
		Version: "1.0.0", Source: "shop", Entity: "order", Format: format, Delimiter: ',',
		Encoding: contract.UTF8, MaxRejectRatio: 0.05, MaxRejects: 10, MaxUnique: contract.DefaultMaxUnique, Columns: columns,
	}
	fillNames(c)
	return c
}

func fillNames(c *contract.Contract) {
	for i := range c.Columns {
		column := &c.Columns[i]
		if column.Header == "" {
			column.Header = column.Name
		}
		if column.Path == "" {
			column.Path = "/" + column.Name
		} else if column.Path == "(record)" {
			column.Path = ""
		}
	}
}

// outcome is the result of a job, with its files.
type outcome struct {
	receipt work.Receipt
	rows    []map[string]any
	rejects []map[string]any
	err     error
	store   *memoryStore
}

func landed(key string, body []byte) (*memoryStore, work.Work) {
	store := newMemoryStore()
	o := object.Object{Bucket: "landing", Key: key, Version: "v1", Size: int64(len(body))}
	store.landing[o.ID()] = body
	return store, work.Work{Stage: work.Transform, Dataset: "shop.order", Object: o}
}

func run(t *testing.T, c *contract.Contract, key string, body []byte) outcome {
	t.Helper()
	store, w := landed(key, body)
	return runIn(t, t.Context(), &transform.Engine{Store: store, Bucket: bucket, Now: clock}, store, c, w)
}

func runIn(t *testing.T, ctx context.Context, engine *transform.Engine, store *memoryStore, c *contract.Contract, w work.Work) outcome { //nolint:revive // t comes first, as in every helper
	t.Helper()
	receipt, err := engine.Transform(ctx, transform.Job{Work: w, Contract: c, Attempt: "01"})
	o := outcome{receipt: receipt, err: err, store: store}
	store.checkNoOpenUploads(t)
	if err != nil {
		return o
	}
	written, found := store.files[receiptKey(w)]
	if !found {
		t.Fatalf("no receipt among %v", store.keys())
	}
	decoded, err := work.DecodeReceipt(written, work.Location{Bucket: bucket, Key: receiptKey(w)})
	if err != nil {
		t.Fatalf("decode the written receipt: %v", err)
	}
	o.receipt = decoded
	o.rows = rowsOf(t, store, decoded.Data)
	o.rejects = rowsOf(t, store, decoded.Rejects)
	return o
}

func receiptKey(w work.Work) string {
	return object.Attempt{Dataset: w.Dataset, Object: w.Object.ID(), Name: "01"}.Receipt()
}

func rowsOf(t *testing.T, store *memoryStore, files []work.File) []map[string]any {
	t.Helper()
	var rows []map[string]any
	for _, f := range files {
		body, found := store.files[f.Key]
		if !found {
			t.Fatalf("%s is in the receipt but not in the store", f.Key)
		}
		if int64(len(body)) != f.Bytes {
			t.Errorf("%s has %d bytes, want %d as in the receipt", f.Key, len(body), f.Bytes)
		}
		read, err := suite.ReadParquet(body)
		if err != nil {
			t.Fatalf("%s: %v", f.Key, err)
		}
		if int64(len(read)) != f.Rows {
			t.Errorf("%s has %d rows, want %d as in the receipt", f.Key, len(read), f.Rows)
		}
		rows = append(rows, read...)
	}
	return rows
}
