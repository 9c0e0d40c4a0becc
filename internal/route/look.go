package route

import (
	"context"
	"errors"
	"fmt"
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
	// maxSweepCount is how often an object is helped on. Whatever stops it then is
	// no lost message, and a person must know.
	maxSweepCount = 3
	// minSweepInterval keeps sweeps that overlap from counting as several.
	minSweepInterval = 15 * time.Minute
)

// routeStuck helps on an object that a sweep found standing still. A receipt that
// nobody announced is routed now. What a Glue run has is left to the check of its
// run. Everything else has lost its message, or its message is put off again and
// again: it gets another one, three times, and then fails.
func (r *Router) routeStuck(ctx context.Context, m batch.Message, w work.Work, out *outbox) error {
	return subjectOf(w.Object, w.Dataset).name(r.lookAtObject(ctx, m, w, out))
}

func (r *Router) lookAtObject(ctx context.Context, m batch.Message, w work.Work, out *outbox) error {
	entry, err := r.Journal.Get(ctx, w.Object.ID())
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return nil // the journal forgot the object: the next sweep announces it
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

// resend claims the object and sends what its state waits for.
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
		f := fault.Permanentf("wait for "+string(waits.Stage), fault.Stuck, "it is %s since %s UTC, and asking for it %d times more moved nothing",
			entry.State, entry.Times[entry.State].UTC().Format(time.DateTime), maxSweepCount)
		f.Stage = string(waits.Stage)
		if waits.Stage == work.Load {
			f.Hint = fmt.Sprintf("Its load is put off again and again: `firn resume %[1]s` if the dataset is paused, `firn migrate` if its table is behind its contract; then redrive.", entry.Dataset)
		}
		return f
	}
	queue, delay := r.TransformURL, time.Duration(0)
	if waits.Stage == work.Load {
		queue, delay = r.LoadURL, r.loadDelay(entry.Dataset)
	}
	out.add(m.ID, queue, delay, waits)
	return nil
}

// pendingWork is the work that moves an object on from where it stands.
func pendingWork(e journal.Entry) work.Work {
	w := work.Work{Stage: work.Transform, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}
	if e.State == journal.Transformed {
		w.Stage, w.Receipt = work.Load, e.Receipt
	}
	return w
}

// routeLostReceipt routes the newest receipt of the entry's generation, if the
// curated bucket has one: its event must have been lost.
func (r *Router) routeLostReceipt(ctx context.Context, m batch.Message, e journal.Entry, out *outbox) (bool, error) {
	pages := s3.NewListObjectsV2Paginator(r.Lister, &s3.ListObjectsV2Input{
		Bucket: aws.String(r.CuratedBucket), Prefix: aws.String(object.ObjectPrefix(e.Dataset, e.ID)),
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
