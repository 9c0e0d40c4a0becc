package privacy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/route"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/engines/suite"
)

// bucket is one object in the landing bucket, with the files of its transform.
type bucket struct {
	body  []byte
	mutex sync.Mutex
	files map[string][]byte
}

func (b *bucket) Open(context.Context, object.Object) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.body)), nil
}

func (b *bucket) Put(_ context.Context, at work.Location, body []byte) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.files[at.Key] = body
	return nil
}

func (b *bucket) Create(_ context.Context, at work.Location) transform.Upload {
	return &file{bucket: b, at: at}
}

// GetObject implements work.Objects.
func (b *bucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(b.files[aws.ToString(in.Key)]))}, nil
}

type file struct {
	bytes.Buffer

	bucket *bucket
	at     work.Location
}

func (f *file) Commit(ctx context.Context) error { return f.bucket.Put(ctx, f.at, f.Bytes()) }
func (*file) Abort(context.Context) error        { return nil }

// routeJournal has the object as transforming, and records failures.
type routeJournal struct {
	route.Journal
	recordingJournal

	entry journal.Entry
}

func (j routeJournal) Get(context.Context, object.ID) (journal.Entry, error) { return j.entry, nil }

func (j routeJournal) Transformed(context.Context, work.Receipt, work.Location) (journal.Entry, error) {
	return j.entry, nil
}

func (j routeJournal) Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error) {
	return j.recordingJournal.Fail(ctx, f, stage, queue, message)
}

func (j routeJournal) Newest(ctx context.Context, bucket, key string) (journal.Entry, error) {
	return j.recordingJournal.Newest(ctx, bucket, key)
}

func (j routeJournal) Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error) {
	return j.recordingJournal.Receive(ctx, o, dataset)
}

// TestNoValueIsInReceipt transforms files whose values have a mark: accepted files, and
// files of every refusal. Neither the receipt has a mark, nor anything that route and
// alert write about a refusal.
func TestNoValueIsInReceipt(t *testing.T) {
	t.Parallel()
	for _, marked := range suite.MarkedFiles() {
		t.Run(marked.Name, func(t *testing.T) {
			t.Parallel()
			o := object.Object{Bucket: "landing", Key: "shop/order/" + marked.Name + "/" + marked.File, Version: "v1", Size: int64(len(marked.Body))}
			w := work.Work{Stage: work.Transform, Dataset: marked.Contract.Dataset(), Object: o}
			b := &bucket{body: marked.Body, files: make(map[string][]byte)}
			engine := &transform.Engine{Store: b, Bucket: "curated", Now: time.Now}
			receipt, err := engine.Transform(t.Context(), transform.Job{Work: w, Contract: marked.Contract, Attempt: object.AttemptName(0, 1, "a")})
			if err != nil || receipt.Code != marked.Code {
				t.Fatalf("code %q (%v), want %q: %s", receipt.Code, err, marked.Code, receipt.Cause)
			}
			at := object.Attempt{Dataset: w.Dataset, Object: o.ID(), Name: receipt.Attempt}.Receipt()
			if found := suite.MarksIn(string(b.files[at])); len(found) > 0 {
				t.Errorf("the receipt has %v: %s", found, b.files[at])
			}
			out := routeReceipt(t, b, marked.Contract, o, at)
			if found := suite.MarksIn(out.everything()); len(found) > 0 {
				t.Errorf("route and alert wrote %v: %s", found, out.everything())
			}
			if want := map[bool]int{true: 2}[marked.Code != ""]; len(out.mails) != want {
				t.Errorf("%d texts of mails, want %d: %q", len(out.mails), want, out.mails)
			}
		})
	}
}

// routeReceipt routes the event of a receipt.
func routeReceipt(t *testing.T, b *bucket, c *contract.Contract, o object.Object, receipt string) *output {
	t.Helper()
	out := &output{}
	records := routeJournal{recordingJournal: recordingJournal{out: out}, entry: journal.Entry{
		ID: o.ID(), Object: o, Dataset: c.Dataset(), State: journal.Transforming,
	}}
	router := &route.Router{
		Contracts: contract.Set{c}, Journal: records, Receipts: b, Now: time.Now,
		LandingBucket: "landing", CuratedBucket: "curated", Sender: out, LoadURL: "https://sqs/1/load",
	}
	out.consume(t, records, "receipts", router.Handle, fmt.Sprintf(
		`{"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "curated"},
		"object": {"key": %q, "size": 1, "eTag": "e", "versionId": "c", "sequencer": "1"}}}]}`, url.QueryEscape(receipt)), 1)
	return out
}

// TestMarkedFilesHaveMarks: a file without a mark would prove nothing.
func TestMarkedFilesHaveMarks(t *testing.T) {
	t.Parallel()
	codes := make(map[string]bool)
	for _, marked := range suite.MarkedFiles() {
		codes[marked.Code] = true
		isPacked := strings.HasSuffix(marked.File, ".gz") || marked.Code == string(fault.BadCompression)
		if found := suite.MarksIn(string(marked.Body)); len(found) == 0 && !isPacked && marked.Code != string(fault.EmptyObject) {
			t.Errorf("%s has no mark", marked.Name)
		}
	}
	if len(codes) < 10 {
		t.Errorf("only %d codes: %v", len(codes), codes)
	}
}
