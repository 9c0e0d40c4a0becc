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
			found := version{Modified: aws.ToTime(listed.LastModified), Current: aws.ToBool(listed.IsLatest), Object: object.Object{
				Bucket: a.LandingBucket, Key: aws.ToString(listed.Key), Version: aws.ToString(listed.VersionId), Size: aws.ToInt64(listed.Size),
			}}
			if err := s.addVersion(a.claimant(found.Object.Key), found); err != nil {
				return err
			}
		}
		for _, listed := range page.DeleteMarkers {
			found := marker{Key: aws.ToString(listed.Key), DeletedAt: aws.ToTime(listed.LastModified)}
			dataset := a.claimant(found.Key)
			if !aws.ToBool(listed.IsLatest) || !s.audits(dataset) {
				continue
			}
			if err := s.putByKey(object.Object{Bucket: a.LandingBucket, Key: found.Key}, record{Dataset: dataset, Marker: &found}); err != nil {
				return err
			}
		}
	}
	return nil
}

// addVersion keeps a version of a dataset, except ignored names.
func (s *auditState) addVersion(dataset string, v version) error {
	if !s.audits(dataset) || v.Object.IgnoreReason() != "" {
		return nil
	}
	id := v.Object.ID()
	return s.byID.put(string(id), record{Dataset: dataset, ID: id, Version: &v})
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
	for dataset, d := range s.datasets {
		if d.contract == nil {
			continue
		}
		prefix := object.DatasetPrefix(dataset)
		pages := s3.NewListObjectsV2Paginator(a.Objects, &s3.ListObjectsV2Input{Bucket: aws.String(a.CuratedBucket), Prefix: aws.String(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("list s3://%s/%s: %w", a.CuratedBucket, prefix, err)
			}
			for _, listed := range page.Contents {
				if err := s.addReceipt(prefix, aws.ToString(listed.Key)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addReceipt keeps the key of a receipt. The object's id follows the prefix of the
// dataset.
func (s *auditState) addReceipt(prefix, key string) error {
	if !strings.HasSuffix(key, "/"+object.ReceiptName) {
		return nil
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
	return s.byID.put(id, record{ID: object.ID(id), Receipt: key})
}
