package gluerun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Copier copies objects inside S3.
type Copier interface {
	CopyObject(context.Context, *s3.CopyObjectInput, ...func(*s3.Options)) (*s3.CopyObjectOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPartCopy(context.Context, *s3.UploadPartCopyInput, ...func(*s3.Options)) (*s3.UploadPartCopyOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
}

func (r *Runs) putManifest(ctx context.Context, m work.Manifest) error {
	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	_, err = r.Store.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(r.Bucket), Key: aws.String(work.ManifestKey(m.ID)), Body: bytes.NewReader(body),
	})
	if err != nil {
		return fault.AWS("write manifest", fault.StoreAway, err)
	}
	return nil
}

func (r *Runs) readManifest(ctx context.Context, id string) (work.Manifest, error) {
	const op = "read manifest"
	output, err := r.Store.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(r.Bucket), Key: aws.String(work.ManifestKey(id))})
	if err != nil {
		return work.Manifest{}, fault.AWS(op, fault.StoreAway, err)
	}
	body, err := io.ReadAll(output.Body)
	if err = errors.Join(err, output.Body.Close()); err != nil {
		return work.Manifest{}, fault.Dependency(op, fault.StoreAway, fault.Cleaned(err, ""))
	}
	return work.DecodeManifest(body)
}

func (r *Runs) exists(ctx context.Context, at work.Location) (bool, error) {
	_, err := r.Store.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(at.Bucket), Key: aws.String(at.Key)})
	switch {
	case err == nil:
		return true, nil
	case isGone(err):
		return false, nil
	default:
		return false, fault.AWS("look for receipt", fault.StoreAway, err)
	}
}

func isGone(err error) bool {
	return fault.IsAWS(err, "NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed")
}

// source returns the location from which Spark reads the object. If the object is the
// newest version of its key, the location is the key. Otherwise, the location is a
// copy, because Spark can only read the newest version. The script checks the version
// again before and after its read.
func (r *Runs) source(ctx context.Context, manifest string, o object.Object) (work.Location, error) {
	newest, err := r.Store.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(o.Bucket), Key: aws.String(o.Key)})
	switch {
	case err == nil && aws.ToString(newest.VersionId) == o.Version:
		return work.Location{Bucket: o.Bucket, Key: o.Key}, nil
	case err != nil && !isGone(err):
		return work.Location{}, fault.AWS("look for landing object", fault.StoreAway, err)
	}
	at := work.Location{Bucket: r.Bucket, Key: work.ManifestPrefix + manifest + "/" + string(o.ID()) + "/" + path.Base(o.Key)}
	if err := r.copy(ctx, o, at); err != nil {
		if isGone(err) {
			return work.Location{}, &fault.Fault{Op: "copy landing object", Code: fault.ObjectGone, Disposition: fault.Permanent, Err: err}
		}
		return work.Location{}, fault.AWS("copy landing object", fault.StoreAway, err)
	}
	return at, nil
}

// largestCopy is the maximum size for CopyObject in bytes. copyPart is the size of the
// parts of a larger object (AmazonS3/latest/userguide, copy-object).
const (
	maxCopyBytes  = 5 << 30
	copyPartBytes = 1 << 30
)

// copy copies one version without its tags, because reading tags needs another
// permission.
func (r *Runs) copy(ctx context.Context, o object.Object, to work.Location) error {
	from := copySource(o)
	if o.Size > maxCopyBytes {
		return r.copyParts(ctx, o, from, to)
	}
	_, err := r.Store.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: aws.String(to.Bucket), Key: aws.String(to.Key), CopySource: aws.String(from),
		TaggingDirective: types.TaggingDirectiveReplace,
	})
	return err
}

// copySource returns the version in the format of the header x-amz-copy-source: the key
// is form-encoded, except its slashes.
func copySource(o object.Object) string {
	key := strings.ReplaceAll(url.PathEscape(o.Key), "%2F", "/")
	return o.Bucket + "/" + strings.ReplaceAll(key, "+", "%2B") + "?versionId=" + url.QueryEscape(o.Version)
}

// copyParts copies an object in parts. The bucket's lifecycle rule removes an
// unfinished upload.
func (r *Runs) copyParts(ctx context.Context, o object.Object, from string, to work.Location) error {
	upload, err := r.Store.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(to.Bucket), Key: aws.String(to.Key)})
	if err != nil {
		return err
	}
	var parts []types.CompletedPart
	for begin := int64(0); begin < o.Size; begin += copyPartBytes {
		number := aws.Int32(int32(len(parts) + 1))
		part, err := r.Store.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: aws.String(to.Bucket), Key: aws.String(to.Key), UploadId: upload.UploadId, PartNumber: number,
			CopySource: aws.String(from), CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", begin, min(begin+copyPartBytes, o.Size)-1)),
		})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: part.CopyPartResult.ETag, PartNumber: number})
	}
	_, err = r.Store.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(to.Bucket), Key: aws.String(to.Key), UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}
