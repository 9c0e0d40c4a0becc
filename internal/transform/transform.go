// Package transform converts one landing object to typed Parquet, record by record, by
// the object's contract. Accepted records go to data files, and rejects to rejects
// files. A receipt, written last, has the names and counts of the files.
package transform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// EngineName is the name of this engine in receipts.
const EngineName = "lambda"

// Reserve is the time between the engine's own deadline and the context's deadline. In
// this time, the engine aborts its uploads and returns the fault.
const Reserve = 15 * time.Second

// Engine transforms one object at a time, as a stream: its memory doesn't grow with the
// object.
type Engine struct {
	Store Store
	// Bucket is the curated bucket.
	Bucket string
	Now    func() time.Time
	// RollBytes is the size in bytes at which the next file starts. 0 means 200 MiB.
	RollBytes int64
	// Level is the compression level of pages. 0 means level 1 of zstd.
	Level parquetfile.Level
}

// Check reports every contract with a rule unsupported by its columns' types. Such a
// contract must fail a deployment instead of objects.
func Check(contracts contract.Set) error {
	var faults []error
	for _, c := range contracts {
		if _, err := row.NewBatch(c.Columns); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.File, err))
		}
	}
	return errors.Join(faults...)
}

// Job is one attempt at one object.
type Job struct {
	Work     work.Work
	Contract *contract.Contract
	// Attempt is the name of the attempt, and a part of all its keys.
	Attempt string
	// MayStop lets the engine stop early, with code out_of_time, if its pace is too
	// slow for the deadline. Set MayStop only if another engine takes over.
	MayStop bool
	// Rejected, if not nil, is called for each reject in order, also for an object
	// refused later. The record is valid until Rejected returns.
	Rejected func(record reader.Record, rule string)
}

// Transform runs the job and returns the written receipt. If the object as a whole
// breaks its contract, the outcome of the receipt is refused and the error is nil.
// After an error, the attempt has no visible files, or only files without a receipt.
func (e *Engine) Transform(ctx context.Context, job Job) (work.Receipt, error) {
	bounded, cancel := e.withReserve(ctx)
	defer cancel()
	r, err := e.begin(job)
	if err != nil {
		return work.Receipt{}, err
	}
	err = r.transform(bounded)
	if err == nil {
		err = r.commit(bounded)
	}
	if err != nil {
		r.abort(ctx)
		if err = classify(bounded, err); !isRefusal(err) {
			return work.Receipt{}, err
		}
		if err = r.refuse(bounded, fault.As(err)); err != nil {
			return work.Receipt{}, classify(bounded, err)
		}
	}
	return e.finish(ctx, r)
}

// withReserve returns a context that ends before the context's own deadline.
func (e *Engine) withReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-Reserve))
	}
	return context.WithCancel(ctx)
}

// classify returns an out_of_time fault if the deadline caused the error.
func classify(bounded context.Context, err error) error {
	if bounded.Err() == nil {
		return err
	}
	return fault.Retryable("transform object", fault.OutOfTime, fmt.Errorf("the time of this invocation is over: %w", bounded.Err()))
}

// isRefusal reports whether the error is a property of the object's bytes. Such an
// error goes to the receipt.
func isRefusal(err error) bool {
	f := fault.As(err)
	return f.Disposition == fault.Permanent && f.Code != fault.ObjectGone
}

// finish completes and writes the receipt, after all other files.
func (e *Engine) finish(ctx context.Context, r *run) (work.Receipt, error) {
	receipt := r.receipt
	receipt.RowsRead, receipt.RowsWritten, receipt.RowsRejected = r.counts.read, r.counts.written, r.counts.rejected
	receipt.FirstRejects, receipt.RejectsByRule = r.counts.first, r.counts.byRule
	receipt.ContentHash = r.source.contentHash()
	receipt.FinishedAt = e.Now().UTC()
	body, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		return work.Receipt{}, fmt.Errorf("encode receipt: %w", err)
	}
	return receipt, e.Store.Put(ctx, work.Location{Bucket: e.Bucket, Key: r.attempt.Receipt()}, body)
}
