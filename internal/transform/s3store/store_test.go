package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

// fakeS3 is an S3 with injected errors. It is as strict as S3: parts have at least 5
// MiB, except the last part, and the list of parts is complete and ascending.
type fakeS3 struct {
	mutex       sync.Mutex
	body        []byte
	breakAt     []int64 // bytes before each read breaks
	ranges      []string
	getErr      error
	markerErr   error
	markerReads int
	partErr     error
	objects     map[string][]byte
	parts       map[int32][]byte
	aborted     bool
	inFlight    int
	maxInFlight int
}

func (f *fakeS3) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	if *in.Key == object.MarkerKey {
		return f.getMarker(in)
	}
	if f.getErr != nil {
		return nil, f.getErr
	}
	if aws.ToString(in.VersionId) != "v1" {
		return nil, &smithy.GenericAPIError{Code: "NoSuchVersion"}
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.ranges = append(f.ranges, aws.ToString(in.Range))
	from, to := int64(0), int64(len(f.body))-1
	if in.Range != nil {
		if n, err := fmt.Sscanf(*in.Range, "bytes=%d-%d", &from, &to); n == 0 {
			return nil, err
		}
	}
	if from >= int64(len(f.body)) && from > 0 {
		return nil, &smithy.GenericAPIError{Code: "InvalidRange"}
	}
	rest := f.body[from:min(to+1, int64(len(f.body)))]
	var body io.Reader = bytes.NewReader(rest)
	if len(f.breakAt) > 0 {
		body = io.MultiReader(io.LimitReader(body, f.breakAt[0]), brokenReader{})
		f.breakAt = f.breakAt[1:]
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(body), ContentLength: aws.Int64(int64(len(rest)))}, nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (f *fakeS3) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	f.objects[*in.Bucket+"/"+*in.Key] = body
	return &s3.PutObjectOutput{VersionId: aws.String("v1")}, err
}

func (f *fakeS3) CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	f.parts = make(map[int32][]byte)
	return &s3.CreateMultipartUploadOutput{UploadId: aws.String("u")}, nil
}

func (f *fakeS3) UploadPart(_ context.Context, in *s3.UploadPartInput, _ ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	f.mutex.Lock()
	f.inFlight++
	f.maxInFlight = max(f.maxInFlight, f.inFlight)
	f.mutex.Unlock()
	body, err := io.ReadAll(in.Body)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.inFlight--
	if f.partErr != nil {
		return nil, f.partErr
	}
	f.parts[*in.PartNumber] = body
	return &s3.UploadPartOutput{ETag: aws.String(fmt.Sprint("e", *in.PartNumber)), ChecksumCRC32: aws.String("c")}, err
}

func (f *fakeS3) CompleteMultipartUpload(_ context.Context, in *s3.CompleteMultipartUploadInput, _ ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	const minimum = 5 << 20
	parts := in.MultipartUpload.Parts
	if len(parts) != len(f.parts) {
		return nil, &smithy.GenericAPIError{Code: "InvalidPart"}
	}
	var whole []byte
	for i, part := range parts {
		body := f.parts[int32(i+1)]
		if *part.PartNumber != int32(i+1) || *part.ETag != fmt.Sprint("e", i+1) || *part.ChecksumCRC32 != "c" {
			return nil, &smithy.GenericAPIError{Code: "InvalidPartOrder"}
		}
		if i < len(parts)-1 && len(body) < minimum {
			return nil, &smithy.GenericAPIError{Code: "EntityTooSmall"}
		}
		whole = append(whole, body...)
	}
	f.objects[*in.Bucket+"/"+*in.Key] = whole
	return &s3.CompleteMultipartUploadOutput{}, nil
}

func (f *fakeS3) AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	f.aborted = true
	return &s3.AbortMultipartUploadOutput{}, nil
}

var (
	landing = object.Object{Bucket: "landing", Key: "a b.csv", Version: "v1"}
	target  = work.Location{Bucket: "curated", Key: "data.parquet"}
)

func newFake(size int) *fakeS3 {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i * 7919 >> 8)
	}
	return &fakeS3{body: body, objects: make(map[string][]byte)}
}

