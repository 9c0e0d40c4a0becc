package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// S3 is the part of the S3 client for receipts and versions.
type S3 interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// Bucket reads receipts and versions from S3.
type Bucket struct{ Client S3 }

// maxReceiptBytes is the limit for reading a receipt, in bytes.
const maxReceiptBytes = 16 << 20

// Read implements Receipts.
func (b Bucket) Read(ctx context.Context, at work.Location) (work.Receipt, error) {
	const op = "read receipt"
	output, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(at.Bucket), Key: aws.String(at.Key)})
	if fault.IsAWS(err, "NoSuchKey") {
		return work.Receipt{}, &fault.Fault{Op: op, Code: fault.ReceiptMissing, Disposition: fault.Permanent, Err: err}
	}
	if err != nil {
		return work.Receipt{}, fault.AWS(op, fault.StoreAway, err)
	}
	defer output.Body.Close()
	body, err := io.ReadAll(io.LimitReader(output.Body, maxReceiptBytes))
	if err != nil {
		return work.Receipt{}, fault.AWS(op, fault.StoreAway, err)
	}
	receipt, err := work.DecodeReceipt(body)
	if err != nil {
		return work.Receipt{}, &fault.Fault{Op: op, Code: fault.ReceiptMismatch, Disposition: fault.Permanent, Err: err}
	}
	return receipt, nil
}

// NewestFirst implements Versions. The call needs s3:ListBucketVersions on the landing
// bucket.
func (b Bucket) NewestFirst(ctx context.Context, key Key) ([]string, error) {
	input := &s3.ListObjectVersionsInput{Bucket: aws.String(key.Bucket), Prefix: aws.String(key.Name)}
	var versions []string
	for {
		output, err := b.Client.ListObjectVersions(ctx, input)
		if err != nil {
			return nil, fault.AWS("list versions", fault.StoreAway, err)
		}
		for _, v := range output.Versions {
			if aws.ToString(v.Key) != key.Name { // keys are listed in order: the key itself comes before longer keys with this prefix
				return versions, nil
			}
			versions = append(versions, aws.ToString(v.VersionId))
		}
		if !aws.ToBool(output.IsTruncated) {
			return versions, nil
		}
		input.KeyMarker, input.VersionIdMarker = output.NextKeyMarker, output.NextVersionIdMarker
	}
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
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode announcement: %w", err)
	}
	_, err = t.Client.Publish(ctx, &sns.PublishInput{TopicArn: aws.String(t.ARN), Message: aws.String(string(body))})
	if err != nil {
		return fault.AWS("announce load", fault.QueueAway, err)
	}
	return nil
}
