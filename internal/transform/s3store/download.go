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

// maxResumes is how often a read that broke off is taken up again. The SDK
// retries requests, never the reading of a body.
const maxResumes = 5

// sizeUnknown stands for an answer without a length; S3 always gives one.
const sizeUnknown = -1

// download reads an object's body, or a range of it, and resumes where the
// connection broke.
type download struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no place for it
	client Client
	object object.Object
	body   io.ReadCloser
	// read is how far it came in the object, and size where it ends; end is
	// where it shall end, 0 for the object's own end.
	read, size, endAt int64
	resumes           int
}

// open asks for the bytes that weren't read yet.
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
		return classifyRead(err)
	}
	d.body = output.Body
	d.size = sizeUnknown
	if output.ContentLength != nil {
		d.size = d.read + *output.ContentLength
	}
	if d.endAt > 0 && d.size != d.endAt {
		_ = d.body.Close() // nothing of it was read
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
	_ = d.body.Close() // broken already
	return n, d.open()
}

// Close ends the download, read to its end or not.
func (d *download) Close() error { return d.body.Close() }
