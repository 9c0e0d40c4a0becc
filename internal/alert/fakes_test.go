package alert_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

var failedAt = time.Date(2026, 11, 24, 10, 0, 5, 0, time.UTC)

// fakeJournal keeps entries. The last added object of a key is the newest object.
type fakeJournal struct {
	entries     map[object.ID]journal.Entry
	newest      map[string]object.ID
	unavailable bool
}

func newJournal() *fakeJournal {
	return &fakeJournal{entries: make(map[object.ID]journal.Entry), newest: make(map[string]object.ID)}
}

func (j *fakeJournal) add(e journal.Entry) {
	e.ID = e.Object.ID()
	j.entries[e.ID] = e
	j.newest[object.KeyID(e.Object.Bucket, e.Object.Key)] = e.ID
}

func (j *fakeJournal) Get(_ context.Context, id object.ID) (journal.Entry, error) {
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
	id, found := j.newest[object.KeyID(bucket, key)]
	if !found {
		return journal.Entry{}, journal.ErrNotFound
	}
	return j.Get(ctx, id)
}

func (j *fakeJournal) Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error) {
	if o.Bucket == "" || o.Key == "" {
		return journal.Entry{}, errors.New("receive of no object")
	}
	if _, found := j.entries[o.ID()]; !found {
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
	e.Times = map[journal.State]time.Time{journal.Failed: failedAt}
	j.entries[e.ID] = e
	return true, nil
}

// fakeTopic checks SNS's limits (SNS API reference, Publish).
type fakeTopic struct {
	t     *testing.T
	mails []sns.PublishInput
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
	for part, err := range p.refuse {
		if strings.Contains(subject, part) {
			return nil, err
		}
	}
	p.mails = append(p.mails, *in)
	return &sns.PublishOutput{MessageId: aws.String("x")}, nil
}
