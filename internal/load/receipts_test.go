package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// store answers with a body or an error, and with pages of versions.
type store struct {
	body  string
	err   error
	pages []*s3.ListObjectVersionsOutput
	// files are the pages of a list of files. deleted has the keys of each deletion, and
	// refused is the answer to each deletion.
	files   []*s3.ListObjectsV2Output
	deleted [][]string
	refused []types.Error
}

func (s *store) GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return &s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader(s.body))}, s.err
}

func (s *store) ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	if s.err != nil {
		return nil, s.err
	}
	page := s.pages[0]
	s.pages = s.pages[1:]
	return page, nil
}

func (s *store) ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	if s.err != nil {
		return nil, s.err
	}
	page := s.files[0]
	s.files = s.files[1:]
	return page, nil
}

func (s *store) DeleteObjects(_ context.Context, input *s3.DeleteObjectsInput, _ ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error) {
	var keys []string
	for _, o := range input.Delete.Objects {
		keys = append(keys, aws.ToString(o.Key))
	}
	s.deleted = append(s.deleted, keys)
	return &s3.DeleteObjectsOutput{Errors: s.refused}, nil
}

func TestDeleteFilesDeletesEveryPage(t *testing.T) {
	t.Parallel()
	file := func(key string) types.Object { return types.Object{Key: aws.String(key)} }
	pages := func() []*s3.ListObjectsV2Output {
		return []*s3.ListObjectsV2Output{
			{Contents: []types.Object{file("s/e/id/1/data"), file("s/e/id/1/receipt.json")}, IsTruncated: aws.Bool(true), NextContinuationToken: aws.String("t")},
			{Contents: []types.Object{file("s/e/id/2/data")}},
		}
	}
	client := &store{files: pages()}
	if err := (load.Bucket{Client: client, Curated: "curated"}).DeleteFiles(t.Context(), "s.e", "id"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"s/e/id/1/data", "s/e/id/1/receipt.json"}, {"s/e/id/2/data"}}, client.deleted); diff != "" {
		t.Errorf("deleted keys (-want +got):\n%s", diff)
	}
	client = &store{files: []*s3.ListObjectsV2Output{{}}}
	if err := (load.Bucket{Client: client}).DeleteFiles(t.Context(), "s.e", "id"); err != nil || len(client.deleted) != 0 {
		t.Errorf("without files: %v, %d requests", err, len(client.deleted))
	}
	for name, refusing := range map[string]*store{
		"list":   {err: &smithy.GenericAPIError{Code: "SlowDown"}},
		"delete": {files: pages(), refused: []types.Error{{Key: aws.String("k"), Code: aws.String("InternalError")}}},
	} {
		err := load.Bucket{Client: refusing}.DeleteFiles(t.Context(), "s.e", "id")
		if f := fault.As(err); f == nil || f.Code != fault.StoreAway || f.Disposition != fault.RetryAfter {
			t.Errorf("%s: got %v, want %s", name, err, fault.StoreAway)
		}
	}
}

