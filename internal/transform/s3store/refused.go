package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

const readOp = "read landing object"

// classifyRead returns the fault of a refused GetObject:
//
//   - object_gone for a missing version. S3 answers MethodNotAllowed if the version is a
//     delete marker (AmazonS3/latest/API/API_GetObject).
//   - object_archived for an object in an archive class (the same page, InvalidObjectState).
//   - object_denied or key_refused if only this object is refused. Both are retried and
//     counted. The marker object tells the object's fault from a missing grant: the
//     marker has the same bucket, and its read needs the same grants.
//   - access_denied or key_refused, never counted, if the marker is refused too.
//   - store_away for any other error.
func classifyRead(ctx context.Context, client Client, bucket string, err error) error {
	switch {
	case fault.IsAWS(err, "NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "NotFound"):
		return &fault.Fault{Op: readOp, Code: fault.ObjectGone, Disposition: fault.Permanent, Err: err}
	case fault.IsAWS(err, "InvalidObjectState"):
		return &fault.Fault{Op: readOp, Code: fault.ObjectArchived, Disposition: fault.Permanent, Err: fault.Cleaned(err, "")}
	case !fault.IsAccessDenied(err) && !isKeyRefused(err):
		return fault.AWS(readOp, fault.StoreAway, err)
	}
	f := fault.Dependency(readOp, fault.AccessDenied, fault.Cleaned(err, ""))
	if isKeyRefused(err) {
		f.Code = fault.KeyRefused
	}
	if markerErr := readMarker(ctx, client, bucket); markerErr != nil {
		f.Err = fmt.Errorf("%w; firn's own object %s can't be read either: %w", f.Err, object.MarkerKey, fault.Cleaned(markerErr, ""))
		return f
	}
	f.Disposition = fault.Retry
	if f.Code == fault.AccessDenied {
		f.Code = fault.ObjectDenied
	}
	return f
}

// isKeyRefused reports whether AWS KMS is the cause of a refused read. S3 passes on the
// code of KMS with the prefix "KMS.", for example KMS.DisabledException. For a missing
// right to use the key, S3 answers AccessDenied with the action in the text
// (AmazonS3/latest/userguide/troubleshoot-403-errors).
func isKeyRefused(err error) bool {
	var api interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &api) {
		return false
	}
	return strings.HasPrefix(api.ErrorCode(), "KMS.") || fault.IsAccessDenied(err) && strings.Contains(api.ErrorMessage(), "kms:")
}

// readMarker reads the marker object as any landing object: by its version. readMarker
// writes the marker first if the bucket has none.
func readMarker(ctx context.Context, client Client, bucket string) error {
	version, err := markerVersion(ctx, client, bucket)
	if err != nil {
		return err
	}
	return read(ctx, client, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(object.MarkerKey), VersionId: version})
}

func markerVersion(ctx context.Context, client Client, bucket string) (*string, error) {
	newest, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(object.MarkerKey)})
	if err == nil {
		return newest.VersionId, newest.Body.Close()
	}
	if !fault.IsAWS(err, "NoSuchKey") {
		return nil, err
	}
	const text = "firn reads this object to tell an unreadable file from a missing grant. Don't delete it.\n"
	written, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(object.MarkerKey), Body: strings.NewReader(text),
	})
	if err != nil {
		return nil, err
	}
	return written.VersionId, nil
}

func read(ctx context.Context, client Client, input *s3.GetObjectInput) error {
	output, err := client.GetObject(ctx, input)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, output.Body)
	return errors.Join(err, output.Body.Close())
}
