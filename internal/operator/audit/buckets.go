package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/object"
)

// listLanding lists every version of every key that is to be audited. Delete
// markers come in a list of their own (AmazonS3 API, ListObjectVersions).
func (a *Auditor) listLanding(ctx context.Context, w *auditState) error {
	input := &s3.ListObjectVersionsInput{Bucket: aws.String(a.LandingBucket)}
	if c := a.Contracts.ByDataset(w.onlyDataset); c != nil {
		input.Prefix = aws.String(c.KeyPrefix)
	}
	pages := s3.NewListObjectVersionsPaginator(a.Objects, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list versions in s3://%s: %w", a.LandingBucket, err)
		}
		for _, listed := range page.Versions {
			found := version{modified: aws.ToTime(listed.LastModified), Object: object.Object{
				Bucket: a.LandingBucket, Key: aws.ToString(listed.Key), Version: aws.ToString(listed.VersionId), Size: aws.ToInt64(listed.Size),
			}}
			if p := w.datasetState(a.claimant(found.Key)); p != nil && found.IgnoreReason() == "" {
				p.versions = append(p.versions, found)
			}
		}
	}
	return nil
}

// claimant is the dataset that claims a key; "" if none does.
func (a *Auditor) claimant(key string) string {
	if c := a.Contracts.ByKey(key); c != nil {
		return c.Dataset()
	}
	return ""
}

// listReceipts lists the receipts of each dataset.
func (a *Auditor) listReceipts(ctx context.Context, w *auditState) error {
	for _, p := range w.parts {
		if p.contract == nil {
			continue
		}
		prefix := object.DatasetPrefix(p.dataset)
		pages := s3.NewListObjectsV2Paginator(a.Objects, &s3.ListObjectsV2Input{Bucket: aws.String(a.CuratedBucket), Prefix: aws.String(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("list s3://%s/%s: %w", a.CuratedBucket, prefix, err)
			}
			for _, listed := range page.Contents {
				if name := aws.ToString(listed.Key); strings.HasSuffix(name, "/"+object.ReceiptName) {
					p.receipts[name] = true
				}
			}
		}
	}
	return nil
}
