package route

import (
	"context"
	"errors"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// routeLanding journals a landing object and asks for its transform. An object
// that is `received` already is sent again, because the first send may have
// failed; transform claims it only once.
func (r *Router) routeLanding(ctx context.Context, m batch.Message, n event.Notice, out *outbox) error {
	o := n.Object
	if reason := o.IgnoredBecause(); reason != "" {
		telemetry.Logger(ctx).InfoContext(ctx, "object ignored: "+reason, telemetry.Object(o, "")...)
		return onObject(r.Journal.Ignore(ctx, o, reason), o, "")
	}
	dataset := ""
	claimed := r.Contracts.ByKey(o.Key)
	if claimed != nil {
		dataset = claimed.Dataset()
	}
	entry, err := r.Journal.Receive(ctx, o, dataset)
	switch {
	case err != nil:
		return onObject(err, o, dataset)
	case claimed == nil:
		return noDataset(o)
	case failedBefore(entry, m):
		return failAgain(entry)
	case entry.State != journal.Received:
		telemetry.Logger(ctx).InfoContext(ctx, "duplicate event dropped",
			append(telemetry.Object(o, dataset), telemetry.KeyState, string(entry.State))...)
		return nil
	}
	out.add(m.ID, r.TransformURL, 0, work.Work{
		Stage: work.Transform, Dataset: dataset, Object: o, Generation: entry.Generation,
	})
	return nil
}

// noDataset is permanent. The journal keeps the event itself, so that a redrive
// routes the object anew once a contract claims its key.
func noDataset(o object.Object) error {
	f := fault.Permanentf("find dataset", fault.NoDataset, "no contract's firn.keyPrefix begins the key %q", o.Key)
	return onObject(f, o, "")
}

// failedBefore reports whether this very message made the object fail: it came
// back because its dead letter couldn't be sent, and must try that again.
func failedBefore(entry journal.Entry, m batch.Message) bool {
	return entry.State == journal.Failed && entry.Queue == m.Queue && entry.Message == m.Body
}

func failAgain(entry journal.Entry) error {
	f := &fault.Fault{
		Op: "route object", Code: fault.Code(entry.Code), Disposition: fault.Permanent,
		Hint: entry.Hint, Err: errors.New(entry.Cause),
	}
	return onObject(f, entry.Object, entry.Dataset)
}

// onObject names the object on a fault; nil stays nil.
func onObject(err error, o object.Object, dataset string) error {
	if err == nil {
		return nil
	}
	return fault.On(err, string(o.ID()), dataset, o.URI())
}
