// Command upload creates buckets and uploads a file to S3 in parts, for the benchmark.
//
// Usage: upload FILE s3://bucket/key [BUCKET...]
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/bench/job"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: upload FILE s3://bucket/key [BUCKET...]")
		os.Exit(2)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(os.Args[2], "s3://"), "/")
	if err := upload(context.Background(), os.Args[1], work.Location{Bucket: bucket, Key: key}, os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "upload:", err)
		os.Exit(1)
	}
}

func upload(ctx context.Context, path string, to work.Location, otherBuckets []string) error {
	client, err := job.Connect(ctx)
	if err != nil {
		return err
	}
	for _, bucket := range append([]string{to.Bucket}, otherBuckets...) {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			return fmt.Errorf("create bucket %s: %w", bucket, err)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	target := (&s3store.Store{Client: client}).Create(ctx, to)
	if _, err := io.Copy(target, file); err != nil {
		return err
	}
	return target.Commit(ctx)
}
