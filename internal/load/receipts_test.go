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
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// store answers with a body or an error, and with pages of versions.
type store struct {
	body  string
	err   error
	pages []*s3.ListObjectVersionsOutput
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

func TestReadReceiptClassifiesErrors(t *testing.T) {
	t.Parallel()
	o := object.Object{Bucket: "landing", Key: "a b.csv", Version: "v1"}
	want := work.Receipt{
		Object: o, ObjectID: o.ID(), Dataset: "s.e", Outcome: work.Accepted, RowsRead: 2, RowsWritten: 2,
		Data: []work.File{{Key: "k", Rows: 2}}, Rejects: []work.File{}, FinishedAt: time.Unix(1, 0).UTC(),
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := load.Bucket{Client: &store{body: string(body)}}.Read(t.Context(), work.Location{Bucket: "b", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	tests := []struct {
		name        string
		store       store
		code        fault.Code
		disposition fault.Disposition
	}{
		{"no such key", store{err: &types.NoSuchKey{}}, fault.ReceiptMissing, fault.Permanent},
		{"no grant", store{err: &smithy.GenericAPIError{Code: "AccessDenied"}}, fault.AccessDenied, fault.RetryAfter},
		{"no answer", store{err: errors.New("connection refused")}, fault.StoreAway, fault.RetryAfter},
		{"undecodable receipt", store{body: "{"}, fault.ReceiptMismatch, fault.Permanent},
		{"contradictory counts", store{body: strings.Replace(string(body), `"rows_read":2`, `"rows_read":3`, 1)}, fault.ReceiptMismatch, fault.Permanent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load.Bucket{Client: &test.store}.Read(t.Context(), work.Location{Bucket: "b", Key: "k"})
			if f := fault.As(err); f == nil || f.Code != test.code || f.Disposition != test.disposition {
				t.Errorf("got %v, want %s, %s", err, test.code, test.disposition)
			}
		})
	}
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
	announcement := load.Announcement{Dataset: "s.e", LoadID: "l1", Rows: 7, Objects: 2}
	if err := (load.Topic{Client: client, ARN: "arn:loaded"}).Publish(t.Context(), announcement); err != nil {
		t.Fatal(err)
	}
	if want := `{"dataset":"s.e","load_id":"l1","rows":7,"objects":2}`; aws.ToString(client.input.Message) != want {
		t.Errorf("message %s, want %s", aws.ToString(client.input.Message), want)
	}
	client.err = errors.New("no answer")
	err := load.Topic{Client: client}.Publish(t.Context(), announcement)
	if f := fault.As(err); f == nil || f.Code != fault.QueueAway || f.Disposition != fault.RetryAfter {
		t.Errorf("got %v, want %s", err, fault.QueueAway)
	}
}
