// Package glue has objects transformed by runs of a Glue job: it puts those that
// wait together into a manifest, starts a run for it, and when the run has ended
// gives back what has no receipt.
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

// Journal is what runs need of the objects' states.
type Journal interface {
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Start(ctx context.Context, w work.Work, owner string, until time.Time) (journal.Entry, bool, error)
	Assign(ctx context.Context, id object.ID, owner, manifest string) (bool, error)
	Reassign(ctx context.Context, id object.ID, from, to string) (bool, error)
	SetRun(ctx context.Context, id object.ID, manifest, run string) error
	Release(ctx context.Context, id object.ID, owner string) error
	Stuck(ctx context.Context, state journal.State, before time.Time, limit int) ([]journal.Entry, error)
}

// Service is what runs need of AWS Glue.
type Service interface {
	StartJobRun(context.Context, *glue.StartJobRunInput, ...func(*glue.Options)) (*glue.StartJobRunOutput, error)
	GetJobRun(context.Context, *glue.GetJobRunInput, ...func(*glue.Options)) (*glue.GetJobRunOutput, error)
	GetJobRuns(context.Context, *glue.GetJobRunsInput, ...func(*glue.Options)) (*glue.GetJobRunsOutput, error)
}

// Store is what runs need of S3.
type Store interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	Copier
}

// Runs handles the messages of the glue queue: work, the ends of runs, and the
// request to look for ends that nobody told.
type Runs struct {
	Contracts contract.Set
	Journal   Journal
	Service   Service
	Store     Store
	// Job is the Glue job's name, Bucket the curated bucket.
	Job, Bucket string
	// Overdue is how long an object may be in a run before the run is asked for.
	Overdue time.Duration
	Now     func() time.Time
	// NewID returns a text that no other manifest or attempt has.
	NewID func() string
}

// Handle handles a batch. Work of one dataset that comes in one batch goes into
// one run.
func (r *Runs) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	var asked, others []batch.Message
	for _, m := range messages {
		if _, ended := event.EndedGlueRun(m.Body); ended || work.IsCheckRuns(m.Body) {
			others = append(others, m)
		} else {
			asked = append(asked, m)
		}
	}
	failed := batch.Each(r.handleRunMessage)(ctx, others)
	maps.Copy(failed, r.handleWork(ctx, asked))
	return failed
}

func (r *Runs) handleRunMessage(ctx context.Context, m batch.Message) error {
	if run, ended := event.EndedGlueRun(m.Body); ended {
		return r.handleRunEnd(ctx, run)
	}
	return r.checkOverdueRuns(ctx)
}

// claim is an object that a message asked for and that is ours now.
type claim struct {
	message batch.Message
	work    work.Work
	entry   journal.Entry
}

// owner is the name under which the message claims.
func (c claim) owner() string { return c.message.ID }

// handleWork claims the objects, and starts a run for those of each dataset. An
// object that an earlier delivery of its message put into a manifest goes on
// with that one.
func (r *Runs) handleWork(ctx context.Context, messages []batch.Message) map[string]error {
	failed := make(map[string]error)
	fresh, begun := map[string][]claim{}, map[string][]claim{}
	for _, m := range messages {
		c, claimed, err := r.claim(ctx, m)
		switch {
		case err != nil:
			failed[m.ID] = err
		case claimed && c.entry.Manifest != "":
			begun[c.entry.Manifest] = append(begun[c.entry.Manifest], c)
		case claimed:
			fresh[c.work.Dataset] = append(fresh[c.work.Dataset], c)
		}
	}
	for manifest, claims := range begun {
		if err := r.resume(ctx, manifest); err != nil {
			failAll(failed, claims, err)
		}
	}
	for dataset, claims := range fresh {
		r.begin(ctx, dataset, claims, failed)
	}
	return failed
}

// claim takes the object for as long as this message may be hidden; a run's own
// claim follows once it is started.
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
	return fault.ForObject(err, string(w.Object.ID()), w.Dataset, w.Object.URI())
}
