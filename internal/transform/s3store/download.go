package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// maxResumes is the number of times a broken read is resumed. The SDK retries requests,
// but never the read of a body.
const maxResumes = 5

// sizeUnknown means an answer without a length. S3 always returns a length.
const sizeUnknown = -1

// download reads the body of an object, or a range, and resumes after a broken
// connection.
type download struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no place for it
	client Client
	object object.Object
	body   io.ReadCloser
	// read is the position in the object, size the end of the body, and endAt the
	// requested end. endAt 0 means the end of the object.
	read, size, endAt int64
	resumes           int
}

// open requests the unread bytes.
func (d *download) open() error {
	input := &s3.GetObjectInput{Bucket: aws.String(d.object.Bucket), Key: aws.String(d.object.Key)}
	if d.object.Version != "" {
		input.VersionId = aws.String(d.object.Version)
	}
	if d.object.Version == "" && d.object.ETag != "" {
		input.IfMatch = aws.String(d.object.ETag)
	}
	switch {
	case d.endAt > 0:
		input.Range = aws.String(fmt.Sprintf("bytes=%d-%d", d.read, d.endAt-1))
	case d.read > 0:
		input.Range = aws.String(fmt.Sprintf("bytes=%d-", d.read))
	}
	output, err := d.client.GetObject(d.ctx, input)
	if err != nil {
		return classifyRead(d.ctx, d.client, d.object.Bucket, err)
	}
	d.body = output.Body
	d.size = sizeUnknown
	if output.ContentLength != nil {
		d.size = d.read + *output.ContentLength
	}
	if d.endAt > 0 && d.size != d.endAt {
		_ = d.body.Close() // unread
		return fault.Dependency("read landing object", fault.StoreAway, fmt.Errorf("asked for bytes %d to %d, the answer ends at %d", d.read, d.endAt, d.size))
	}
	return nil
}

// Read implements io.Reader. io.EOF means that every byte was read.
func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.read += int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && (d.size == sizeUnknown || d.read == d.size):
		return n, io.EOF
	case d.ctx.Err() != nil:
		return n, d.ctx.Err()
	case d.read == d.size:
		return n, io.EOF
	}
	if d.resumes == maxResumes {
		return n, fault.Dependency("read landing object", fault.StoreAway,
			fmt.Errorf("the connection broke %d times, last after %d of %d bytes: %w", maxResumes+1, d.read, d.size, err))
	}
	d.resumes++
	_ = d.body.Close() // already broken
	return n, d.open()
}

// Close ends the download, also before the last byte.
func (d *download) Close() error { return d.body.Close() }