// TestReadReceipt: internal/work tests the other faults of a receipt.
func TestReadReceipt(t *testing.T) {
	t.Parallel()
	o := object.Object{Bucket: "landing", Key: "a b.csv", Version: "v1"}
	attempt := object.Attempt{Dataset: "s.e", Object: o.ID(), Name: "00-01-a"}
	want := work.Receipt{
		Object: o, ObjectID: o.ID(), Dataset: "s.e", Attempt: attempt.Name, Outcome: work.Accepted, RowsRead: 2, RowsWritten: 2,
		Data: []work.File{{Key: attempt.Data(0), Rows: 2}}, Rejects: []work.File{}, FinishedAt: time.Unix(1, 0).UTC(),
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	bucket := load.Bucket{Client: &store{body: string(body)}}
	got, err := bucket.Read(t.Context(), work.Location{Bucket: "curated", Key: attempt.Receipt()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	_, err = bucket.Read(t.Context(), work.Location{Bucket: "curated", Key: "elsewhere/receipt.json"})
	if f := fault.As(err); f == nil || f.Code != fault.ReceiptMismatch || f.Disposition != fault.Permanent {
		t.Errorf("a receipt at another place: got %v, want a permanent %s", err, fault.ReceiptMismatch)
	}
}

// TestForgedReceiptLoadsNothing forges the receipt or the work of one object. Only this
// object fails, and no other object loads less.
func TestForgedReceiptLoadsNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		forge func(d *loadtest.Delivered, other loadtest.Delivered)
		cause string
	}{
		{"receipt in another bucket", func(d *loadtest.Delivered, _ loadtest.Delivered) { d.Work.Receipt.Bucket = "elsewhere" }, `the receipt is in bucket "elsewhere"`},
		{"a file twice", func(d *loadtest.Delivered, _ loadtest.Delivered) {
			d.Receipt.Data = append(d.Receipt.Data, d.Receipt.Data...)
			d.Receipt.RowsWritten, d.Receipt.RowsRead = 6, 6
		}, "is named twice"},
		{"file of another object", func(d *loadtest.Delivered, other loadtest.Delivered) { d.Receipt.Data = other.Receipt.Data }, "isn't in the attempt's folder"},
		{"receipt of another object", func(d *loadtest.Delivered, other loadtest.Delivered) {
			d.Work.Receipt, d.Receipt = other.Work.Receipt, other.Receipt
		}, "the receipt is for object"},
		{"work of another generation", func(d *loadtest.Delivered, _ loadtest.Delivered) { d.Work.Generation = 1 }, "the receipt has generation 0, and the work has generation 1"},
		{"receipt of another generation", func(d *loadtest.Delivered, _ loadtest.Delivered) { d.Receipt.Generation = 1 }, "the generation is 1"},
		{"negative rows", func(d *loadtest.Delivered, _ loadtest.Delivered) {
			d.Receipt.Data[0].Rows, d.Receipt.RowsWritten, d.Receipt.RowsRead = -3, -3, -3
		}, "has -3 rows"},
		{"refused with data files", func(d *loadtest.Delivered, _ loadtest.Delivered) {
			d.Receipt.Outcome, d.Receipt.Code = work.Refused, string(fault.TooManyRejects)
		}, "the object is refused, but the receipt has 1 files with rows"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewFixture(t, loadtest.NewFake())
			other := fixture.Deliver(t, loadtest.Delivery{Key: "other.csv", Rows: 2})
			d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
			at := *d.Work.Receipt
			test.forge(&d, other)
			fixture.Receipts.Put(*d.Work.Receipt, d.Receipt)
			fixture.Receipts.Put(at, d.Receipt)
			errs := fixture.Handle(t, other, d)
			if errs[0] != nil {
				t.Errorf("the other object: %v", errs[0])
			}
			if f := loadtest.CheckFault(t, errs[1], fault.ReceiptMismatch, fault.Permanent, d.ID); !strings.Contains(f.Cause(), test.cause) {
				t.Errorf("cause %q lacks %q", f.Cause(), test.cause)
			}
			fixture.CheckRows(t, map[object.ID]int64{other.ID: 2})
		})
	}
}

