package route_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

const (
	landing      = "landing"
	curated      = "curated"
	transformURL = "https://queue/transform"
	loadURL      = "https://queue/load"
	routeURL     = "https://queue/route"
	ingestURL    = "https://queue/ingest"
)

// fakeJournal keeps entries by the rules of the journal.
type fakeJournal struct {
	mu      sync.Mutex
	entries map[object.ID]journal.Entry
	// unavailable makes every call on the object's id fail.
	unavailable map[object.ID]bool
	// reads counts the calls of Get for each object.
	reads map[object.ID]int
	// sweepers are the messages with a claim of an object for a sweep.
	sweepers   map[object.ID]string
	sweptUntil time.Time
	outage     breaker.Outage
	runs       map[journal.RunName]journal.Run
	now        func() time.Time
}

func newJournal(entries ...journal.Entry) *fakeJournal {
	j := &fakeJournal{
		entries: make(map[object.ID]journal.Entry), unavailable: make(map[object.ID]bool),
		reads: make(map[object.ID]int), sweepers: make(map[object.ID]string),
		runs: make(map[journal.RunName]journal.Run), now: time.Now,
	}
	for _, e := range entries {
		e.ID = e.Object.ID()
		j.entries[e.ID] = e
	}
	return j
}

func (j *fakeJournal) find(id object.ID) (journal.Entry, bool, error) {
	if j.unavailable[id] {
		return journal.Entry{}, false, fault.Dependency("read journal", fault.JournalAway, fmt.Errorf("no answer"))
	}
	e, found := j.entries[id]
	return e, found, nil
}

func (j *fakeJournal) create(o object.Object, e journal.Entry) (journal.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	found, known, err := j.find(o.ID())
	if err != nil || known {
		if known && found.State == journal.Received && found.Dataset == "" {
			found.Dataset = e.Dataset
			j.entries[o.ID()] = found
		}
		return found, err
	}
	e.ID, e.Object, e.Times = o.ID(), o, map[journal.State]time.Time{e.State: j.now()}
	j.entries[e.ID] = e
	return e, nil
}

func (j *fakeJournal) Receive(_ context.Context, o object.Object, dataset string) (journal.Entry, error) {
	return j.create(o, journal.Entry{Dataset: dataset, State: journal.Received})
}

func (j *fakeJournal) Ignore(_ context.Context, o object.Object, reason string) error {
	_, err := j.create(o, journal.Entry{State: journal.Ignored, Reason: reason})
	return err
}

func (j *fakeJournal) Get(_ context.Context, id object.ID) (journal.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads[id]++
	e, known, err := j.find(id)
	if err == nil && !known {
		err = fmt.Errorf("%w: %s", journal.ErrNotFound, id)
	}
	return e, err
}

func (j *fakeJournal) Newest(_ context.Context, bucket, key string) (journal.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.entries { // the tests have one version of a key
		if e.Object.Bucket == bucket && e.Object.Key == key {
			found, _, err := j.find(e.ID)
			return found, err
		}
	}
	return journal.Entry{}, journal.ErrNotFound
}

func (j *fakeJournal) Transformed(ctx context.Context, r work.Receipt, at work.Location) (journal.Entry, error) {
	e, err := j.Get(ctx, r.ObjectID)
	if err != nil {
		return e, err
	}
	if r.Generation < e.Generation {
		return e, nil
	}
	proof := e.State == journal.Failed && (e.Receipt == nil || *e.Receipt != at)
	if e.State == journal.Received || e.State == journal.Transforming || proof {
		e.State, e.Receipt, e.Generation = journal.Transformed, &at, r.Generation
		j.entries[e.ID] = e
	}
	return e, nil
}

func (j *fakeJournal) Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error) {
	e, err := j.Get(ctx, object.ID(f.ObjectID))
	if err != nil || e.State.Final() || f.Generation < e.Generation {
		return false, err
	}
	e.State, e.Stage, e.Code, e.Cause, e.Hint = journal.Failed, stage, string(f.Code), f.Cause(), f.Advice()
	e.Queue, e.Message = queue, message
	j.entries[e.ID] = e
	return true, nil
}

