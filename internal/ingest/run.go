package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

// run is the ingestion of a dataset for an interval.
type run struct {
	*Stage
	request  Request
	contract *contract.Contract
	source   Source
	progress progress
	// delay is the last failed try since the last progress; nil for none.
	delay *journal.Delay
	log   *slog.Logger
}

// advance continues the run until its end or its deadline.
func (r *run) advance(ctx context.Context) error {
	started, err := r.start(ctx)
	if err != nil || !started {
		return err
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

func (r *run) name() journal.RunName {
	return journal.RunName{Dataset: r.request.Dataset, ID: r.request.RunID()}
}

// start records the try in the journal and reads the checkpoint. It returns false if the
// message has no work: the run is finished, or waits for a later try.
func (r *run) start(ctx context.Context) (bool, error) {
	order := journal.RunOrder{RunName: r.name(), Message: Request{Dataset: r.request.Dataset, Interval: r.request.Interval}.Encode()}
	state, started, err := r.Runs.StartRun(ctx, order)
	if err != nil {
		return false, err
	}
	if !started {
		r.log.InfoContext(ctx, "run has no work for this message", telemetry.KeyState, string(state.State), telemetry.KeyRows, state.Rows)
		return false, nil
	}
	r.delay = state.Delay
	_, err = r.Runs.Checkpoint(ctx, r.name(), &r.progress)
	return err == nil, err
}

// save writes the progress to the journal, then to the run.
func (r *run) save(ctx context.Context, p progress) error {
	if err := r.Runs.SaveCheckpoint(ctx, r.name(), p, p.counts()); err != nil {
		return err
	}
	r.progress, r.delay = p, nil
	return nil
}

// begin counts the source's records at the start of a pass.
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

// maxParts keeps a run's checkpoint well below DynamoDB's limit of 400 KB for an item.
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

// takePage fetches a page, writes the page as a part, and then saves the checkpoint. A
// run that is killed in between writes the same part again.
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
	next.Pages++
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

// verify compares the number of fetched records with the source's counts before and
// after the pass. The later count alone isn't enough: after a withdrawal the pages skip
// a record and agree with the later count. verify can't detect one withdrawn and one
// added record.
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

// finish overwrites the extra parts of earlier passes, then writes the manifest and the
// checkpoint.
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

// sourceChangedFault returns a fault that is retried and counts as an attempt. A source
// that keeps changing causes a mail.
func sourceChangedFault(err error) *fault.Fault {
	f := fault.Retryable("fetch pages", fault.SourceAway, err)
	f.Hint = "The source changed during the run; the run fetches all pages again."
	return f
}

// restartIfChanged discards the pages after a change of the source. After other errors
// the pages stay.
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

// nearDeadline reports whether the time is too short for another page.
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
