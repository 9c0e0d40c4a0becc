package route

import (
	"context"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// routeReceipt journals the result of a transform. routeReceipt sends the object's
// load, or returns the fault of a refused object.
func (r *Router) routeReceipt(ctx context.Context, m batch.Message, n event.Notice, out *outbox) (subject, error) {
	about := subject{uri: n.Object.URI()}
	attempt, found := n.Attempt()
	if !found {
		return about, fault.Permanentf("route receipt", fault.Undecodable, "%q isn't the key of a receipt", n.Object.Key)
	}
	about.id, about.generation, about.dataset = attempt.Object, attempt.Generation(), attempt.Dataset
	at := work.Location{Bucket: n.Object.Bucket, Key: n.Object.Key}
	receipt, err := r.readReceipt(ctx, at)
	switch {
	case fault.Is(err, fault.ReceiptMissing):
		return r.routeMissing(ctx, attempt, about, err)
	case err != nil:
		return about, err
	}
	about = subjectOf(receipt.Object, receipt.Generation, receipt.Dataset)
	if receipt.Outcome == work.Refused {
		return about, r.routeRefusal(ctx, receipt, at)
	}
	return about, r.routeAccepted(ctx, m, receipt, at, out)
}

// readReceipt returns a valid receipt of an object in the landing bucket.
func (r *Router) readReceipt(ctx context.Context, at work.Location) (work.Receipt, error) {
	receipt, err := work.ReadReceipt(ctx, r.Receipts, at)
	if err == nil && receipt.Object.Bucket != r.LandingBucket {
		err = fault.Permanentf("check receipt", fault.ReceiptMismatch,
			"the receipt is for %s, and the stage routes objects of bucket %q", receipt.Object.URI(), r.LandingBucket)
	}
	return receipt, err
}

// routeMissing returns the fault of a deleted receipt, or nil if the object has moved
// on. The fault names the object as in the journal.
func (r *Router) routeMissing(ctx context.Context, attempt object.Attempt, about subject, missing error) (subject, error) {
	entry, err := r.Journal.Get(ctx, attempt.Object)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return about, missing
	case err != nil:
		return about, err
	case entry.State.Final(), entry.Done(attempt.Generation()):
		r.logDropped(ctx, entry)
		return about, nil
	}
	about.uri = entry.Object.URI()
	return about, missing
}

// routeAccepted sends the load of an accepted receipt. If the journal already has a
// receipt of another attempt, that receipt is loaded.
func (r *Router) routeAccepted(ctx context.Context, m batch.Message, receipt work.Receipt, at work.Location, out *outbox) error {
	entry, err := r.Journal.Transformed(ctx, receipt, at)
	if errors.Is(err, journal.ErrNotFound) { // the journal lost the entry, and the receipt proves the arrival of the object
		if _, err = r.Journal.Receive(ctx, receipt.Object, receipt.Dataset); err == nil {
			entry, err = r.Journal.Transformed(ctx, receipt, at)
		}
	}
	if err != nil {
		return err
	}
	if receipt.RowsRejected > 0 {
		telemetry.Put(ctx, map[telemetry.Metric]float64{telemetry.Rejects: float64(receipt.RowsRejected)})
	}
	if entry.State != journal.Transformed || receipt.Generation < entry.Generation {
		r.logDropped(ctx, entry)
		return nil
	}
	if entry.Receipt != nil {
		at = *entry.Receipt
	}
	out.add(m.ID, r.LoadURL, r.loadDelay(receipt.Dataset), work.Work{
		Stage: work.Load, Dataset: receipt.Dataset, Object: receipt.Object, Generation: entry.Generation, Receipt: &at,
	})
	return nil
}

func (r *Router) logDropped(ctx context.Context, entry journal.Entry) {
	telemetry.Logger(ctx).InfoContext(ctx, "receipt dropped",
		append(telemetry.Object(entry.Object, entry.Dataset), telemetry.KeyState, string(entry.State))...)
}

// maxDelay is SQS's limit of DelaySeconds (SQS developer guide,
// sqs-delay-queues).
const maxDelay = 15 * time.Minute

func (r *Router) loadDelay(dataset string) time.Duration {
	delay := r.LoadEvery
	if delay < 0 {
		delay = 0
		if c := r.Contracts.ByDataset(dataset); c != nil {
			delay = c.LoadEvery
		}
	}
	return min(delay, maxDelay)
}
