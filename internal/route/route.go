// Package route is the stage that turns S3 events into work. route finds the dataset of
// a landing object, writes the journal, and sends work to transform or load. Only route
// decides which dataset a key belongs to.
package route

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/sqsbatch"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Journal is route's part of the journal.
type Journal interface {
	Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error)
	Ignore(ctx context.Context, o object.Object, reason string) error
	Transformed(ctx context.Context, r work.Receipt, at work.Location) (journal.Entry, error)
	Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error)
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	// Newest returns the entry of the key's newest version, or journal.ErrNotFound.
	Newest(ctx context.Context, bucket, key string) (journal.Entry, error)
	Sweeps
}

// Sweeps is the sweep's part of the journal.
type Sweeps interface {
	// StuckPage returns at most limit objects without progress since before the time, and
	// the place of the next page. An empty place is the end of the state.
	StuckPage(ctx context.Context, place work.StuckPlace, before time.Time, limit int) ([]journal.Entry, work.StuckPlace, error)
	// ClaimForSweep claims a stuck object for the sweep's message and increments the
	// object's sweep count. It returns false if the object has moved on, or if another
	// message claimed the object after the time before.
	ClaimForSweep(ctx context.Context, e journal.Entry, message string, before time.Time) (journal.Entry, bool, error)
	// SweptUntil returns the time up to which the sweeps have announced every version
	// without an entry.
	SweptUntil(ctx context.Context) (time.Time, error)
	SetSweptUntil(ctx context.Context, until time.Time) error
	// EachStuckRun calls do with each ordered or running ingestion run without progress
	// since before the time, until do returns false.
	EachStuckRun(ctx context.Context, before time.Time, do func(journal.Run) bool) error
	// ClaimRunForSweep claims a run without activity since before the time for the sweep's
	// message, and increments the run's sweep count. It returns false if the run has moved
	// on, or if another message has claimed the run since the time.
	ClaimRunForSweep(ctx context.Context, name journal.RunName, message string, before time.Time) (journal.Run, bool, error)
	Outage(ctx context.Context, dependency string) (breaker.Outage, error)
}

// Lister lists versions and receipts for a sweep. The calls need a grant on the bucket:
// s3:ListBucketVersions on landing, s3:ListBucket on curated.
type Lister interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Router routes the events of the landing and the curated bucket from any queue. The
// bucket of an event decides its meaning. Sweeps find unannounced versions and stuck
// objects.
type Router struct {
	Contracts contract.Set
	Journal   Journal
	// Receipts reads receipts from the curated bucket.
	Receipts work.Objects
	Lister   Lister
	Sender   sqsbatch.Client
	// LandingBucket and CuratedBucket are the only buckets whose events are routed.
	// Events of other buckets are a fault.
	LandingBucket, CuratedBucket string
	// TransformURL and LoadURL are the queues for work, and RouteURL is route's own
	// queue. IngestURL is the queue for resumed runs.
	TransformURL, LoadURL, RouteURL, IngestURL string
	// LoadEvery delays each load message, so that several objects share a load. The
	// maximum is 15 minutes, the limit of SQS. A negative value means firn.loadEvery of
	// each contract.
	LoadEvery time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Handle routes a batch. A message is done after all its objects are in the journal and
// all work for the objects is sent.
func (r *Router) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	var out outbox
	failed := batch.Each(func(ctx context.Context, m batch.Message) error {
		return r.routeMessage(ctx, m, &out)
	})(ctx, messages)
	for id, err := range r.send(ctx, &out) {
		failed[id] = mostRetryable(failed[id], err)
	}
	return failed
}

func (r *Router) routeMessage(ctx context.Context, m batch.Message, out *outbox) error {
	var form struct {
		Sweep json.RawMessage `json:"sweep"`
		Stage work.Stage      `json:"stage"`
		RunID string          `json:"run_id"`
	}
	_ = json.Unmarshal([]byte(m.Body), &form) // a body that isn't JSON isn't an event either, and routeEvent returns the fault
	switch {
	case form.Sweep != nil:
		s, err := work.DecodeSweep(m.Body)
		if err != nil {
			return undecodable(err)
		}
		return r.sweep(ctx, m, s)
	case form.Stage == work.Route && form.RunID != "":
		w, err := work.DecodeStuckRun(m.Body)
		if err != nil {
			return undecodable(err)
		}
		return r.resumeRun(ctx, m, w, out)
	case form.Stage == work.Route:
		w, err := work.Decode(m.Body, work.Route)
		if err != nil {
			return undecodable(err)
		}
		return r.routeStuck(ctx, m, w, out)
	default:
		return r.routeEvent(ctx, m, out)
	}
}

