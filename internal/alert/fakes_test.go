package alert_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

var failedAt = time.Date(2026, 11, 24, 10, 0, 5, 0, time.UTC)

// fakeJournal keeps entries. The last added object of a key is the newest object.
type fakeJournal struct {
	mutex       sync.Mutex
	entries     map[object.ID]journal.Entry
	newest      map[string]object.ID
	unavailable bool
	columns     map[string]work.NewColumns
	// claimed has the claim of each dataset; empty for none.
	claimed map[string]string
	// unrecorded makes each record of new columns fail.
	unrecorded bool
	// beforeClaim runs before each claim, and beforeRecord before each record.
	beforeClaim, beforeRecord func()
	// index has the times of the failed objects by dataset and code. lag is the delay of
	// the index; only with now.
	index map[[2]string]map[object.ID]time.Time
	lag   time.Duration
	// surveys counts the reads of all failed objects with a code.
	surveys int
	// now is the time of failures; nil for failedAt.
	now func() time.Time
}

func newJournal() *fakeJournal {
	return &fakeJournal{
		entries: make(map[object.ID]journal.Entry), newest: make(map[string]object.ID), index: make(map[[2]string]map[object.ID]time.Time),
		columns: make(map[string]work.NewColumns), claimed: make(map[string]string),
	}
}

func (j *fakeJournal) add(e journal.Entry) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	e.ID = e.Object.ID()
	j.put(e)
	j.newest[object.KeyID(e.Object.Bucket, e.Object.Key)] = e.ID
}

// put writes an entry and the index, like the journal's change of a state.
func (j *fakeJournal) put(e journal.Entry) {
	before := j.entries[e.ID]
	delete(j.index[[2]string{before.Dataset, before.Code}], e.ID)
	j.entries[e.ID] = e
	if e.State != journal.Failed {
		return
	}
	key := [2]string{e.Dataset, e.Code}
	if j.index[key] == nil {
		j.index[key] = make(map[object.ID]time.Time)
	}
	j.index[key][e.ID] = e.Times[journal.Failed]
}

func (j *fakeJournal) Get(_ context.Context, id object.ID) (journal.Entry, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	e, found := j.entries[id]
	switch {
	case id == "":
		return e, errors.New("get of no id")
	case j.unavailable:
		return journal.Entry{}, fault.Dependency("read journal", fault.JournalAway, errors.New("no answer"))
	case !found:
		return e, fmt.Errorf("%w: %s", journal.ErrNotFound, id)
	}
	return e, nil
}

func (j *fakeJournal) Newest(ctx context.Context, bucket, key string) (journal.Entry, error) {
	j.mutex.Lock()
	id, found := j.newest[object.KeyID(bucket, key)]
	j.mutex.Unlock()
	if !found {
		return journal.Entry{}, journal.ErrNotFound
	}
	return j.Get(ctx, id)
}

func (j *fakeJournal) Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error) {
	if o.Bucket == "" || o.Key == "" {
		return journal.Entry{}, errors.New("receive of no object")
	}
	if _, err := j.Get(ctx, o.ID()); errors.Is(err, journal.ErrNotFound) {
		j.add(journal.Entry{Object: o, Dataset: dataset, State: journal.Received})
	}
	return j.Get(ctx, o.ID())
}

func (j *fakeJournal) Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error) {
	e, err := j.Get(ctx, object.ID(f.ObjectID))
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return true, nil
	case err != nil, e.State.Final(), f.Generation < e.Generation:
		return false, err
	case stage == "" || message == "":
		return false, errors.New("fail without stage or message")
	}
	e.State, e.Stage, e.Code, e.Cause, e.Hint = journal.Failed, stage, string(f.Code), f.Cause(), f.Advice()
	e.Queue, e.Message = queue, message
	at := failedAt
	if j.now != nil {
		at = j.now()
	}
	e.Times = map[journal.State]time.Time{journal.Failed: at}
	if f.Dataset != "" {
		e.Dataset = f.Dataset
	}
	j.add(e)
	return true, nil
}

func (j *fakeJournal) NewColumns(_ context.Context, dataset string) (work.NewColumns, error) {
	if j.unavailable {
		return work.NewColumns{}, fault.Dependency("read journal", fault.JournalAway, errors.New("no answer"))
	}
	n := j.columns[dataset]
	n.Dataset = dataset
	return n, nil
}

func (j *fakeJournal) ClaimNewColumns(_ context.Context, dataset, claim string) (bool, error) {
	if j.beforeClaim != nil {
		j.beforeClaim()
	}
	if j.claimed[dataset] != "" {
		return false, nil
	}
	j.claimed[dataset] = claim
	return true, nil
}

func (j *fakeJournal) RecordNewColumns(_ context.Context, n work.NewColumns, claim string) (bool, error) {
	if j.beforeRecord != nil {
		j.beforeRecord()
	}
	switch {
	case j.unrecorded:
		return false, fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
	case n.Dataset == "" || claim == "":
		return false, fmt.Errorf("record of %q without a claim", n.Dataset)
	case j.claimed[n.Dataset] != claim:
		return false, nil
	}
	j.columns[n.Dataset], j.claimed[n.Dataset] = n, ""
	return true, nil
}

// move puts an object into a state, like a redrive or a load.
func (j *fakeJournal) move(_ context.Context, id object.ID, to journal.State) error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	e := j.entries[id]
	e.State, e.Code, e.Cause, e.Stage = to, "", "", ""
	j.put(e)
	return nil
}

// fakeTopic checks SNS's limits (SNS API reference, Publish).
type fakeTopic struct {
	t     *testing.T
	mutex sync.Mutex
	mails []sns.PublishInput
	// times are the times of the mails, if clock is set.
	times []time.Time
	clock *clock
	// refuse maps a part of a subject to the error of Publish.
	refuse map[string]error
}

func (p *fakeTopic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	subject, body := aws.ToString(in.Subject), aws.ToString(in.Message)
	if n := len(subject); n == 0 || n >= 100 {
		p.t.Errorf("subject of %d characters: %q", n, subject)
	}
	if strings.IndexFunc(subject, func(r rune) bool { return r < ' ' || r > unicode.MaxASCII }) >= 0 {
		p.t.Errorf("subject isn't plain ASCII: %q", subject)
	}
	if n := len(subject) + len(body); body == "" || n > 256<<10 {
		p.t.Errorf("message of %d bytes", n)
	}
	if strings.ContainsAny(subject+body, "\uFFFE\uFFFF") {
		p.t.Errorf("a character that a queue behind the topic refuses: %q", body)
	}
	if aws.ToString(in.TopicArn) != topicARN {
		p.t.Errorf("topic %q", aws.ToString(in.TopicArn))
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for part, err := range p.refuse {
		if strings.Contains(subject, part) {
			return nil, err
		}
	}
	p.mails = append(p.mails, *in)
	if p.clock != nil {
		p.times = append(p.times, p.clock.read())
	}
	return &sns.PublishOutput{MessageId: aws.String("x")}, nil
}
