package route

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

const (
	// maxSweepCount is the limit of resends for a stuck object. After three resends, a
	// lost message can't be the cause, and the object fails.
	maxSweepCount = 3
	// minSweepInterval prevents a second count by an overlapping sweep.
	minSweepInterval = 15 * time.Minute
)

// routeStuck resumes a stuck object. If there is an unannounced receipt, the receipt is
// routed. An object in a Glue run is left to the check of the run. For any other object
// the message was lost, so the work is sent again. After three resends the object fails.
func (r *Router) routeStuck(ctx context.Context, m batch.Message, w work.Work, out *outbox) error {
	return subjectOf(w.Object, w.Generation, w.Dataset).name(r.resumeStuck(ctx, m, w, out))
}

func (r *Router) resumeStuck(ctx context.Context, m batch.Message, w work.Work, out *outbox) error {
	entry, err := r.Journal.Get(ctx, w.Object.ID())
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return nil // the journal lost the object, and the next sweep announces it
	case err != nil:
		return err
	case failedBefore(entry, m):
		return failAgain(entry)
	case entry.Generation != w.Generation, entry.State.Final(), entry.State == journal.Failed:
		r.logMovedOn(ctx, entry)
		return nil
	}
	if entry.State == journal.Transforming {
		found, err := r.routeLostReceipt(ctx, m, entry, out)
		if found || err != nil || entry.Manifest != "" {
			return err
		}
	}
	return r.resend(ctx, m, entry, out)
}

func (r *Router) logMovedOn(ctx context.Context, e journal.Entry) {
	telemetry.Logger(ctx).InfoContext(ctx, "object has moved on", append(telemetry.Object(e.Object, e.Dataset), telemetry.KeyState, string(e.State))...)
}

// resend claims the object and sends the work for its state.
func (r *Router) resend(ctx context.Context, m batch.Message, entry journal.Entry, out *outbox) error {
	entry, claimed, err := r.Journal.ClaimForSweep(ctx, entry, m.ID, r.Now().Add(-minSweepInterval))
	if err != nil {
		return err
	}
	if !claimed {
		r.logMovedOn(ctx, entry)
		return nil
	}
	waits := pendingWork(entry)
	if entry.SweepCount > maxSweepCount {
		f := fault.Permanentf("wait for "+string(waits.Stage), fault.Stuck, "the object has been in state %s since %s UTC, and sending its work again %d times had no effect",
			entry.State, entry.Times[entry.State].UTC().Format(time.DateTime), maxSweepCount)
		f.Stage = string(waits.Stage)
		return f
	}
	queue, delay := r.TransformURL, time.Duration(0)
	if waits.Stage == work.Load {
		queue, delay = r.LoadURL, r.loadDelay(entry.Dataset)
	}
	out.add(m.ID, queue, delay, waits)
	return nil
}

// pendingWork returns the next work of an object in its state.
func pendingWork(e journal.Entry) work.Work {
	w := work.Work{Stage: work.Transform, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}
	if e.State == journal.Transformed {
		w.Stage, w.Receipt = work.Load, e.Receipt
	}
	return w
}

// routeLostReceipt routes the newest receipt of the entry's generation in the curated
// bucket. It returns false if there is no receipt.
func (r *Router) routeLostReceipt(ctx context.Context, m batch.Message, e journal.Entry, out *outbox) (bool, error) {
	pages := s3.NewListObjectsV2Paginator(r.Lister, &s3.ListObjectsV2Input{
		Bucket: aws.String(r.CuratedBucket), Prefix: aws.String(object.AttemptsPrefix(e.Dataset, e.ID)),
	})
	var found event.Notice
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, fault.AWS("list receipts", fault.StoreAway, err)
		}
		for _, listed := range page.Contents {
			n := event.Notice{Object: object.Object{Bucket: r.CuratedBucket, Key: aws.ToString(listed.Key)}, Time: aws.ToTime(listed.LastModified)}
			attempt, isReceipt := n.Attempt()
			if isReceipt && attempt.Generation() == e.Generation && !n.Time.Before(found.Time) {
				found = n
			}
		}
	}
	if found.Object.Key == "" {
		return false, nil
	}
	telemetry.Logger(ctx).WarnContext(ctx, "receipt was not announced", telemetry.Object(e.Object, e.Dataset)...)
	return true, r.routeNotice(ctx, m, found, out)
}