func TestOpenResumes(t *testing.T) {
	t.Parallel()
	f := newFake(10_000)
	f.breakAt = []int64{4000, 0, 5999}
	body, err := (&s3store.Store{Client: f}).Open(t.Context(), landing)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, f.body) {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
	if want := []string{"", "bytes=4000-", "bytes=4000-", "bytes=9999-"}; !slices.Equal(f.ranges, want) {
		t.Errorf("ranges %q, want %q", f.ranges, want)
	}
}

func TestOpenGivesUp(t *testing.T) {
	t.Parallel()
	f := newFake(1000)
	f.breakAt = make([]int64, 100)
	body, err := (&s3store.Store{Client: f}).Open(t.Context(), landing)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(body)
	if fa := fault.As(err); fa == nil || fa.Code != fault.StoreAway || fa.Disposition != fault.RetryAfter {
		t.Errorf("error %v", err)
	}
	if len(f.ranges) != 6 {
		t.Errorf("%d requests", len(f.ranges))
	}
}

func TestOpenFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code        string
		want        fault.Code
		disposition fault.Disposition
	}{
		{"NoSuchKey", fault.ObjectGone, fault.Permanent},
		{"NoSuchVersion", fault.ObjectGone, fault.Permanent},
		{"MethodNotAllowed", fault.ObjectGone, fault.Permanent},
		{"SlowDown", fault.StoreAway, fault.RetryAfter},
		{"InternalError", fault.StoreAway, fault.RetryAfter},
	}
	for _, test := range tests {
		f := newFake(1)
		f.getErr = &smithy.GenericAPIError{Code: test.code}
		_, err := (&s3store.Store{Client: f}).Open(t.Context(), landing)
		if fa := fault.As(err); fa == nil || fa.Code != test.want || fa.Disposition != test.disposition {
			t.Errorf("%s: error %v", test.code, err)
		}
	}
}

// getMarker returns the marker object, or the error of the marker's reads.
func (f *fakeS3) getMarker(in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	if f.markerErr != nil {
		return nil, f.markerErr
	}
	body, found := f.objects[landing.Bucket+"/"+object.MarkerKey]
	if !found {
		return nil, &smithy.GenericAPIError{Code: "NoSuchKey"}
	}
	if in.VersionId != nil {
		f.markerReads++
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body)), VersionId: aws.String("v1")}, nil
}

// TestRefusedReadIsComparedWithMarker: a refused read counts as the object's fault only
// if firn's own object in the same bucket can be read by its version. The marker is
// written if the bucket has none.
func TestRefusedReadIsComparedWithMarker(t *testing.T) {
	t.Parallel()
	refused := func(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }
	denied := refused("AccessDenied", "Access Denied")
	tests := []struct {
		name        string
		get, marker error
		want        fault.Code
		disposition fault.Disposition
	}{
		{"object denied", denied, nil, fault.ObjectDenied, fault.Retry},
		{"bucket denied", denied, denied, fault.AccessDenied, fault.RetryAfter},
		{"marker without answer", denied, refused("SlowDown", ""), fault.AccessDenied, fault.RetryAfter},
		{"foreign key", refused("AccessDenied", "not authorized to perform: kms:Decrypt"), nil, fault.KeyRefused, fault.Retry},
		{"disabled key of one object", refused("KMS.DisabledException", ""), nil, fault.KeyRefused, fault.Retry},
		{"missing key of one object", refused("KMS.NotFoundException", ""), nil, fault.KeyRefused, fault.Retry},
		{"disabled key of the bucket", refused("KMS.DisabledException", ""), refused("KMS.DisabledException", ""), fault.KeyRefused, fault.RetryAfter},
		{"archived", refused("InvalidObjectState", ""), nil, fault.ObjectArchived, fault.Permanent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(1)
			f.getErr, f.markerErr = test.get, test.marker
			for i := range 2 { // the first read writes the marker, the second read finds the marker
				_, err := (&s3store.Store{Client: f}).Open(t.Context(), landing)
				if got := fault.As(err); got == nil || got.Code != test.want || got.Disposition != test.disposition {
					t.Errorf("read %d: error %v, want %s and %s", i+1, err, test.want, test.disposition)
				}
			}
			if counted := test.disposition == fault.Retry; counted != (f.markerReads == 2) {
				t.Errorf("%d reads of the marker by version", f.markerReads)
			}
		})
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, s3store.PartSize - 1, s3store.PartSize, s3store.PartSize + 1, 5*s3store.PartSize + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			f := newFake(size)
			upload := (&s3store.Store{Client: f}).Create(t.Context(), target)
			for rest := f.body; len(rest) > 0; {
				n := min(len(rest), 1_000_003)
				if _, err := upload.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if len(f.objects) != 0 {
				t.Error("the file appeared before it was committed")
			}
			if err := upload.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := upload.Abort(t.Context()); err != nil || f.aborted {
				t.Errorf("abort after commit: error %v, request sent %t", err, f.aborted)
			}
			if !bytes.Equal(f.objects["curated/data.parquet"], f.body) {
				t.Error("the file differs from the written bytes")
			}
			if f.maxInFlight > 2 {
				t.Errorf("%d parts in flight", f.maxInFlight)
			}
		})
	}
}

