package route

import (
	"context"
	"errors"
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
	// defaultGrace is how old a version must be to be missed: its event may be on its
	// way, or wait in a long queue.
	defaultGrace = time.Hour
	// defaultStuck is how long an object must stand still to be looked at: a message
	// that is put off comes back within a quarter of an hour.
	defaultStuck = 6 * time.Hour
	// sweepOverlap is how far before the last sweep's end the next one begins. S3
	// dates an upload by parts by its begin (AmazonS3 userguide, UsingMetadata),
	// so it may be dated before a sweep that couldn't see it. What took longer is
	// found by `firn audit`.
	sweepOverlap = 24 * time.Hour
	// maxListingTime is how long one message may list the bucket. The rest is another
	// message's, so that the others of the batch don't wait.
	maxListingTime = 10 * time.Second
	// maxStuckPerShard bounds what one sweep looks at, for each state and shard of the
	// index.
	maxStuckPerShard = 100
	// maxParallelReads is how many questions the journal gets at a time.
	maxParallelReads = 10
)

// sweep looks for what S3 and Glue didn't tell: both promise to do their best.
// It begins with what stands still and goes on with the landing bucket, page by
// page; what a message has no time for, it hands on. Everything that it finds
// becomes a message of its own, with faults, dead letter and redrive of its own.
// Sweeps may overlap: whatever they find twice counts once.
func (r *Router) sweep(ctx context.Context, m batch.Message, s work.Sweep) error {
	if s.Page == nil {
		if err := r.sweepStuck(ctx, m, s); err != nil {
			return err
		}
		since, err := r.sweepStart(ctx, s)
		if err != nil {
			return err
		}
		s.Page = &work.Page{Since: since, Until: s.At.Add(-s.Grace.Or(defaultGrace))}
	}
	return r.sweepLanding(ctx, m, s)
}

// sweepStart is where a sweep of the landing bucket begins: where the last one ended.
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

// sweepStuck asks for a look at each object that has stood still for too long.
// While Snowflake is away, what waits for its load is no wonder.
func (r *Router) sweepStuck(ctx context.Context, m batch.Message, s work.Sweep) error {
	outage, err := r.Journal.Outage(ctx, breaker.Snowflake)
	if err != nil {
		return err
	}
	states := []journal.State{journal.Received, journal.Transforming}
	if !outage.Open {
		states = append(states, journal.Transformed)
	}
	before := r.Now().Add(-s.Stuck.Or(defaultStuck))
	var out outbox
	for _, state := range states {
		entries, err := r.Journal.Stuck(ctx, state, before, maxStuckPerShard)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.LastSweepAt.After(before) {
				continue
			}
			out.add(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation})
		}
	}
	return r.sendAll(ctx, m, &out, "objects stand still")
}

// sweepLanding announces the versions in the landing bucket that the journal
// doesn't know.
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

// sendNextPage leaves the rest of the list to another message. Each one gets further,
// so the chain has an end.
func (r *Router) sendNextPage(ctx context.Context, m batch.Message, s work.Sweep) error {
	var out outbox
	out.put(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route}, s.Encode())
	return r.sendAll(ctx, m, &out, "sweep goes on")
}

// announce sends for each version that the journal doesn't know the event that
// S3 didn't send.
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

// candidates are the versions that a sweep looks for: none that may be on their
// way, none that an earlier sweep saw, nothing that is nobody's data. The list
// has no sequencers.
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

// sendAll sends at once, and not with the rest of the batch: a sweep notes how
// far it came only when all is sent.
func (r *Router) sendAll(ctx context.Context, m batch.Message, out *outbox, found string) error {
	if len(out.letters) == 0 {
		return nil
	}
	telemetry.Logger(ctx).WarnContext(ctx, found, telemetry.KeyCount, len(out.letters))
	return r.send(ctx, out)[m.ID]
}
