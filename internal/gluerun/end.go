package gluerun

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// finalStates are the states after which a run does nothing more.
var finalStates = []types.JobRunState{
	types.JobRunStateSucceeded, types.JobRunStateFailed, types.JobRunStateTimeout,
	types.JobRunStateStopped, types.JobRunStateError, types.JobRunStateExpired,
}

// handleRunEnd gives back what a run left without a receipt, however it ended. It may
// come late and more than once: only objects that are still this run's count.
func (r *Runs) handleRunEnd(ctx context.Context, id string) error {
	output, err := r.Service.GetJobRun(ctx, &glue.GetJobRunInput{JobName: aws.String(r.Job), RunId: aws.String(id)})
	if err != nil {
		f := fault.AWS("read Glue run", fault.GlueAway, err)
		f.RunID = id
		return f
	}
	run := output.JobRun
	log := telemetry.Logger(ctx).With(telemetry.KeyRunID, id, telemetry.KeyState, string(run.JobRunState))
	manifest := r.manifestOfRun(run)
	if manifest == "" || !slices.Contains(finalStates, run.JobRunState) {
		log.InfoContext(ctx, "Glue run not ours, or not at its end")
		return nil
	}
	m, err := r.readManifest(ctx, manifest)
	if err != nil {
		return err
	}
	left, made, err := r.unfinished(ctx, m)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "Glue run ended", telemetry.KeyManifest, m.ID, telemetry.KeyDataset, m.Dataset,
		telemetry.KeyCount, len(m.Objects), telemetry.KeyLeft, len(left), telemetry.KeyError, aws.ToString(run.ErrorMessage))
	return r.retryObjects(ctx, m, left, made, run)
}

// unfinished returns the objects that are this manifest's and have no receipt, and
// whether the run made a receipt of any object.
func (r *Runs) unfinished(ctx context.Context, m work.Manifest) (left []work.Assignment, made bool, err error) {
	for _, a := range m.Objects {
		entry, err := r.Journal.Get(ctx, a.ObjectID)
		if errors.Is(err, journal.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		hasReceipt, err := r.exists(ctx, work.Location{Bucket: r.Bucket, Key: m.Attempt(a).Receipt()})
		switch {
		case err != nil:
			return nil, false, err
		case hasReceipt:
			made = true
		case entry.State == journal.Transforming && entry.Manifest == m.ID:
			left = append(left, a)
		case entry.State == journal.Transforming && entry.Run == "" && entry.Manifest != "":
			// An earlier delivery of this news gave it on, and was cut off.
			if err := r.resume(ctx, entry.Manifest); err != nil {
				return nil, false, err
			}
		}
	}
	return left, made, nil
}

// retryObjects has the objects tried again: each alone where the run got as far as
// a receipt; where it made none once more whole, and then in halves, so that the
// one that breaks the run is found in few runs. An object that breaks a run
// alone is at fault itself.
func (r *Runs) retryObjects(ctx context.Context, m work.Manifest, left []work.Assignment, made bool, run *types.JobRun) error {
	var groups [][]work.Assignment
	switch {
	case len(left) == 0:
		return nil
	case len(left) == 1 && len(m.Objects) == 1 && m.Try > 0:
		return r.singleObjectFault(m, left[0], run)
	case made:
		for _, a := range left {
			groups = append(groups, []work.Assignment{a})
		}
	case m.Try == 0:
		groups = [][]work.Assignment{left}
	default:
		half := (len(left) + 1) / 2
		groups = [][]work.Assignment{left[:half], left[half:]}
	}
	var failures []error
	for _, group := range groups {
		if len(group) > 0 {
			failures = append(failures, r.startNewManifest(ctx, m, group))
		}
	}
	return firstFault(failures)
}

// firstFault returns the first fault, so that it keeps its code, or nil.
func firstFault(failures []error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// singleObjectFault is the fault of an object that a run of its own ended without.
func (r *Runs) singleObjectFault(m work.Manifest, a work.Assignment, run *types.JobRun) error {
	cause := aws.ToString(run.ErrorMessage)
	if cause == "" {
		cause = "Glue gives no reason"
	}
	f := fault.Permanentf("transform object on Glue", fault.GlueFailed, "its run ended %s: %s", run.JobRunState, cause)
	f.RunID = aws.ToString(run.Id)
	return fault.ForObject(f, string(a.ObjectID), m.Dataset, a.Object.URI())
}

// startNewManifest puts objects of a manifest into another, and starts its run. Their own
// names of the attempt change: no two attempts share a key.
func (r *Runs) startNewManifest(ctx context.Context, before work.Manifest, group []work.Assignment) error {
	m, err := r.newManifest(before.Dataset)
	if err != nil {
		return fault.ForObject(err, string(group[0].ObjectID), before.Dataset, group[0].Object.URI())
	}
	m.Try = before.Try + 1
	for _, a := range group {
		if a.Source, err = r.source(ctx, m.ID, a.Object); err != nil {
			return fault.ForObject(err, string(a.ObjectID), m.Dataset, a.Object.URI())
		}
		a.Attempt = object.AttemptName(a.Generation, m.Try+1, r.NewID())
		m.Objects = append(m.Objects, a)
	}
	if err := r.putManifest(ctx, m); err != nil {
		return err
	}
	for _, a := range m.Objects {
		if _, err := r.Journal.Reassign(ctx, a.ObjectID, before.ID, m.ID); err != nil {
			return fmt.Errorf("reassign object: %w", err)
		}
	}
	run, err := r.start(ctx, m)
	if err != nil {
		return err
	}
	return r.setRun(ctx, m, run)
}

// maxOverduePerShard bounds what one check looks at, for each shard of the index.
const maxOverduePerShard = 50

// checkOverdueRuns asks Glue for the runs whose objects have been transforming for too
// long: their end may have been told to nobody.
func (r *Runs) checkOverdueRuns(ctx context.Context) error {
	entries, err := r.Journal.Stuck(ctx, journal.Transforming, r.Now().Add(-r.Overdue), maxOverduePerShard)
	if err != nil {
		return err
	}
	asked := make(map[string]bool)
	var failures []error
	for _, e := range entries {
		switch {
		case e.Manifest == "" || asked[e.Manifest]:
			continue
		case e.Run != "":
			err = r.handleRunEnd(ctx, e.Run)
		default:
			err = r.resume(ctx, e.Manifest)
		}
		asked[e.Manifest] = true
		failures = append(failures, err)
	}
	return firstFault(failures)
}
