package load

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// S3 is the part of the S3 client for receipts and versions.
type S3 interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
}

// Bucket reads receipts and versions from S3, and deletes curated files.
type Bucket struct {
	Client S3
	// Curated is the name of the curated bucket, for DeleteFiles.
	Curated string
}

// Read implements Receipts.
func (b Bucket) Read(ctx context.Context, at work.Location) (work.Receipt, error) {
	return work.ReadReceipt(ctx, b.Client, at)
}

// NewestFirst implements Versions. The list has delete markers too, because a delete
// marker is a version of its key. The call needs s3:ListBucketVersions on the landing
// bucket.
func (b Bucket) NewestFirst(ctx context.Context, key Key) ([]string, error) {
	input := &s3.ListObjectVersionsInput{Bucket: aws.String(key.Bucket), Prefix: aws.String(key.Name)}
	var versions, markers []listedVersion
	for {
		output, err := b.Client.ListObjectVersions(ctx, input)
		if err != nil {
			return nil, fault.AWS("list versions", fault.StoreAway, err)
		}
		longer := false // keys are listed in order: the key itself comes before longer keys with this prefix
		for _, v := range output.Versions {
			if longer = longer || aws.ToString(v.Key) != key.Name; aws.ToString(v.Key) == key.Name {
				versions = append(versions, listedVersion{aws.ToString(v.VersionId), aws.ToTime(v.LastModified), aws.ToBool(v.IsLatest)})
			}
		}
		for _, m := range output.DeleteMarkers {
			if longer = longer || aws.ToString(m.Key) != key.Name; aws.ToString(m.Key) == key.Name {
				markers = append(markers, listedVersion{aws.ToString(m.VersionId), aws.ToTime(m.LastModified), aws.ToBool(m.IsLatest)})
			}
		}
		if longer || !aws.ToBool(output.IsTruncated) {
			return mergeVersions(versions, markers), nil
		}
		input.KeyMarker, input.VersionIdMarker = output.NextKeyMarker, output.NextVersionIdMarker
	}
}

// listedVersion is a version or a delete marker of a key.
type listedVersion struct {
	id       string
	modified time.Time
	latest   bool
}

// mergeVersions returns the ids of versions and delete markers from newest to oldest.
// S3 lists both kinds from newest to oldest, and the SDK returns two lists. The times
// have seconds only. A marker of the same second counts as newer than a version, unless
// S3 calls the version the latest one: a deletion mostly follows the upload.
func mergeVersions(versions, markers []listedVersion) []string {
	var ids []string
	for len(versions) > 0 || len(markers) > 0 {
		if len(markers) == 0 || len(versions) > 0 && (versions[0].latest || versions[0].modified.After(markers[0].modified)) {
			ids, versions = append(ids, versions[0].id), versions[1:]
			continue
		}
		ids, markers = append(ids, markers[0].id), markers[1:]
	}
	return ids
}

// DeleteFiles implements Files. The calls need s3:ListBucket and s3:DeleteObject on the
// curated bucket. The bucket keeps the deleted files as old versions until its lifecycle
// rule deletes them.
func (b Bucket) DeleteFiles(ctx context.Context, dataset string, id object.ID) error {
	const op = "delete curated files"
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{
		Bucket: aws.String(b.Curated), Prefix: aws.String(object.AttemptsPrefix(dataset, id)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fault.AWS(op, fault.StoreAway, err)
		}
		var files []types.ObjectIdentifier // at most 1,000, the limit of one request
		for _, file := range page.Contents {
			files = append(files, types.ObjectIdentifier{Key: file.Key})
		}
		if len(files) == 0 {
			continue
		}
		output, err := b.Client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: aws.String(b.Curated), Delete: &types.Delete{Objects: files, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return fault.AWS(op, fault.StoreAway, err)
		}
		if len(output.Errors) > 0 {
			refused := output.Errors[0]
			return fault.AWS(op, fault.StoreAway, &smithy.GenericAPIError{Code: aws.ToString(refused.Code), Message: aws.ToString(refused.Message)})
		}
	}
	return nil
}

// SNS is the part of the SNS client for announcements.
type SNS interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Topic is the topic Loaded.
type Topic struct {
	Client SNS
	ARN    string
}

// Publish implements Publisher.
func (t Topic) Publish(ctx context.Context, n Announcement) error {
	body, err := work.Message(n)
	if err != nil {
		return fmt.Errorf("encode announcement: %w", err)
	}
	_, err = t.Client.Publish(ctx, &sns.PublishInput{TopicArn: aws.String(t.ARN), Message: aws.String(string(body))})
	if err != nil {
		return fault.AWS("announce load", fault.TopicAway, err)
	}
	return nil
}
