package route

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

const (
	// defaultGrace is the minimum age of an unannounced version. The event of a younger
	// version may be delayed, or wait in a long queue.
	defaultGrace = time.Hour
	// defaultStuck is the age of a state after which an object counts as stuck. A
	// delayed message returns within 15 minutes. The same time applies to the last
	// activity of an ingestion run.
	defaultStuck = 6 * time.Hour
	// sweepOverlap is the time by which a sweep repeats the interval of the sweep
	// before. S3 dates a multipart upload by its start (AmazonS3 userguide,
	// UsingMetadata), so a version can be older than a sweep that couldn't list the
	// version. `firn audit` finds uploads that took longer.
	sweepOverlap = 24 * time.Hour
	// maxListingTime is the time limit of a message for the listing of the bucket.
	// Another message continues the list, and the rest of the batch doesn't wait.
	maxListingTime = 10 * time.Second
	// maxStuckTime is the time limit of a message for the search for stuck objects. The
	// listing of the bucket can follow in the same minute.
	maxStuckTime = 15 * time.Second
	// maxStuckPage is the number of objects in a page of the search for stuck objects. A
	// sweep has one page in memory.
	maxStuckPage = 500
	// maxParallelReads is the number of concurrent reads of the journal.
	maxParallelReads = 10
)

// sweep finds lost events and lost messages, because S3 and Glue announce only on a
// best-effort basis. A sweep first reads the stuck objects, then lists the landing
// bucket, both page by page. Another message continues a long search. Each result becomes a
// message with its own faults, dead letter and redrive. Sweeps may overlap, because a
// repeated result has no effect.
func (r *Router) sweep(ctx context.Context, m batch.Message, s work.Sweep) error {
	if s.Page == nil {
		if done, err := r.sweepStuck(ctx, m, s); err != nil || !done {
			return err
		}
		if err := r.sweepRuns(ctx, m, r.Now().Add(-s.Stuck.Or(defaultStuck))); err != nil {
			return err
		}
		s.StuckPlace = nil
		since, err := r.sweepStart(ctx, s)
		if err != nil {
			return err
		}
		s.Page = &work.Page{Since: since, Until: s.At.Add(-s.Grace.Or(defaultGrace))}
	}
	return r.sweepLanding(ctx, m, s)
}

// sweepStart returns the start of a sweep of the landing bucket: the end of the last
// sweep, minus the overlap.
func (r *Router) sweepStart(ctx context.Context, s work.Sweep) (time.Time, error) {
	if s.All {
		return time.Time{}, nil
	}
	swept, err := r.Journal.SweptUntil(ctx)
	if err != nil || swept.IsZero() {
		return swept, err
	}
	return swept.Add(-sweepOverlap), nil
}

// sweepStuck sends a message for each stuck object, page by page. It returns false if
// another message continues the search, and then also lists the landing bucket.
//
// An object is stuck after a time without a change of state and without a try. A try
// proves that the object's message isn't lost, so an object with a known cause of its
// wait isn't stuck. During an outage of Snowflake, transformed objects don't count as
// stuck.
func (r *Router) sweepStuck(ctx context.Context, m batch.Message, s work.Sweep) (done bool, err error) {
	outage, err := r.Journal.Outage(ctx, breaker.Snowflake)
	if err != nil {
		return false, err
	}
	before, end := r.Now().Add(-s.Stuck.Or(defaultStuck)), r.Now().Add(maxStuckTime)
	place := firstStuckPlace(s)
	for place.State != "" {
		if place.State == string(journal.Transformed) && outage.Open {
			break
		}
		next, err := r.sendStuck(ctx, m, place, before)
		if err != nil {
			return false, err
		}
		if place = next; place.State != "" && !r.Now().Before(end) {
			s.StuckPlace = &place
			return false, r.sendNextPage(ctx, m, s)
		}
	}
	return true, nil
}

// stuckStates are the states of stuck objects, in the order of the search.
var stuckStates = []journal.State{journal.Received, journal.Transforming, journal.Transformed}

// firstStuckPlace is the place at which the message begins or continues the search.
func firstStuckPlace(s work.Sweep) work.StuckPlace {
	if s.StuckPlace != nil {
		return *s.StuckPlace
	}
	return work.StuckPlace{State: string(stuckStates[0])}
}