func TestUploadAborts(t *testing.T) {
	t.Parallel()
	f := newFake(3 * s3store.PartSize)
	upload := (&s3store.Store{Client: f}).Create(t.Context(), target)
	if _, err := upload.Write(f.body); err != nil {
		t.Fatal(err)
	}
	if err := upload.Abort(t.Context()); err != nil || !f.aborted || len(f.objects) != 0 {
		t.Errorf("error %v, aborted %t, objects %d", err, f.aborted, len(f.objects))
	}
}

func TestUploadFails(t *testing.T) {
	t.Parallel()
	f := newFake(3 * s3store.PartSize)
	f.partErr = &smithy.GenericAPIError{Code: "AccessDenied"}
	upload := (&s3store.Store{Client: f}).Create(t.Context(), target)
	_, err := upload.Write(f.body)
	err = errors.Join(err, upload.Commit(t.Context()))
	if fa := fault.As(err); fa == nil || fa.Code != fault.AccessDenied || !strings.Contains(err.Error(), "data.parquet") {
		t.Errorf("error %v", err)
	}
	if err := upload.Abort(t.Context()); err != nil || !f.aborted {
		t.Errorf("error %v, aborted %t", err, f.aborted)
	}
}

// TestOpenRanges reads a large object in ranges with broken connections. All bytes must
// be read once, in order.
func TestOpenRanges(t *testing.T) {
	t.Parallel()
	const size = 21<<20 + 17
	large := landing
	large.Size = size
	f := newFake(size)
	f.breakAt = []int64{4000, 0, 5999, 4 << 20, 1}
	body, err := (&s3store.Store{Client: f}).Open(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, f.body) {
		t.Errorf("read %d bytes, want the %d bytes of the object: %v", len(got), size, err)
	}
	const ranges, resumed = 6, 4
	if len(f.ranges) != ranges+resumed {
		t.Errorf("%d requests: %v", len(f.ranges), f.ranges)
	}
}

// TestOpenRangesFails checks the error of a failed range, and Close before the end.
func TestOpenRangesFails(t *testing.T) {
	t.Parallel()
	large := landing
	large.Size = 30 << 20
	f := newFake(20 << 20) // less than the size in the event
	body, err := (&s3store.Store{Client: f}).Open(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); n != 20<<20 || fault.As(err).Code != fault.StoreAway {
		t.Errorf("read %d bytes, error %v", n, err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f = newFake(30 << 20)
	if body, err = (&s3store.Store{Client: f}).Open(ctx, large); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the end of the context", err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	f.getErr = &smithy.GenericAPIError{Code: "NoSuchVersion"}
	if _, err := (&s3store.Store{Client: f}).Open(t.Context(), large); fault.As(err).Code != fault.ObjectGone {
		t.Errorf("error %v for a deleted version", err)
	}
}
