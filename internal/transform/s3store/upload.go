package s3store

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

const (
	// PartSize is a part's size in bytes; S3 takes at least 5 MiB and at most
	// 10,000 parts (AmazonS3/latest/userguide/qfacts).
	PartSize = 8 << 20
	// partsInFlight bounds the parts of one file that are sent at once, and so
	// its memory: these and the one that is filled.
	partsInFlight = 2
)

// upload sends a file in parts while it is written. A file smaller than one
// part is one PutObject.
type upload struct {
	ctx     context.Context //nolint:containedctx // io.Writer has no place for it
	client  Client
	at      work.Location
	id      string
	pending []byte
	number  int32
	sending *errgroup.Group
	done    bool

	mutex sync.Mutex
	parts []types.CompletedPart
	free  [][]byte
}

func newUpload(ctx context.Context, client Client, at work.Location) *upload {
	sending, ctx := errgroup.WithContext(ctx)
	sending.SetLimit(partsInFlight)
	return &upload{ctx: ctx, client: client, at: at, sending: sending}
}

// Write implements io.Writer. It waits while too many parts are in flight.
func (u *upload) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		n := min(len(p), PartSize-len(u.pending))
		u.pending = append(u.pending, p[:n]...)
		p = p[n:]
		if len(u.pending) == PartSize {
			if err := u.send(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// send hands the pending bytes to a part of their own.
func (u *upload) send() error {
	if err := u.begin(); err != nil {
		return err
	}
	u.number++
	body, number := u.pending, u.number
	u.pending = u.take()
	u.sending.Go(func() error { return u.part(number, body) })
	return u.failure()
}

// begin asks for an upload id before the first part.
func (u *upload) begin() error {
	if u.id != "" {
		return nil
	}
	output, err := u.client.CreateMultipartUpload(u.ctx, &s3.CreateMultipartUploadInput{
		Bucket: aws.String(u.at.Bucket), Key: aws.String(u.at.Key), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return u.fault(err)
	}
	u.id = aws.ToString(output.UploadId)
	return nil
}

// part sends one part. The checksum of each part goes into the completion:
// S3 holds the whole file against them.
func (u *upload) part(number int32, body []byte) error {
	output, err := u.client.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: aws.String(u.at.Bucket), Key: aws.String(u.at.Key), UploadId: aws.String(u.id),
		PartNumber: aws.Int32(number), Body: bytes.NewReader(body), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return u.fault(err)
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.parts = append(u.parts, types.CompletedPart{
		PartNumber: aws.Int32(number), ETag: output.ETag, ChecksumCRC32: output.ChecksumCRC32,
	})
	u.free = append(u.free, body[:0])
	return nil
}

// take returns an empty buffer, one that a sent part has left if there is one.
func (u *upload) take() []byte {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if n := len(u.free); n > 0 {
		buffer := u.free[n-1]
		u.free = u.free[:n-1]
		return buffer
	}
	return make([]byte, 0, PartSize)
}

// failure returns the fault of a part that failed meanwhile: writing on would
// be in vain.
func (u *upload) failure() error {
	if u.ctx.Err() == nil {
		return nil
	}
	if err := u.sending.Wait(); err != nil {
		return err
	}
	return u.ctx.Err()
}

// Commit sends the rest and makes the file appear.
func (u *upload) Commit(ctx context.Context) error {
	if u.id == "" {
		u.done = true
		return (&Store{Client: u.client}).Put(ctx, u.at, u.pending)
	}
	if len(u.pending) > 0 {
		if err := u.send(); err != nil {
			return err
		}
	}
	if err := u.sending.Wait(); err != nil {
		return err
	}
	slices.SortFunc(u.parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	_, err := u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(u.at.Bucket), Key: aws.String(u.at.Key), UploadId: aws.String(u.id),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	if err != nil {
		return u.fault(err)
	}
	u.done = true
	return nil
}

// Abort drops the parts that were sent. A part that is in flight is waited
// for: S3 would keep it otherwise.
func (u *upload) Abort(ctx context.Context) error {
	if u.done || u.id == "" {
		return nil
	}
	_ = u.sending.Wait() // its fault was the reason to abort
	_, err := u.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(u.at.Bucket), Key: aws.String(u.at.Key), UploadId: aws.String(u.id),
	})
	if err != nil {
		return u.fault(err)
	}
	return nil
}

func (u *upload) fault(err error) error {
	return fault.AWS("write "+u.at.Key, fault.StoreAway, err)
}
