package route

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// routeRemoval asks for the withdrawal of a deleted landing object, if the contract has
// firn.onDelete: withdraw. Any other deletion is left alone.
//
// A delete marker is a version of its key, with a version id and a sequencer. Load
// withdraws all older versions of the key, so the order of the events doesn't matter. A
// permanent deletion names a version. The sequencer of its event is the deletion's, so
// the version's sequencer comes from the journal. A version without a journal entry has
// no rows: nothing is left to withdraw.
func (r *Router) routeRemoval(ctx context.Context, m batch.Message, n event.Notice, out *outbox) (subject, error) {
	c := r.withdrawing(n.Object)
	if c == nil {
		telemetry.Logger(ctx).InfoContext(ctx, "deletion left alone", telemetry.Object(n.Object, "")...)
		return subjectOf(n.Object, 0, ""), nil
	}
	w := work.Work{Stage: work.Load, Dataset: c.Dataset(), Object: n.Object, Withdraw: withdrawalOf(n)}
	about := subject{dataset: w.Dataset, uri: n.Object.URI()}
	if n.IsPermanent() {
		entry, err := r.Journal.Get(ctx, n.Object.ID())
		if errors.Is(err, journal.ErrNotFound) || err == nil && entry.State == journal.Ignored {
			telemetry.Logger(ctx).InfoContext(ctx, "deleted object has no rows", telemetry.Object(n.Object, w.Dataset)...)
			return about, nil
		}
		if err != nil {
			return about, err
		}
		w.Object, w.Generation = entry.Object, entry.Generation
	}
	out.add(m.ID, r.LoadURL, r.loadDelay(w.Dataset), w)
	return about, nil
}

// withdrawing returns the contract of a landing object if the contract has
// firn.onDelete: withdraw; else nil.
func (r *Router) withdrawing(o object.Object) *contract.Contract {
	c := r.Contracts.ByKey(o.Key)
	if c == nil || o.Bucket != r.LandingBucket || o.IgnoreReason() != "" || c.OnDelete != contract.WithdrawOnDelete {
		return nil
	}
	return c
}

// withdrawalOf returns the withdrawal for a deletion. S3 names the identity behind the
// deletion, except for an event that a sweep announced.
func withdrawalOf(n event.Notice) *work.Withdrawal {
	by := n.Principal
	if by == "" {
		by = "S3"
	}
	return &work.Withdrawal{By: by, Note: "deleted in S3 (" + n.Name + ")"}
}

// announceRemovals sends an event for each delete marker of a page whose key may still
// have rows from before the marker. S3 announces on a best-effort basis. The listed
// markers have no sequencer, so load asks the bucket for the order.
//
// S3 dates a delete marker by the deletion. So each marker is looked at in one sweep,
// without the overlap for uploads in parts: a failed withdrawal is reported once.
func (r *Router) announceRemovals(ctx context.Context, m batch.Message, page work.Page, listed *s3.ListObjectVersionsOutput) error {
	since := page.Since
	if !since.IsZero() {
		since = since.Add(sweepOverlap)
	}
	var out outbox
	for _, marker := range listed.DeleteMarkers {
		deleted := aws.ToTime(marker.LastModified)
		o := object.Object{Bucket: r.LandingBucket, Key: aws.ToString(marker.Key), Version: aws.ToString(marker.VersionId)}
		if deleted.Before(since) || !deleted.Before(page.Until) || r.withdrawing(o) == nil {
			continue
		}
		newest, err := r.Journal.Newest(ctx, o.Bucket, o.Key)
		switch {
		case errors.Is(err, journal.ErrNotFound):
		case err != nil:
			return err
		case newest.State == journal.Withdrawn, newest.State == journal.Ignored, isReplaced(marker, newest, listed.Versions):
		default:
			out.put(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route, Object: o}, event.AnnounceRemoval(o, r.Now()))
		}
	}
	return r.sendAll(ctx, m, &out, "deletions were not announced")
}

// isReplaced reports whether the load of a newer version replaced all rows from before
// the marker. The newer version must be in the same page of the list. Without that proof
// the marker is announced, and a needless event does no harm.
func isReplaced(marker types.DeleteMarkerEntry, newest journal.Entry, versions []types.ObjectVersion) bool {
	return newest.State == journal.Loaded && slices.ContainsFunc(versions, func(v types.ObjectVersion) bool {
		return aws.ToString(v.Key) == newest.Object.Key && aws.ToString(v.VersionId) == newest.Object.Version &&
			aws.ToTime(v.LastModified).After(aws.ToTime(marker.LastModified))
	})
}