// sendStuck sends a message for each stuck object of a page of the journal, and returns
// the place of the next page. An empty place means the end of the search.
func (r *Router) sendStuck(ctx context.Context, m batch.Message, place work.StuckPlace, before time.Time) (work.StuckPlace, error) {
	page, next, err := r.Journal.StuckPage(ctx, place, before, maxStuckPage)
	if err != nil {
		return next, err
	}
	var out outbox
	for _, e := range page {
		if !e.LastSweepAt.After(before) && e.LastActivity().Before(before) {
			out.add(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation})
		}
	}
	if at := slices.Index(stuckStates, journal.State(place.State)); next.State == "" && at >= 0 && at+1 < len(stuckStates) {
		next.State = string(stuckStates[at+1])
	}
	return next, r.sendAll(ctx, m, &out, "stuck objects found")
}

// sweepLanding announces the versions in the landing bucket without an entry in the
// journal.
func (r *Router) sweepLanding(ctx context.Context, m batch.Message, s work.Sweep) error {
	input := &s3.ListObjectVersionsInput{Bucket: aws.String(r.LandingBucket)}
	if s.Page.Key != "" {
		input.KeyMarker, input.VersionIdMarker = aws.String(s.Page.Key), aws.String(s.Page.Version)
	}
	for end := r.Now().Add(maxListingTime); ; {
		page, err := r.Lister.ListObjectVersions(ctx, input)
		if err != nil {
			return fault.AWS("list versions", fault.StoreAway, err)
		}
		if err := r.announce(ctx, m, *s.Page, page.Versions); err != nil {
			return err
		}
		if err := r.announceRemovals(ctx, m, *s.Page, page); err != nil {
			return err
		}
		if !aws.ToBool(page.IsTruncated) {
			telemetry.Logger(ctx).InfoContext(ctx, "landing bucket swept", telemetry.KeyDuration, r.Now().Sub(s.At).Milliseconds())
			return r.Journal.SetSweptUntil(ctx, s.Page.Until)
		}
		input.KeyMarker, input.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
		s.Page.Key, s.Page.Version = aws.ToString(page.NextKeyMarker), aws.ToString(page.NextVersionIdMarker)
		if !r.Now().Before(end) {
			return r.sendNextPage(ctx, m, s)
		}
	}
}

// sendNextPage sends the rest of the list to another message. Each message continues
// after the last page, so the chain ends.
func (r *Router) sendNextPage(ctx context.Context, m batch.Message, s work.Sweep) error {
	var out outbox
	out.put(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route}, s.Encode())
	return r.sendAll(ctx, m, &out, "sweep continues")
}

// announce sends an event for each version without an entry in the journal.
func (r *Router) announce(ctx context.Context, m batch.Message, page work.Page, versions []types.ObjectVersion) error {
	candidates := r.candidates(page, versions)
	unknown := make([]bool, len(candidates))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(maxParallelReads)
	for i, o := range candidates {
		group.Go(func() error {
			_, err := r.Journal.Get(asking, o.ID())
			if unknown[i] = errors.Is(err, journal.ErrNotFound); unknown[i] {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var out outbox
	for i, o := range candidates {
		if unknown[i] {
			out.put(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route, Object: o}, event.Announce(o, r.Now()))
		}
	}
	return r.sendAll(ctx, m, &out, "versions were not announced")
}

// candidates returns the versions in the interval of the sweep, without ignored names.
// The listed versions have no sequencer.
func (r *Router) candidates(page work.Page, versions []types.ObjectVersion) []object.Object {
	var all []object.Object
	for _, v := range versions {
		o := object.Object{
			Bucket: r.LandingBucket, Key: aws.ToString(v.Key), Version: aws.ToString(v.VersionId),
			ETag: strings.Trim(aws.ToString(v.ETag), `"`), Size: aws.ToInt64(v.Size),
		}
		written := aws.ToTime(v.LastModified)
		if written.Before(page.Since) || !written.Before(page.Until) || o.IgnoreReason() != "" {
			continue
		}
		all = append(all, o)
	}
	return all
}

// sendAll sends immediately, not with the rest of the batch. A sweep may record its
// progress only after all messages are sent.
func (r *Router) sendAll(ctx context.Context, m batch.Message, out *outbox, found string) error {
	if len(out.letters) == 0 {
		return nil
	}
	telemetry.Logger(ctx).WarnContext(ctx, found, telemetry.KeyCount, len(out.letters))
	return r.send(ctx, out)[m.ID]
}
