package gluerun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// begin assigns the objects to a new manifest and starts its run. failed gets the
// errors by message id.
//
// StartJobRun has no token against a second start
// (aws:glue/latest/webapi/API_StartJobRun). For this reason, the journal has the
// manifest before the run starts, and a repeated message searches for the manifest's
// run.
func (r *Runs) begin(ctx context.Context, dataset string, claims []claim, failed map[string]error) {
	m, err := r.newManifest(dataset)
	if err != nil {
		failAll(failed, claims, err)
		return
	}
	claims = r.addAssignments(ctx, &m, claims, failed)
	if len(claims) == 0 {
		return
	}
	run, err := r.commit(ctx, m, claims)
	switch {
	case err == nil:
		if err := r.setRun(ctx, m, run); err != nil {
			failAll(failed, claims, err)
		}
	case mayHaveStarted(err):
		failAll(failed, claims, err) // the claims stay: the next delivery finds or starts the run
	default:
		r.giveUp(ctx, claims, failed, err)
	}
}

// addAssignments adds the readable objects to the manifest and returns their claims.
func (r *Runs) addAssignments(ctx context.Context, m *work.Manifest, claims []claim, failed map[string]error) []claim {
	var readable []claim
	for _, c := range claims {
		source, err := r.source(ctx, m.ID, c.work.Object)
		if err != nil {
			r.giveUp(ctx, []claim{c}, failed, err)
			continue
		}
		m.Objects = append(m.Objects, work.Assignment{
			Object: c.work.Object, ObjectID: c.work.Object.ID(), Generation: c.work.Generation, Source: source,
			Attempt: object.AttemptName(c.work.Generation, c.entry.Attempts, r.NewID()),
		})
		readable = append(readable, c)
	}
	return readable
}

// commit writes the manifest, then the journal, then starts the run.
func (r *Runs) commit(ctx context.Context, m work.Manifest, claims []claim) (run string, err error) {
	if err := r.putManifest(ctx, m); err != nil {
		return "", err
	}
	for _, c := range claims {
		if _, err := r.Journal.Assign(ctx, c.work.Object.ID(), c.owner(), m.ID); err != nil {
			return "", err
		}
	}
	return r.start(ctx, m)
}

// giveUp fails the messages and releases their claims. SQS delivers the messages again.
func (r *Runs) giveUp(ctx context.Context, claims []claim, failed map[string]error, err error) {
	failAll(failed, claims, err)
	for _, c := range claims {
		if err := r.Journal.Release(ctx, c.work.Object.ID(), c.owner()); err != nil {
			logger(ctx, c.work.Dataset, c.work.Object).WarnContext(ctx, "claim not released", telemetry.KeyError, err.Error())
		}
	}
}

func (r *Runs) newManifest(dataset string) (work.Manifest, error) {
	c := r.Contracts.ByDataset(dataset)
	if c == nil {
		return work.Manifest{}, fault.Permanentf("find contract", fault.NoDataset, "no contract of this deployment is named %s", dataset)
	}
	portable, err := c.Portable()
	if err != nil {
		return work.Manifest{}, fmt.Errorf("write contract %s: %w", c.Dataset(), err)
	}
	return work.Manifest{
		ID: r.NewID(), Dataset: c.Dataset(), CuratedBucket: r.Bucket, Contract: portable, CreatedAt: r.Now().UTC(),
	}, nil
}

const manifestArgument = "--manifest"

// start starts a run of the manifest.
func (r *Runs) start(ctx context.Context, m work.Manifest) (run string, err error) {
	output, err := r.Service.StartJobRun(ctx, &glue.StartJobRunInput{
		JobName:   aws.String(r.Job),
		Arguments: map[string]string{manifestArgument: r.uri(m.ID)},
	})
	if err != nil {
		return "", fault.AWS("start Glue run", fault.GlueAway, err)
	}
	run = aws.ToString(output.JobRunId)
	telemetry.Logger(ctx).InfoContext(ctx, "Glue run started", telemetry.KeyDataset, m.Dataset,
		telemetry.KeyRunID, run, telemetry.KeyManifest, m.ID, telemetry.KeyCount, len(m.Objects), telemetry.KeyAttempt, m.Try+1)
	return run, nil
}

func (r *Runs) uri(manifest string) string {
	return "s3://" + r.Bucket + "/" + work.ManifestKey(manifest)
}

// mayHaveStarted reports whether the failed start may have started a run: the answer
// was lost, or Glue had an internal error. A refused start and an earlier error return
// false.
func mayHaveStarted(err error) bool {
	return fault.Is(err, fault.GlueAway) && !fault.IsAWS(err,
		"ConcurrentRunsExceededException", "ResourceNumberLimitExceededException", "ThrottlingException",
		"EntityNotFoundException", "InvalidInputException")
}

// setRun records the run for every object of the manifest.
func (r *Runs) setRun(ctx context.Context, m work.Manifest, run string) error {
	var failures []error
	for _, a := range m.Objects {
		failures = append(failures, r.Journal.SetRun(ctx, a.ObjectID, m.ID, run))
	}
	return errors.Join(failures...)
}

// resume finishes a manifest without a recorded run: it searches for the run or starts
// the run.
func (r *Runs) resume(ctx context.Context, manifest string) error {
	m, err := r.readManifest(ctx, manifest)
	if err != nil {
		return err
	}
	run, err := r.findRun(ctx, m)
	if err == nil && run == "" {
		run, err = r.start(ctx, m)
	}
	if err != nil {
		return err
	}
	return r.setRun(ctx, m, run)
}

// findRun returns the run of the manifest, or "". Glue returns the newest runs first
// (aws:glue/latest/webapi/API_GetJobRuns).
func (r *Runs) findRun(ctx context.Context, m work.Manifest) (run string, err error) {
	input := &glue.GetJobRunsInput{JobName: aws.String(r.Job)}
	for {
		output, err := r.Service.GetJobRuns(ctx, input)
		if err != nil {
			return "", fault.AWS("look for Glue run", fault.GlueAway, err)
		}
		for _, candidate := range output.JobRuns {
			if candidate.Arguments[manifestArgument] == r.uri(m.ID) {
				return aws.ToString(candidate.Id), nil
			}
		}
		if output.NextToken == nil || allBefore(output.JobRuns, m) {
			return "", nil
		}
		input.NextToken = output.NextToken
	}
}

// allBefore reports whether all runs of the page are older than the manifest.
func allBefore(runs []types.JobRun, m work.Manifest) bool {
	for _, run := range runs {
		if run.StartedOn == nil || !run.StartedOn.Before(m.CreatedAt) {
			return false
		}
	}
	return true
}

// manifestOfRun returns the id of the run's manifest, or "" for a run started by hand.
func (r *Runs) manifestOfRun(run *types.JobRun) string {
	key, found := strings.CutPrefix(run.Arguments[manifestArgument], "s3://"+r.Bucket+"/"+work.ManifestPrefix)
	id, isJSON := strings.CutSuffix(key, ".json")
	if !found || !isJSON {
		return ""
	}
	return id
}

func logger(ctx context.Context, dataset string, o object.Object) *slog.Logger {
	return telemetry.Logger(ctx).With(telemetry.Object(o, dataset)...)
}
