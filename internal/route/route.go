// Package route is the stage that turns what S3 announces into work: it finds
// the dataset of a landing object, writes the journal, and asks transform or
// load to go on. It is the only place that knows which key belongs to whom.
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

// Journal is what route writes of an object's state.
type Journal interface {
	Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error)
	Ignore(ctx context.Context, o object.Object, reason string) error
	Transformed(ctx context.Context, r work.Receipt, at work.Location) (journal.Entry, error)
	Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error)
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Sweeps
}

// Sweeps is what a sweep asks of the journal, and notes there.
type Sweeps interface {
	// Stuck returns what has been in the state since before the time, at most
	// limit a shard of the index.
	Stuck(ctx context.Context, state journal.State, before time.Time, limit int) ([]journal.Entry, error)
	// ClaimForSweep claims an object that stands still, and counts; false if it has moved
	// on, or was looked at since before.
	ClaimForSweep(ctx context.Context, e journal.Entry, looker string, before time.Time) (journal.Entry, bool, error)
	// SweptUntil is the time before which the journal knows every version.
	SweptUntil(ctx context.Context) (time.Time, error)
	SetSweptUntil(ctx context.Context, until time.Time) error
	Outage(ctx context.Context, dependency string) (breaker.Outage, error)
}

// Receipts reads receipts from the curated bucket. Without s3:ListBucket on
// that bucket, S3 answers 403 for a receipt that is gone (AmazonS3 API
// reference, GetObject), which looks like a missing grant.
type Receipts interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Lister lists what a sweep looks for. Both need a grant on the bucket:
// s3:ListBucketVersions on landing, s3:ListBucket on curated.
type Lister interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Router routes the events of the landing and the curated bucket, whichever
// queue they come from: an event's bucket decides what it means. Its sweep finds
// what no event announced and what stands still.
type Router struct {
	Contracts contract.Set
	Journal   Journal
	Receipts  Receipts
	Lister    Lister
	Sender    sqsbatch.Client
	// LandingBucket and CuratedBucket are the only buckets whose events are
	// taken.
	LandingBucket, CuratedBucket string
	// TransformURL and LoadURL are the queues that take work, RouteURL is
	// route's own.
	TransformURL, LoadURL, RouteURL string
	// LoadEvery delays each load message so that loads come in groups; at most
	// fifteen minutes, SQS's own limit. The special value -1 (or any negative
	// one) takes each contract's firn.loadEvery.
	LoadEvery time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Handle routes a batch. A message is done only when all its objects are
// journaled and all the work that follows from them is sent.
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
	}
	_ = json.Unmarshal([]byte(m.Body), &form) // what is no JSON is no event either
	switch {
	case form.Sweep != nil:
		s, err := work.DecodeSweep(m.Body)
		if err != nil {
			return undecodable(err)
		}
		return r.sweep(ctx, m, s)
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
		telemetry.Logger(ctx).InfoContext(ctx, "no object was created", telemetry.KeyMessage, m.ID)
	}
	var faults []error
	for _, n := range notices {
		if err := r.routeNotice(ctx, m, n, out); err != nil {
			faults = append(faults, err)
		}
	}
	return r.combineFaults(ctx, m, faults)
}

// routeNotice routes one object of an event. Every fault on the object's path gets
// the object's names here, and nowhere else.
func (r *Router) routeNotice(ctx context.Context, m batch.Message, n event.Notice, out *outbox) error {
	about := subject{uri: n.Object.URI()}
	var err error
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
	dataset, uri string
}

func subjectOf(o object.Object, dataset string) subject {
	return subject{id: o.ID(), dataset: dataset, uri: o.URI()}
}

// name returns err as a fault with the subject's names; nil stays nil. A fault
// keeps the names that it has.
func (s subject) name(err error) error {
	if err == nil {
		return nil
	}
	return fault.ForObject(err, string(s.id), s.dataset, s.uri)
}

// combineFaults returns the one fault that a message with several may have. The others
// that are permanent are journaled here, since the consumer sees one only. AWS
// sends one record a message, so this is for what others forward.
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
				return fault.ForObject(err, f.ObjectID, f.Dataset, f.Subject)
			}
		}
		chosen = addFailed(chosen, f)
	}
	return chosen
}

// mostRetryable returns the fault that brings the message back most readily: one
// object's permanent fault must not end the message of another that can still
// succeed.
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

// addFailed adds another object to the cause, so that one mail tells of both.
func addFailed(err error, other *fault.Fault) error {
	both := *fault.As(err)
	both.Err = fmt.Errorf("%s; also %s: %s: %s", both.Cause(), other.Subject, other.Code, other.Cause())
	return &both
}
