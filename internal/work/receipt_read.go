package work

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
)

// Objects reads objects from the curated bucket. Without s3:ListBucket on this bucket,
// S3 answers 403 for a deleted receipt (AmazonS3 API reference, GetObject), like for a
// missing grant.
type Objects interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// maxReceiptBytes is the limit of a receipt's size. A file needs about 200 bytes.
const maxReceiptBytes = 16 << 20

// ReadReceipt reads and validates the receipt at a place in the curated bucket. It
// reads the latest version: no two attempts share a key, so there is a single version,
// or a repeated upload wrote the same bytes twice.
//
// A missing receipt is a permanent fault of code receipt_missing. A receipt that is too
// long, undecodable or invalid is a permanent fault of code receipt_mismatch.
func ReadReceipt(ctx context.Context, objects Objects, at Location) (Receipt, error) {
	const op = "read receipt"
	output, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(at.Bucket), Key: aws.String(at.Key)})
	if fault.IsAWS(err, "NoSuchKey", "NoSuchVersion", "NotFound") {
		return Receipt{}, fault.Permanentf(op, fault.ReceiptMissing, "s3://%s/%s was deleted before the read", at.Bucket, at.Key)
	}
	if err != nil {
		return Receipt{}, fault.AWS(op, fault.StoreAway, err)
	}
	body, err := io.ReadAll(io.LimitReader(output.Body, maxReceiptBytes+1))
	if err = errors.Join(err, output.Body.Close()); err != nil {
		return Receipt{}, fault.AWS(op, fault.StoreAway, err)
	}
	receipt, err := DecodeReceipt(body, at)
	if len(body) > maxReceiptBytes {
		err = fmt.Errorf("receipt s3://%s/%s: the receipt has more than %d bytes", at.Bucket, at.Key, maxReceiptBytes)
	}
	if err != nil {
		return Receipt{}, &fault.Fault{Op: op, Code: fault.ReceiptMismatch, Disposition: fault.Permanent, Err: err}
	}
	return receipt, nil
}