func (j *fakeJournal) EachStuck(_ context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error {
	for _, e := range j.entries {
		progressed := e.Progressed
		if progressed.IsZero() {
			progressed = e.Times[state]
		}
		if e.State == state && progressed.Before(before) && !do(e) {
			return nil
		}
	}
	return nil
}

func (j *fakeJournal) ClaimForSweep(ctx context.Context, e journal.Entry, message string, before time.Time) (journal.Entry, bool, error) {
	now, err := j.Get(ctx, e.ID)
	switch {
	case err != nil:
		return now, false, err
	case now.State != e.State || !now.Times[now.State].Equal(e.Times[e.State]):
		return now, false, nil
	case now.LastSweepAt.After(before):
		return now, j.sweepers[e.ID] == message, nil
	}
	now.SweepCount++
	now.LastSweepAt = j.now()
	j.entries[e.ID], j.sweepers[e.ID] = now, message
	return now, true, nil
}

func (j *fakeJournal) EachStuckRun(_ context.Context, before time.Time, do func(journal.Run) bool) error {
	for _, run := range j.runs {
		moving := run.State == journal.RunOrdered || run.State == journal.RunRunning
		if moving && run.Progressed.Before(before) && !do(run) {
			return nil
		}
	}
	return nil
}

func (j *fakeJournal) ClaimRunForSweep(_ context.Context, name journal.RunName, message string, before time.Time) (journal.Run, bool, error) {
	run := j.runs[name]
	moving := run.State == journal.RunOrdered || run.State == journal.RunRunning
	switch {
	case !moving, !run.LastActivity().Before(before):
		return run, false, nil
	case run.Sweeper == message:
		return run, true, nil
	case run.LastSweepAt.After(before):
		return run, false, nil
	}
	run.SweepCount, run.LastSweepAt, run.Sweeper = run.SweepCount+1, j.now(), message
	j.runs[name] = run
	return run, true, nil
}

func (j *fakeJournal) SweptUntil(context.Context) (time.Time, error) { return j.sweptUntil, nil }

func (j *fakeJournal) SetSweptUntil(_ context.Context, until time.Time) error {
	if until.After(j.sweptUntil) {
		j.sweptUntil = until
	}
	return nil
}

func (j *fakeJournal) Outage(_ context.Context, dependency string) (breaker.Outage, error) {
	if dependency != breaker.Snowflake {
		return breaker.Outage{}, fmt.Errorf("no breaker of %s", dependency)
	}
	return j.outage, nil
}

// fakeLister lists versions of the landing bucket in the order of S3, and keys of the
// curated bucket. A page has two entries.
type fakeLister struct {
	versions []s3types.ObjectVersion
	// markers are the delete markers, all on the first page.
	markers  []s3types.DeleteMarkerEntry
	receipts fakeReceipts
	// written has the times of the curated bucket's keys.
	written map[string]time.Time
	err     error
	// listed is called at each page.
	listed func()
}

const pageSize = 2

func (l *fakeLister) ListObjectVersions(_ context.Context, in *s3.ListObjectVersionsInput, _ ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	if l.listed != nil {
		l.listed()
	}
	if l.err != nil || aws.ToString(in.Bucket) != landing || (in.KeyMarker == nil) != (in.VersionIdMarker == nil) {
		return nil, cmp.Or(l.err, fmt.Errorf("list of %q", aws.ToString(in.Bucket)))
	}
	first := 0
	if in.KeyMarker != nil {
		first = 1 + slices.IndexFunc(l.versions, func(v s3types.ObjectVersion) bool {
			return *v.Key == *in.KeyMarker && *v.VersionId == *in.VersionIdMarker
		})
		if first == 0 {
			return nil, fmt.Errorf("marker %q isn't in the list", *in.KeyMarker)
		}
	}
	last := min(first+pageSize, len(l.versions))
	output := &s3.ListObjectVersionsOutput{Versions: l.versions[first:last], IsTruncated: aws.Bool(last < len(l.versions))}
	if first == 0 {
		output.DeleteMarkers = l.markers
	}
	if *output.IsTruncated {
		output.NextKeyMarker, output.NextVersionIdMarker = l.versions[last-1].Key, l.versions[last-1].VersionId
	}
	return output, nil
}

func (l *fakeLister) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	if l.err != nil || aws.ToString(in.Bucket) != curated {
		return nil, cmp.Or(l.err, fmt.Errorf("list of %q", aws.ToString(in.Bucket)))
	}
	output := &s3.ListObjectsV2Output{IsTruncated: aws.Bool(false)}
	for _, key := range slices.Sorted(maps.Keys(l.receipts)) {
		if !strings.HasPrefix(key, aws.ToString(in.Prefix)) || key <= aws.ToString(in.ContinuationToken) {
			continue
		}
		if len(output.Contents) == pageSize {
			output.IsTruncated, output.NextContinuationToken = aws.Bool(true), output.Contents[pageSize-1].Key
			break
		}
		output.Contents = append(output.Contents, s3types.Object{Key: aws.String(key), LastModified: aws.Time(l.written[key])})
	}
	return output, nil
}

