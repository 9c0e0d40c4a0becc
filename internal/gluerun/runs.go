// Package gluerun transforms objects by runs of a Glue job. It collects waiting objects
// into a manifest and starts a run. After the run, it retries the objects without a
// receipt.
package gluerun

import (
	"context"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Journal is the part of the journal used by Runs.
type Journal interface {
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Start(ctx context.Context, w work.Work, owner string, until time.Time) (journal.Entry, bool, error)
	Assign(ctx context.Context, id object.ID, owner, manifest string) (bool, error)
	Reassign(ctx context.Context, id object.ID, from, to string) (bool, error)
	SetRun(ctx context.Context, id object.ID, manifest, run string) error
	Release(ctx context.Context, id object.ID, owner string) error
	EachStuck(ctx context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error
}

// Service is the part of AWS Glue used by Runs.
type Service interface {
	StartJobRun(context.Context, *glue.StartJobRunInput, ...func(*glue.Options)) (*glue.StartJobRunOutput, error)
	GetJobRun(context.Context, *glue.GetJobRunInput, ...func(*glue.Options)) (*glue.GetJobRunOutput, error)
	GetJobRuns(context.Context, *glue.GetJobRunsInput, ...func(*glue.Options)) (*glue.GetJobRunsOutput, error)
}

// Store is the part of S3 used by Runs.
type Store interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	Copier
}

// Runs handles the messages of the Glue queue: work, the ends of runs, and the request
// to check overdue runs.
type Runs struct {
	Contracts contract.Set
	Journal   Journal
	Service   Service
	Store     Store
	// Job is the name of the Glue job, Bucket the curated bucket.
	Job, Bucket string
	// Overdue is the time of an object in a run before Glue is asked for the run's
	// state.
	Overdue time.Duration
	Now     func() time.Time
	// NewID returns a unique text for a manifest or attempt.
	NewID func() string
}

// Handle handles a batch of messages. Work of the same dataset goes to one run. The
// result has an error for each failed message, by message id.
func (r *Runs) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	var workMessages, runMessages []batch.Message
	for _, m := range messages {
		if _, ended := event.EndedGlueRun(m.Body); ended || work.IsCheckRuns(m.Body) {
			runMessages = append(runMessages, m)
		} else {
			workMessages = append(workMessages, m)
		}
	}
	failed := batch.Each(r.handleRunMessage)(ctx, runMessages)
	maps.Copy(failed, r.handleWork(ctx, workMessages))
	return failed
}

func (r *Runs) handleRunMessage(ctx context.Context, m batch.Message) error {
	if run, ended := event.EndedGlueRun(m.Body); ended {
		return r.handleRunEnd(ctx, run)
	}
	return r.checkOverdueRuns(ctx)
}

// claim is the claimed object of a message.
type claim struct {
	message batch.Message
	work    work.Work
	entry   journal.Entry
}

// owner is the owner of the claim in the journal.
func (c claim) owner() string { return c.message.ID }

// handleWork claims the objects and starts one run for each dataset. If an earlier
// delivery of the message has assigned the object to a manifest, that manifest is
// resumed.
func (r *Runs) handleWork(ctx context.Context, messages []batch.Message) map[string]error {
	failed := make(map[string]error)
	newClaims, resumedClaims := map[string][]claim{}, map[string][]claim{}
	for _, m := range messages {
		c, claimed, err := r.claim(ctx, m)
		switch {
		case err != nil:
			failed[m.ID] = err
		case claimed && c.entry.Manifest != "":
			resumedClaims[c.entry.Manifest] = append(resumedClaims[c.entry.Manifest], c)
		case claimed:
			newClaims[c.work.Dataset] = append(newClaims[c.work.Dataset], c)
		}
	}
	for manifest, claims := range resumedClaims {
		if err := r.resume(ctx, manifest); err != nil {
			failAll(failed, claims, err)
		}
	}
	for dataset, claims := range newClaims {
		r.begin(ctx, dataset, claims, failed)
	}
	return failed
}

// claim claims the object until the end of this invocation. A started run gets the
// claim later.
func (r *Runs) claim(ctx context.Context, m batch.Message) (claim, bool, error) {
	w, err := work.Decode(m.Body, work.Glue)
	if err != nil {
		return claim{}, false, fault.Permanentf("decode message", fault.Undecodable, "%w", err)
	}
	entry, claimed, err := r.Journal.Start(ctx, w, m.ID, batch.InvocationEnd(ctx, r.Now()))
	if err != nil {
		return claim{}, false, onObject(err, w)
	}
	if !claimed {
		logger(ctx, w.Dataset, w.Object).InfoContext(ctx, "object not claimed", telemetry.KeyState, string(entry.State))
	}
	return claim{message: m, work: w, entry: entry}, claimed, nil
}

// failAll fails the messages of the claims.
func failAll(failed map[string]error, claims []claim, err error) {
	for _, c := range claims {
		failed[c.message.ID] = onObject(err, c.work)
	}
}

func onObject(err error, w work.Work) error {
	return fault.ForObject(err, string(w.Object.ID()), w.Generation, w.Dataset, w.Object.URI())
}
