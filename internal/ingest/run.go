package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// run is one ingestion of one dataset for one interval.
type run struct {
	*Stage
	request  Request
	contract *contract.Contract
	source   Source
	progress progress
	log      *slog.Logger
}

// advance takes the run as far as the deadline lets it.
func (r *run) advance(ctx context.Context) error {
	if err := r.resume(ctx); err != nil {
		return err
	}
	if r.progress.finished() {
		r.log.InfoContext(ctx, "run was finished before", telemetry.KeyRows, r.progress.rows())
		return nil
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	for !r.progress.complete() {
		if r.nearDeadline(ctx) {
			return r.sendContinuation(ctx)
		}
		if err := r.takePage(ctx); err != nil {
			return r.restartIfChanged(ctx, err)
		}
	}
	if r.nearDeadline(ctx) {
		return r.sendContinuation(ctx)
	}
	if err := r.verify(ctx); err != nil {
		return r.restartIfChanged(ctx, err)
	}
	return r.finish(ctx)
}

// checkpointName tells the runs of all datasets apart.
func (r *run) checkpointName() string { return r.request.Dataset + "/" + r.request.RunID() }

func (r *run) resume(ctx context.Context) error {
	_, err := r.Checkpoints.Checkpoint(ctx, r.checkpointName(), &r.progress)
	return err
}

// save makes the progress the run's, in the journal first.
func (r *run) save(ctx context.Context, p progress) error {
	if err := r.Checkpoints.SaveCheckpoint(ctx, r.checkpointName(), p); err != nil {
		return err
	}
	r.progress = p
	return nil
}

// begin counts what the source has, once a pass.
func (r *run) begin(ctx context.Context) error {
	if r.progress.Counted {
		return nil
	}
	count, err := r.source.Count(ctx, r.request.Interval)
	if err != nil {
		return err
	}
	if err := r.checkSize(count); err != nil {
		return err
	}
	p := r.progress
	p.Pass, p.Counted, p.Expected = p.Pass+1, true, count.Matching
	if p.StartedAt.IsZero() {
		p.StartedAt = r.Now().UTC()
	}
	return r.save(ctx, p)
}

// maxParts keeps a run's checkpoint well under DynamoDB's 400 KB an item.
const maxParts = 1000

func (r *run) checkSize(count Count) error {
	most := maxParts * r.contract.Ingest.PageSize
	if count.Allowed > 0 {
		most = min(most, count.Allowed)
	}
	if count.Matching <= most {
		return nil
	}
	f := badRequest("the source has %d records for the interval, and one run takes at most %d", count.Matching, most)
	f.Hint = "Send requests for shorter intervals."
	return f
}

// takePage fetches one page, writes it as a part, and only then moves the
// checkpoint: a run that is killed between the two writes the same part again.
func (r *run) takePage(ctx context.Context) error {
	next := r.progress
	page := newPartWriter()
	err := r.source.Page(ctx, r.request.Interval, next.Fetched, r.contract.Ingest.PageSize, func(record Record) error {
		if err := next.advance(record); err != nil {
			return sourceChangedFault(err)
		}
		if !record.Time.IsZero() && !r.request.Contains(record.Time) {
			return nil
		}
		return page.add(record.JSON)
	})
	if err != nil {
		return err
	}
	next.Exhausted = next.Fetched < r.progress.Fetched+r.contract.Ingest.PageSize
	if page.rows > 0 {
		if err := r.writePart(ctx, &next, page); err != nil {
			return err
		}
	}
	return r.save(ctx, next)
}

func (r *run) writePart(ctx context.Context, next *progress, page *partWriter) error {
	number := len(next.Parts) + 1
	part, err := r.Landing.putPart(ctx, partKey(r.prefix(), number), page)
	if err != nil {
		return err
	}
	next.Parts = append(next.Parts, part)
	next.Highest = max(next.Highest, number)
	r.log.InfoContext(ctx, "part written", telemetry.KeyKey, part.Key, telemetry.KeyWritten, part.Rows)
	return nil
}

func (r *run) prefix() string { return prefix(r.contract, r.request.Interval) }

// verify holds what was fetched against the source's counts before and after:
// after a withdrawal, the pages behind it skip a record and still agree with
// the later count. What it can't see is one record withdrawn and one added.
func (r *run) verify(ctx context.Context) error {
	count, err := r.source.Count(ctx, r.request.Interval)
	if err != nil {
		return err
	}
	if r.progress.Expected != r.progress.Fetched || count.Matching != r.progress.Fetched {
		return sourceChangedFault(sourceChangedError(fmt.Sprintf("%d records fetched, but the source has %d now and had %d before",
			r.progress.Fetched, count.Matching, r.progress.Expected)))
	}
	return nil
}

// finish takes back the parts that only an earlier pass wrote, then says what
// there is.
func (r *run) finish(ctx context.Context) error {
	for n := len(r.progress.Parts) + 1; n <= r.progress.Highest; n++ {
		if err := r.Landing.overwritePart(ctx, partKey(r.prefix(), n)); err != nil {
			return err
		}
	}
	p := r.progress
	p.FinishedAt = r.Now().UTC()
	if err := r.Landing.putManifest(ctx, r.prefix(), r.manifest(p)); err != nil {
		return err
	}
	if err := r.save(ctx, p); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "run finished", telemetry.KeyRows, p.Fetched, telemetry.KeyWritten, p.rows(),
		telemetry.KeyCount, len(p.Parts), telemetry.KeyDuration, p.FinishedAt.Sub(p.StartedAt).Milliseconds())
	return nil
}

func (r *run) manifest(p progress) Manifest {
	return Manifest{
		Dataset: r.request.Dataset, RunID: r.request.RunID(), Contract: r.contract.Version,
		Source: r.source.Address(r.request.Interval), Start: r.request.Start, End: r.request.End,
		Rows: p.rows(), Parts: append([]Part{}, p.Parts...), Passes: p.Pass,
		StartedAt: p.StartedAt, FinishedAt: p.FinishedAt,
	}
}

// sourceChangedFault makes a counted fault of a source that changed: it is tried again,
// and told to somebody if it doesn't settle.
func sourceChangedFault(err error) *fault.Fault {
	f := fault.Retryable("page through source", fault.SourceAway, err)
	f.Hint = "The source changed while it was read; the run starts its pages again."
	return f
}

// restartIfChanged forgets the pages of a source that moved; other errors keep
// them.
func (r *run) restartIfChanged(ctx context.Context, err error) error {
	var moved sourceChangedError
	if !errors.As(err, &moved) {
		return err
	}
	if saveErr := r.save(ctx, r.progress.restarted()); saveErr != nil {
		return saveErr
	}
	return err
}

// nearDeadline reports whether too little time is left for another page.
func (r *run) nearDeadline(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return bounded && deadline.Sub(r.Now()) < r.margin()
}

func (s *Stage) margin() time.Duration {
	if s.Margin == 0 {
		return defaultMargin
	}
	return s.Margin
}
