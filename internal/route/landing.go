package route

import (
	"context"
	"errors"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// routeLanding journals a landing object and asks for its transform. An object
// that is already `received` is sent again, because the first send may have failed.
// Transform claims the object only once.
func (r *Router) routeLanding(ctx context.Context, m batch.Message, o object.Object, out *outbox) (subject, error) {
	about := subjectOf(o, 0, "") // an event is about the first generation
	if reason := o.IgnoreReason(); reason != "" {
		telemetry.Logger(ctx).InfoContext(ctx, "object ignored: "+reason, telemetry.Object(o, "")...)
		return about, r.Journal.Ignore(ctx, o, reason)
	}
	claimed := r.Contracts.ByKey(o.Key)
	if claimed != nil {
		about.dataset = claimed.Dataset()
	}
	entry, err := r.Journal.Receive(ctx, o, about.dataset)
	switch {
	case err != nil:
		return about, err
	case claimed == nil:
		return about, noDataset(o)
	case failedBefore(entry, m):
		return subjectOf(entry.Object, entry.Generation, entry.Dataset), failAgain(entry)
	case entry.State != journal.Received:
		telemetry.Logger(ctx).InfoContext(ctx, "duplicate event dropped",
			append(telemetry.Object(o, about.dataset), telemetry.KeyState, string(entry.State))...)
		return about, nil
	}
	out.add(m.ID, r.TransformURL, 0, work.Work{
		Stage: work.Transform, Dataset: about.dataset, Object: o, Generation: entry.Generation,
	})
	return about, nil
}

// noDataset is permanent. The journal keeps the event itself. After a contract
// claims the key, a redrive routes the object anew.
func noDataset(o object.Object) error {
	return fault.Permanentf("find dataset", fault.NoDataset, "no contract's firn.keyPrefix matches the key %q", o.Key)
}

// failedBefore reports whether this same message made the object fail. Such a
// message returned because its dead letter wasn't sent, and the fault must be
// reported again.
func failedBefore(entry journal.Entry, m batch.Message) bool {
	return entry.State == journal.Failed && entry.Queue == m.Queue && entry.Message == m.Body
}

// failAgain returns the fault of an object that failed before, from the journal.
func failAgain(entry journal.Entry) error {
	return &fault.Fault{
		Op: "route object", Code: fault.Code(entry.Code), Disposition: fault.Permanent,
		Hint: entry.Hint, Err: errors.New(entry.Cause),
	}
}
