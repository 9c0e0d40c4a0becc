// Package job runs the Go engine's whole job on one file, as the transform
// function does: good rows, rejects and the receipt. Only the queue and the
// journal around it are missing.
package job

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

// Job is one file to transform.
type Job struct {
	// Contract is the path of the file's contract.
	Contract string
	// Input is a path, or s3://bucket/key.
	Input string
	// Output is a folder, or s3://bucket; as Input, a file or S3.
	Output string
	// Level is the zstd level of the Parquet files. 0 takes the engine's own.
	Level int
}

// Report is what a run found and what it cost.
type Report struct {
	Usage
	WallSeconds float64 `json:"wall_seconds"`
	MaxProcs    int     `json:"gomaxprocs"`
	// Level is the zstd level that was asked for; 0 is the engine's own.
	Level        int          `json:"zstd_level"`
	BytesIn      int64        `json:"bytes_in"`
	BytesOut     int64        `json:"bytes_out"`
	RejectsBytes int64        `json:"rejects_bytes"`
	Receipt      work.Receipt `json:"receipt"`
}

const s3Scheme = "s3://"

// Run transforms the file. A file that is refused is an error.
func (j Job) Run(ctx context.Context) (Report, error) {
	began := time.Now()
	agreed, err := ReadContract(j.Contract)
	if err != nil {
		return Report{}, err
	}
	store, target, err := j.open(ctx)
	if err != nil {
		return Report{}, err
	}
	level, err := levelOf(j.Level)
	if err != nil {
		return Report{}, err
	}
	engine := &transform.Engine{Store: store, Bucket: target.bucket, Now: time.Now, Level: level}
	receipt, err := engine.Transform(ctx, transform.Job{
		Work:     work.Work{Stage: work.Transform, Dataset: agreed.Dataset(), Object: target.object},
		Contract: agreed, Attempt: "00-01-bench",
	})
	if err != nil {
		return Report{}, err
	}
	if receipt.Outcome != work.Accepted {
		return Report{}, fmt.Errorf("%s was refused: %s: %s", j.Input, receipt.Code, receipt.Cause)
	}
	report := Report{
		WallSeconds: time.Since(began).Seconds(), MaxProcs: runtime.GOMAXPROCS(0), Level: j.Level,
		BytesIn: target.object.Size, BytesOut: size(receipt.Data), RejectsBytes: size(receipt.Rejects), Receipt: receipt,
	}
	report.Usage, err = ownUsage()
	return report, err
}

// target is what is read, and the bucket or folder that is written to.
type target struct {
	object object.Object
	bucket string
}

func (j Job) open(ctx context.Context) (transform.Store, target, error) {
	if !strings.HasPrefix(j.Input, s3Scheme) {
		information, err := os.Stat(j.Input)
		if err != nil {
			return nil, target{}, err
		}
		o := object.Object{Bucket: "local", Key: j.Input, Version: "1", Size: information.Size()}
		return Files{}, target{object: o, bucket: j.Output}, nil
	}
	client, err := Connect(ctx)
	if err != nil {
		return nil, target{}, err
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(j.Input, s3Scheme), "/")
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, target{}, fmt.Errorf("look at %s: %w", j.Input, err)
	}
	o := object.Object{
		Bucket: bucket, Key: key, Version: aws.ToString(head.VersionId), ETag: aws.ToString(head.ETag),
		Size: aws.ToInt64(head.ContentLength),
	}
	return &s3store.Store{Client: client}, target{object: o, bucket: strings.TrimPrefix(j.Output, s3Scheme)}, nil
}

// Connect returns a client of the S3 that the AWS variables name, such as
// AWS_ENDPOINT_URL.
func Connect(ctx context.Context) (*s3.Client, error) {
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the AWS settings: %w", err)
	}
	return s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true }), nil
}

// ReadContract reads the contract in a file of any name.
func ReadContract(path string) (*contract.Contract, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return contract.Read(filepath.Base(path), data)
}

func size(files []work.File) int64 {
	var bytes int64
	for _, f := range files {
		bytes += f.Bytes
	}
	return bytes
}