// fakeReceipts is a bucket. An absent key doesn't exist, and the read of a nil body
// returns an error.
type fakeReceipts map[string][]byte

func (b fakeReceipts) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	body, found := b[aws.ToString(in.Key)]
	switch {
	case aws.ToString(in.Bucket) != curated:
		return nil, fmt.Errorf("read of bucket %q", aws.ToString(in.Bucket))
	case !found:
		return nil, &s3types.NoSuchKey{}
	case body == nil:
		return nil, &smithy.GenericAPIError{Code: "SlowDown"}
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

// sentMessage is a message that SQS accepted.
type sentMessage struct {
	Queue string
	Delay time.Duration
	Body  string
}

// fakeSQS checks SQS's limits.
type fakeSQS struct {
	t        *testing.T
	sent     []sentMessage
	requests int
	// refuse maps a part of a body to the answer for the message. An answer without a
	// Code leaves the entry out of the response.
	refuse map[string]sqstypes.BatchResultErrorEntry
	// unavailable maps a queue to the error of every request.
	unavailable map[string]error
}

func (q *fakeSQS) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	q.requests++
	url := aws.ToString(in.QueueUrl)
	if url != transformURL && url != loadURL && url != routeURL && url != ingestURL {
		q.t.Errorf("send to the unknown queue %q", url)
	}
	if n := len(in.Entries); n < 1 || n > 10 {
		q.t.Errorf("%d entries in one request", n)
	}
	if err := q.unavailable[url]; err != nil {
		return nil, err
	}
	output := &sqs.SendMessageBatchOutput{}
	seen := make(map[string]bool)
	for _, e := range in.Entries {
		if seen[*e.Id] {
			q.t.Errorf("two entries have id %q", *e.Id)
		}
		seen[*e.Id] = true
		if e.DelaySeconds < 0 || e.DelaySeconds > 900 {
			q.t.Errorf("DelaySeconds is %d", e.DelaySeconds)
		}
		q.answer(output, url, e)
	}
	return output, nil
}

func (q *fakeSQS) answer(output *sqs.SendMessageBatchOutput, url string, e sqstypes.SendMessageBatchRequestEntry) {
	for part, refusal := range q.refuse {
		if !strings.Contains(*e.MessageBody, part) {
			continue
		}
		if refusal.Code != nil {
			refusal.Id = e.Id
			output.Failed = append(output.Failed, refusal)
		}
		return
	}
	output.Successful = append(output.Successful, sqstypes.SendMessageBatchResultEntry{Id: e.Id})
	q.sent = append(q.sent, sentMessage{url, time.Duration(e.DelaySeconds) * time.Second, *e.MessageBody})
}

// works returns the decoded messages to a queue, by key.
func (q *fakeSQS) works(t *testing.T, url string, stage work.Stage) map[string]work.Work {
	t.Helper()
	byKey := make(map[string]work.Work)
	for _, s := range q.sent {
		if s.Queue != url {
			continue
		}
		w, err := work.Decode(s.Body, stage)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := byKey[w.Object.Key]; twice {
			t.Errorf("%s was sent twice", w.Object.Key)
		}
		byKey[w.Object.Key] = w
	}
	return byKey
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
