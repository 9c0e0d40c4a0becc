package gluerun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// finalStates are the last states of a run.
var finalStates = []types.JobRunState{
	types.JobRunStateSucceeded, types.JobRunStateFailed, types.JobRunStateTimeout,
	types.JobRunStateStopped, types.JobRunStateError, types.JobRunStateExpired,
}

// handleRunEnd retries the objects of an ended run without a receipt. The message may
// come late and repeatedly, so only objects still assigned to this run count.
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
		log.InfoContext(ctx, "Glue run ignored: started by hand, or still active")
		return nil
	}
	m, err := r.readManifest(ctx, manifest)
	if err != nil {
		return err
	}
	missing, hasReceipts, err := r.unfinished(ctx, m)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "Glue run ended", telemetry.KeyManifest, m.ID, telemetry.KeyDataset, m.Dataset,
		telemetry.KeyCount, len(m.Objects), telemetry.KeyLeft, len(missing), telemetry.KeyError, reason(run, m.Objects...))
	return r.retryObjects(ctx, m, missing, hasReceipts, run)
}

// unfinished returns the objects assigned to this manifest without a receipt.
// hasReceipts reports whether the run wrote any receipt.
func (r *Runs) unfinished(ctx context.Context, m work.Manifest) (missing []work.Assignment, hasReceipts bool, err error) {
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
			hasReceipts = true
		case entry.State == journal.Transforming && entry.Manifest == m.ID:
			missing = append(missing, a)
		case entry.State == journal.Transforming && entry.Run == "" && entry.Manifest != "":
			// An earlier delivery of this message assigned the object to a new manifest
			// and was interrupted before its run was recorded.
			if err := r.resume(ctx, entry.Manifest); err != nil {
				return nil, false, err
			}
		}
	}
	return missing, hasReceipts, nil
}

// retryObjects starts new runs for the objects without a receipt. If the run wrote any
// receipt, each object gets a run of its own. Otherwise, the first retry has all
// objects again, and later retries have halves, so that few runs find a broken object.
// An object fails if a retry with only this object ends without its receipt.
func (r *Runs) retryObjects(ctx context.Context, m work.Manifest, missing []work.Assignment, hasReceipts bool, run *types.JobRun) error {
	var groups [][]work.Assignment
	switch {
	case len(missing) == 0:
		return nil
	case len(missing) == 1 && len(m.Objects) == 1 && m.Try > 0:
		return r.singleObjectFault(m, missing[0], run)
	case hasReceipts:
		for _, a := range missing {
			groups = append(groups, []work.Assignment{a})
		}
	case m.Try == 0:
		groups = [][]work.Assignment{missing}
	default:
		half := (len(missing) + 1) / 2
		groups = [][]work.Assignment{missing[:half], missing[half:]}
	}
	var failures []error
	for _, group := range groups {
		if len(group) > 0 {
			failures = append(failures, r.startNewManifest(ctx, m, group))
		}
	}
	return firstFault(failures)
}

// firstFault returns the first fault, with its code, or nil.
func firstFault(failures []error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// errorClass is the class of the exception at the start of a run's error.
var errorClass = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,120}(Error|Exception): `)

// reason returns the run's error without the values of rows: the messages of Python and
// Spark quote the value that caused an error. The names of the objects stay.
func reason(run *types.JobRun, objects ...work.Assignment) string {
	var own strings.Builder
	for _, a := range objects {
		own.WriteString(a.Object.URI() + "\n")
	}
	message := fault.OneLine(aws.ToString(run.ErrorMessage))
	class := errorClass.FindString(message)
	return class + fault.Clean(message[len(class):], own.String())
}

// singleObjectFault returns the fault of an object, after a run with only this object.
func (r *Runs) singleObjectFault(m work.Manifest, a work.Assignment, run *types.JobRun) error {
	cause := reason(run, a)
	if cause == "" {
		cause = "Glue gives no reason"
	}
	f := fault.Permanentf("transform object on Glue", fault.GlueFailed, "its run ended %s: %s", run.JobRunState, cause)
	f.RunID = aws.ToString(run.Id)
	return fault.ForObject(f, string(a.ObjectID), a.Generation, m.Dataset, a.Object.URI())
}

// startNewManifest moves objects to a new manifest and starts its run. Each object gets
// a new attempt name, so that no two attempts share a key.
func (r *Runs) startNewManifest(ctx context.Context, previous work.Manifest, group []work.Assignment) error {
	m, err := r.newManifest(previous.Dataset)
	if err != nil {
		return fault.ForObject(err, string(group[0].ObjectID), group[0].Generation, previous.Dataset, group[0].Object.URI())
	}
	m.Try = previous.Try + 1
	for _, a := range group {
		if a.Source, err = r.source(ctx, m.ID, a.Object); err != nil {
			return fault.ForObject(err, string(a.ObjectID), a.Generation, m.Dataset, a.Object.URI())
		}
		a.Attempt = object.AttemptName(a.Generation, m.Try+1, r.NewID())
		m.Objects = append(m.Objects, a)
	}
	if err := r.putManifest(ctx, m); err != nil {
		return err
	}
	for _, a := range m.Objects {
		if _, err := r.Journal.Reassign(ctx, a.ObjectID, previous.ID, m.ID); err != nil {
			return fmt.Errorf("reassign object: %w", err)
		}
	}
	run, err := r.start(ctx, m)
	if err != nil {
		return err
	}
	return r.setRun(ctx, m, run)
}

// maxOverdueManifests is the maximum number of manifests of one check.
const maxOverdueManifests = 50

// checkOverdueRuns asks Glue for the runs of objects that are in transforming for too
// long. The event of such a run's end may be lost.
func (r *Runs) checkOverdueRuns(ctx context.Context) error {
	runs := make(map[string]string) // of each manifest
	err := r.Journal.EachStuck(ctx, journal.Transforming, r.Now().Add(-r.Overdue), func(e journal.Entry) bool {
		if e.Manifest != "" {
			runs[e.Manifest] = cmp.Or(e.Run, runs[e.Manifest])
		}
		return len(runs) < maxOverdueManifests
	})
	failures := []error{err}
	for _, manifest := range slices.Sorted(maps.Keys(runs)) {
		if run := runs[manifest]; run != "" {
			failures = append(failures, r.handleRunEnd(ctx, run))
		} else {
			failures = append(failures, r.resume(ctx, manifest))
		}
	}
	return firstFault(failures)
}
