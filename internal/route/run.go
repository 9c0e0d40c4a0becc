package route

import (
	"context"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// stuckRunHint is the next step for a run that made no progress after several messages.
const stuckRunHint = "Look at the log of the function ingest and at the age of the ingest queue, and fix the cause."

// sweepRuns sends a message for each ingestion run that may have lost its message: an
// ordered or running run without progress and without a try since before the time. A
// waiting run needs no sweep, because alert resumes it.
func (r *Router) sweepRuns(ctx context.Context, m batch.Message, before time.Time) error {
	var out outbox
	var failed error
	send := func() error {
		letters := out
		out = outbox{}
		return r.sendAll(ctx, m, &letters, "stuck runs found")
	}
	err := r.Journal.EachStuckRun(ctx, before, func(run journal.Run) bool {
		if run.LastSweepAt.After(before) || !run.LastActivity().Before(before) {
			return true
		}
		stuck := work.StuckRun{Dataset: run.Dataset, RunID: run.ID, Before: before}
		out.put(m.ID, r.RouteURL, 0, work.Work{Stage: work.Route, Dataset: run.Dataset}, stuck.Encode())
		if len(out.letters) < maxStuckPage {
			return true
		}
		failed = send()
		return failed == nil
	})
	return errors.Join(err, failed, send())
}

// resumeRun sends the message of a stuck run again. After three messages without effect
// the run fails.
func (r *Router) resumeRun(ctx context.Context, m batch.Message, w work.StuckRun, out *outbox) error {
	name := journal.RunName{Dataset: w.Dataset, ID: w.RunID}
	run, claimed, err := r.Journal.ClaimRunForSweep(ctx, name, m.ID, w.Before)
	switch {
	case err != nil:
		return err
	case run.State == journal.RunFailed && run.Sweeper == m.ID && run.Code == string(fault.Stuck): // the dead letter wasn't sent
		return stuckRun(run, run.Failed)
	case !claimed:
		telemetry.Logger(ctx).InfoContext(ctx, "run has moved on", telemetry.KeyDataset, run.Dataset, telemetry.KeyRunID, run.ID, telemetry.KeyState, string(run.State))
		return nil
	case run.SweepCount > maxSweepCount:
		return stuckRun(run, r.Now())
	}
	out.put(m.ID, r.IngestURL, 0, work.Work{Stage: work.Ingest, Dataset: run.Dataset}, run.Message)
	return nil
}

// stuckRun returns the fault of a run without activity, at the time of its failure.
func stuckRun(run journal.Run, at time.Time) *fault.Fault {
	f := fault.Permanentf("resume run", fault.Stuck, "the run has made no progress since %s UTC (%d hours), and sending its message again %d times had no effect",
		run.Progressed.UTC().Format(time.DateTime), int(at.Sub(run.Progressed).Hours()), maxSweepCount)
	f.Stage, f.Hint = string(work.Ingest), stuckRunHint
	f.Dataset, f.RunID, f.Subject = run.Dataset, run.ID, run.Dataset+" "+run.ID
	return f
}
