// Package s3store is the transform's store in S3. It reads one version as a stream and
// writes files by multipart upload.
package s3store

import (
	"bytes"
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// Client is the part of S3 used by the store.
type Client interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

// Store implements transform.Store.
type Store struct{ Client Client }

var _ transform.Store = (*Store)(nil)

// Open reads exactly the version of the object. It reads several ranges of a large
// object at once.
func (s *Store) Open(ctx context.Context, o object.Object) (io.ReadCloser, error) {
	if o.Size > rangeSize {
		return openRanges(ctx, s.Client, o)
	}
	d := &download{ctx: ctx, client: s.Client, object: o}
	if err := d.open(); err != nil {
		return nil, err
	}
	return d, nil
}

// Create starts a file. The first request is sent when the first part is full.
func (s *Store) Create(ctx context.Context, at work.Location) transform.Upload {
	return newUpload(ctx, s.Client, at)
}

// Put writes a small file in one request.
func (s *Store) Put(ctx context.Context, at work.Location, body []byte) error {
	_, err := s.Client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(at.Bucket), Key: aws.String(at.Key), Body: bytes.NewReader(body),
	})
	if err != nil {
		return fault.AWS("write "+at.Key, fault.StoreAway, err)
	}
	return nil
}