func TestWorkOfAnotherDatasetLoadsNothing(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	d.Work.Dataset = "shop.other"
	loadtest.CheckFault(t, fixture.Handle(t, d)[0], fault.ReceiptMismatch, fault.Permanent, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
}

// TestRefusedReceiptLoadsNothing: a refused object may have files with rejects.
func TestRefusedReceiptLoadsNothing(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3, Rejects: 2})
	d.Receipt.Outcome, d.Receipt.Code, d.Receipt.Data, d.Receipt.RowsWritten = work.Refused, string(fault.TooManyRejects), nil, 0
	fixture.Receipts.Put(*d.Work.Receipt, d.Receipt)
	loadtest.CheckFault(t, fixture.Handle(t, d)[0], fault.TooManyRejects, fault.Permanent, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	version := func(key, id string) types.ObjectVersion {
		return types.ObjectVersion{Key: aws.String(key), VersionId: aws.String(id)}
	}
	pages := []*s3.ListObjectVersionsOutput{
		{Versions: []types.ObjectVersion{version("a", "3"), version("a", "2")}, IsTruncated: aws.Bool(true)},
		{Versions: []types.ObjectVersion{version("a", "1"), version("ab", "9")}, IsTruncated: aws.Bool(true)},
	}
	got, err := load.Bucket{Client: &store{pages: pages}}.NewestFirst(t.Context(), load.Key{Bucket: "b", Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"3", "2", "1"}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	_, err = load.Bucket{Client: &store{err: &smithy.GenericAPIError{Code: "AccessDenied"}}}.NewestFirst(t.Context(), load.Key{})
	if f := fault.As(err); f == nil || f.Code != fault.AccessDenied {
		t.Errorf("got %v, want %s", err, fault.AccessDenied)
	}
}

// TestNewestFirstHasDeleteMarkers: S3's times have seconds only.
func TestNewestFirstHasDeleteMarkers(t *testing.T) {
	t.Parallel()
	at := func(second int64) *time.Time { return aws.Time(time.Unix(second, 0)) }
	version := func(id string, second int64, latest bool) types.ObjectVersion {
		return types.ObjectVersion{Key: aws.String("a"), VersionId: aws.String(id), LastModified: at(second), IsLatest: aws.Bool(latest)}
	}
	marker := func(key, id string, second int64) types.DeleteMarkerEntry {
		return types.DeleteMarkerEntry{Key: aws.String(key), VersionId: aws.String(id), LastModified: at(second)}
	}
	for name, test := range map[string]struct {
		page *s3.ListObjectVersionsOutput
		want []string
	}{
		"by time": {&s3.ListObjectVersionsOutput{
			Versions: []types.ObjectVersion{version("v3", 30, true), version("v1", 10, false)}, DeleteMarkers: []types.DeleteMarkerEntry{marker("a", "m2", 20)},
		}, []string{"v3", "m2", "v1"}},
		"the same second": {&s3.ListObjectVersionsOutput{
			Versions: []types.ObjectVersion{version("v1", 10, false)}, DeleteMarkers: []types.DeleteMarkerEntry{marker("a", "m2", 10)},
		}, []string{"m2", "v1"}},
		"the same second, but the version is the latest": {&s3.ListObjectVersionsOutput{
			Versions: []types.ObjectVersion{version("v2", 10, true)}, DeleteMarkers: []types.DeleteMarkerEntry{marker("a", "m1", 10)},
		}, []string{"v2", "m1"}},
		"markers of a longer key": {&s3.ListObjectVersionsOutput{
			Versions: []types.ObjectVersion{version("v1", 10, true)}, DeleteMarkers: []types.DeleteMarkerEntry{marker("ab", "m1", 10)}, IsTruncated: aws.Bool(true),
		}, []string{"v1"}},
	} {
		got, err := load.Bucket{Client: &store{pages: []*s3.ListObjectVersionsOutput{test.page}}}.NewestFirst(t.Context(), load.Key{Bucket: "b", Name: "a"})
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

type topic struct {
	input *sns.PublishInput
	err   error
}

func (s *topic) Publish(_ context.Context, input *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	s.input = input
	return &sns.PublishOutput{}, s.err
}

func TestPublish(t *testing.T) {
	t.Parallel()
	client := &topic{}
	announcement := load.Announcement{Dataset: "s.e", LoadID: "l1", Rows: 7, Objects: 2, CurrentDelivery: "1\uFFFE"} // a key may have U+FFFE
	if err := (load.Topic{Client: client, ARN: "arn:loaded"}).Publish(t.Context(), announcement); err != nil {
		t.Fatal(err)
	}
	if want := `{"dataset":"s.e","load_id":"l1","rows":7,"objects":2,"current_delivery":"1\ufffe"}`; aws.ToString(client.input.Message) != want {
		t.Errorf("message %s, want %s", aws.ToString(client.input.Message), want)
	}
	client.err = errors.New("no answer")
	err := load.Topic{Client: client}.Publish(t.Context(), announcement)
	if f := fault.As(err); f == nil || f.Code != fault.TopicAway || f.Disposition != fault.RetryAfter {
		t.Errorf("got %v, want %s", err, fault.TopicAway)
	}
}
