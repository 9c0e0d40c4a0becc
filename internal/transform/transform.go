// Package transform makes typed Parquet of one landing object, row by row and
// by its contract: what keeps the rules goes to data files, what breaks one to
// rejects files, and a receipt, written last, accounts for both.
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

// EngineName is this engine's name in receipts.
const EngineName = "lambda"

// Reserve is how long before the context's deadline the engine gives up, so
// that there is time to drop its uploads and to say so.
const Reserve = 15 * time.Second

// Engine transforms one object at a time, streaming: its memory doesn't grow
// with the object.
type Engine struct {
	Store Store
	// Bucket is the curated bucket.
	Bucket string
	Now    func() time.Time
	// RollBytes is the size at which the next file begins. 0 takes 200 MiB.
	RollBytes int64
	// Level is how hard the files' pages are compressed. 0 takes zstd's 1.
	Level parquetfile.Level
}

// Check reports every contract that asks for what its columns' types don't
// have, so that a deployment fails rather than an object.
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
	// Attempt is the attempt's name, a part of every key that it writes.
	Attempt string
	// MayStop lets the engine give up, with code out_of_time, as soon as it
	// sees that it won't come to the object's end in time: another engine waits.
	MayStop bool
	// Rejected is told of every rejected record, in order, and even if the object
	// is refused in the end; the record is valid until it returns. Nil tells nobody.
	Rejected func(record reader.Record, rule string)
}

// Transform runs the job and returns the receipt that it wrote. An object that
// breaks its contract as a whole gets a receipt too, with outcome refused, and
// no error. After an error nothing of the attempt is visible but, at worst,
// files that no receipt names.
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
		r.refuse(fault.As(err))
	}
	return e.finish(ctx, r)
}

// withReserve ends the work before the context's own deadline.
func (e *Engine) withReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-Reserve))
	}
	return context.WithCancel(ctx)
}

// classify names the deadline where it is the true cause of a failed call.
func classify(bounded context.Context, err error) error {
	if bounded.Err() == nil {
		return err
	}
	return fault.Retryable("transform object", fault.OutOfTime, fmt.Errorf("the time of this invocation is over: %w", bounded.Err()))
}

// isRefusal reports whether an error is a property of the object's bytes, so
// that a receipt tells it.
func isRefusal(err error) bool {
	f := fault.As(err)
	return f.Disposition == fault.Permanent && f.Code != fault.ObjectGone
}

// finish completes the receipt and writes it, last of all.
func (e *Engine) finish(ctx context.Context, r *run) (work.Receipt, error) {
	receipt := r.receipt
	receipt.RowsRead, receipt.RowsWritten, receipt.RowsRejected = r.counts.read, r.counts.written, r.counts.rejected
	receipt.FirstRejects = r.counts.first
	receipt.ContentHash = r.source.contentHash()
	receipt.FinishedAt = e.Now().UTC()
	body, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		return work.Receipt{}, fmt.Errorf("encode receipt: %w", err)
	}
	return receipt, e.Store.Put(ctx, work.Location{Bucket: e.Bucket, Key: r.attempt.Receipt()}, body)
}
