package audit

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/object"
)

// listLanding lists every version of the audited keys, and the deleted keys. S3 returns
// delete markers in a list of their own (AmazonS3 API, ListObjectVersions).
func (a *Auditor) listLanding(ctx context.Context, s *auditState) error {
	input := &s3.ListObjectVersionsInput{Bucket: aws.String(a.LandingBucket)}
	if c := a.Contracts.ByDataset(s.onlyDataset); c != nil {
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
			if d := s.datasetState(a.claimant(found.Key)); d != nil && found.IgnoreReason() == "" {
				d.versions = append(d.versions, found)
				d.present[found.Key] = d.present[found.Key] || aws.ToBool(listed.IsLatest)
			}
		}
		for _, marker := range page.DeleteMarkers {
			if d := s.datasetState(a.claimant(aws.ToString(marker.Key))); d != nil && aws.ToBool(marker.IsLatest) {
				d.deletedAt[aws.ToString(marker.Key)] = aws.ToTime(marker.LastModified)
			}
		}
	}
	return nil
}

// claimant returns the dataset of a key; empty for a key without a contract.
func (a *Auditor) claimant(key string) string {
	if c := a.Contracts.ByKey(key); c != nil {
		return c.Dataset()
	}
	return ""
}

// listReceipts lists the receipts of each dataset.
func (a *Auditor) listReceipts(ctx context.Context, s *auditState) error {
	for _, d := range s.datasets {
		if d.contract == nil {
			continue
		}
		prefix := object.DatasetPrefix(d.dataset)
		pages := s3.NewListObjectsV2Paginator(a.Objects, &s3.ListObjectsV2Input{Bucket: aws.String(a.CuratedBucket), Prefix: aws.String(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("list s3://%s/%s: %w", a.CuratedBucket, prefix, err)
			}
			for _, listed := range page.Contents {
				if name := aws.ToString(listed.Key); strings.HasSuffix(name, "/"+object.ReceiptName) {
					d.receipts[name] = true
				}
			}
		}
	}
	return nil
}
