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
	// PartSize is the size of a part in bytes. S3 requires at least 5 MiB and allows
	// 10,000 parts (AmazonS3/latest/userguide/qfacts).
	PartSize = 8 << 20
	// partsInFlight is the maximum number of parts of a file sent at once. The memory
	// of a file is these parts and the open part.
	partsInFlight = 2
)

// upload sends a file in parts during the writes. A file smaller than one part is one
// PutObject.
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

// Write implements io.Writer. It blocks while too many parts are in flight.
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

// send starts to send the pending bytes as a part.
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

// begin requests an upload id before the first part.
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

// part sends one part. Commit sends the checksum of each part again, and S3 compares
// these with the whole file.
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

// take returns an empty buffer, if possible from a sent part.
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

// failure returns the fault of a failed part: further writes would be useless.
func (u *upload) failure() error {
	if u.ctx.Err() == nil {
		return nil
	}
	if err := u.sending.Wait(); err != nil {
		return err
	}
	return u.ctx.Err()
}

// Commit sends the last part and makes the file visible.
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

// Abort drops the sent parts. Abort waits for parts in flight, because S3 would keep
// them otherwise.
func (u *upload) Abort(ctx context.Context) error {
	if u.done || u.id == "" {
		return nil
	}
	_ = u.sending.Wait() // the caller has this fault already
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
