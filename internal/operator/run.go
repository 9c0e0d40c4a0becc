package operator

import (
	"context"
	"fmt"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/object"
)

// runManifest is the name of the last file of an ingestion run. The file is in the
// folder of the run's parts.
const runManifest = "_manifest.json"

// RunParts returns the ids of the newest versions of the parts below a prefix. The run is
// complete if the prefix has a manifest.
func (o *Operator) RunParts(ctx context.Context, prefix string) (parts []object.ID, complete bool, err error) {
	input := &s3.ListObjectsV2Input{Bucket: aws.String(o.Stack.LandingBucket), Prefix: aws.String(prefix)}
	pages := s3.NewListObjectsV2Paginator(o.Objects, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("list s3://%s/%s: %w", o.Stack.LandingBucket, prefix, err)
		}
		for _, listed := range page.Contents {
			if path.Base(aws.ToString(listed.Key)) == runManifest {
				complete = true
				continue
			}
			id, err := o.identify(ctx, aws.ToString(listed.Key))
			if err != nil {
				return nil, false, err
			}
			parts = append(parts, id)
		}
	}
	return parts, complete, nil
}

// identify returns the id of the newest version of a landing key.
func (o *Operator) identify(ctx context.Context, key string) (object.ID, error) {
	head, err := o.Objects.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(o.Stack.LandingBucket), Key: aws.String(key)})
	if err != nil {
		return "", fmt.Errorf("read the version of s3://%s/%s: %w", o.Stack.LandingBucket, key, err)
	}
	found := object.Object{Bucket: o.Stack.LandingBucket, Key: key, Version: aws.ToString(head.VersionId)}
	return found.ID(), nil
}