func undecodable(err error) error {
	return &fault.Fault{Op: "decode message", Code: fault.Undecodable, Disposition: fault.Permanent, Err: err}
}

func (r *Router) routeEvent(ctx context.Context, m batch.Message, out *outbox) error {
	notices, err := event.Decode(m.Body)
	if err != nil {
		return undecodable(err)
	}
	if len(notices) == 0 {
		telemetry.Logger(ctx).InfoContext(ctx, "no object was created or deleted", telemetry.KeyMessage, m.ID)
	}
	var faults []error
	for _, n := range notices {
		if err := r.routeNotice(ctx, m, n, out); err != nil {
			faults = append(faults, err)
		}
	}
	return r.combineFaults(ctx, m, faults)
}

// routeNotice routes the object of a notice. Only routeNotice adds the object's names
// to the faults of the object.
func (r *Router) routeNotice(ctx context.Context, m batch.Message, n event.Notice, out *outbox) error {
	about := subject{uri: n.Object.URI()}
	var err error
	if n.IsRemoval() {
		about, err = r.routeRemoval(ctx, m, n, out)
		return about.name(err)
	}
	switch n.Object.Bucket {
	case r.LandingBucket:
		about, err = r.routeLanding(ctx, m, n.Object, out)
	case r.CuratedBucket:
		about, err = r.routeReceipt(ctx, m, n, out)
	default:
		err = fault.Permanentf("route object", fault.Undecodable,
			"bucket %s is neither the landing nor the curated bucket", n.Object.Bucket)
	}
	return about.name(err)
}

// subject names the object of a fault, with the names known so far. The id and the
// dataset are empty while they are unknown.
type subject struct {
	id           object.ID
	generation   int
	dataset, uri string
}

func subjectOf(o object.Object, generation int, dataset string) subject {
	return subject{id: o.ID(), generation: generation, dataset: dataset, uri: o.URI()}
}

// name returns err as a fault with the subject's names; nil stays nil. Names in the
// fault stay unchanged.
func (s subject) name(err error) error {
	if err == nil {
		return nil
	}
	return fault.ForObject(err, string(s.id), s.generation, s.dataset, s.uri)
}

// combineFaults returns the single fault of a message with several faults.
// combineFaults records the other permanent faults in the journal, because the consumer
// records only the returned fault. AWS sends one record in each message, so only
// forwarded messages have several faults.
func (r *Router) combineFaults(ctx context.Context, m batch.Message, faults []error) error {
	var chosen error
	for _, err := range faults {
		chosen = mostRetryable(chosen, err)
	}
	for _, err := range faults {
		f := fault.As(err)
		if err == chosen || f.Disposition != fault.Permanent { //nolint:errorlint // the very same error is meant
			continue
		}
		if f.ObjectID != "" {
			if _, err := r.Journal.Fail(ctx, f, string(work.Route), m.Queue, m.Body); err != nil {
				return fault.ForObject(err, f.ObjectID, f.Generation, f.Dataset, f.Subject)
			}
		}
		chosen = addFailed(chosen, f)
	}
	return chosen
}

// mostRetryable returns the fault with the most retries: retry after, then retry, then
// permanent. A permanent fault of one object must not end a message while another
// object can still succeed.
func mostRetryable(a, b error) error {
	rank := map[fault.Disposition]int{fault.RetryAfter: 0, fault.Retry: 1, fault.Permanent: 2}
	switch {
	case a == nil:
		return b
	case b == nil, rank[fault.As(a).Disposition] <= rank[fault.As(b).Disposition]:
		return a
	default:
		return b
	}
}

// addFailed adds another failed object to the cause, so that a single mail reports
// both.
func addFailed(err error, other *fault.Fault) error {
	both := *fault.As(err)
	both.Err = fmt.Errorf("%s; also %s: %s: %s", both.Cause(), other.Subject, other.Code, other.Cause())
	return &both
}
