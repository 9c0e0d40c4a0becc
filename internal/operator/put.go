package operator

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/object"
)

// KeyFor returns the landing key of a local file: the contract's key prefix and the
// file's name. With an empty dataset, the file's path must end in
// <source>/<entity>/<name>. The name of a file of a snapshot must have the form of
// firn.delivery.
func (o *Operator) KeyFor(file, dataset string) (string, error) {
	if dataset == "" {
		dataset = o.datasetOf(file)
	}
	c := o.Contracts.ByDataset(dataset)
	if c == nil {
		return "", fmt.Errorf("%s: no contract for dataset %q: name one of %s with --dataset", file, dataset, strings.Join(o.datasets(), ", "))
	}
	key := c.KeyPrefix + filepath.Base(file)
	if c.Delivery != nil && !c.InDelivery(key) {
		return "", fmt.Errorf("%s: the key %s has no delivery: rename the file to the form %s, or name the whole key with --key", file, key, c.Delivery.Key)
	}
	return key, nil
}

func (o *Operator) datasetOf(file string) string {
	parts := strings.Split(filepath.ToSlash(file), "/")
	if len(parts) < 3 || parts[len(parts)-3] == "" {
		return ""
	}
	return parts[len(parts)-3] + "." + parts[len(parts)-2]
}

func (o *Operator) datasets() []string {
	names := make([]string, len(o.Contracts))
	for i, c := range o.Contracts {
		names[i] = c.Dataset()
	}
	slices.Sort(names)
	return names
}

// Put uploads a local file to a landing key and returns the new version of the key.
func (o *Operator) Put(ctx context.Context, file, key string) (object.Object, error) {
	content, err := os.Open(file)
	if err != nil {
		return object.Object{}, fmt.Errorf("put: %w", err)
	}
	defer content.Close()
	info, err := content.Stat()
	if err != nil {
		return object.Object{}, fmt.Errorf("put: %w", err)
	}
	if info.IsDir() {
		return object.Object{}, fmt.Errorf("put: %s is a folder; name files", file)
	}
	output, err := o.Objects.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(o.Stack.LandingBucket), Key: aws.String(key),
		Body: content, ContentLength: aws.Int64(info.Size()),
	})
	if err != nil {
		return object.Object{}, fmt.Errorf("put %s: %w", path.Join(o.Stack.LandingBucket, key), err)
	}
	return object.Object{
		Bucket: o.Stack.LandingBucket, Key: key, Version: aws.ToString(output.VersionId),
		ETag: strings.Trim(aws.ToString(output.ETag), `"`), Size: info.Size(),
	}, nil
}
