// Package job runs the Go engine's whole job on one file, as the transform function
// does. The output is good rows, rejects and the receipt. Only queue and journal are
// missing.
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
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

// Job transforms one file.
type Job struct {
	// Contract is the path of the file's contract.
	Contract string
	// Input is a path or s3://bucket/key.
	Input string
	// Output is a folder or s3://bucket. Input and Output are both local or both on S3.
	Output string
	// Level is the zstd level of the Parquet files. 0 means the engine's default.
	Level int
}

// Report holds the results and the costs of a run.
type Report struct {
	Usage
	WallSeconds float64 `json:"wall_seconds"`
	MaxProcs    int     `json:"gomaxprocs"`
	// Level is the zstd level of the Job. 0 means the engine's default.
	Level        int          `json:"zstd_level"`
	BytesIn      int64        `json:"bytes_in"`
	BytesOut     int64        `json:"bytes_out"`
	RejectsBytes int64        `json:"rejects_bytes"`
	Receipt      work.Receipt `json:"receipt"`
}

const s3Scheme = "s3://"

// Run transforms the file. A refused file is an error.
func (j Job) Run(ctx context.Context) (Report, error) {
	start := time.Now()
	c, err := ReadContract(j.Contract)
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
		Work:     work.Work{Stage: work.Transform, Dataset: c.Dataset(), Object: target.object},
		Contract: c, Attempt: "00-01-bench",
	})
	if err != nil {
		return Report{}, err
	}
	if receipt.Outcome != work.Accepted {
		return Report{}, fmt.Errorf("%s is refused: %s: %s", j.Input, receipt.Code, receipt.Cause)
	}
	report := Report{
		WallSeconds: time.Since(start).Seconds(), MaxProcs: runtime.GOMAXPROCS(0), Level: j.Level,
		BytesIn: target.object.Size, BytesOut: size(receipt.Data), RejectsBytes: size(receipt.Rejects), Receipt: receipt,
	}
	report.Usage, err = ownUsage()
	return report, err
}

// target is the object to read, and the bucket or folder to write to.
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
		return nil, target{}, fmt.Errorf("read the size of %s: %w", j.Input, err)
	}
	o := object.Object{
		Bucket: bucket, Key: key, Version: aws.ToString(head.VersionId), ETag: aws.ToString(head.ETag),
		Size: aws.ToInt64(head.ContentLength),
	}
	return &s3store.Store{Client: client}, target{object: o, bucket: strings.TrimPrefix(j.Output, s3Scheme)}, nil
}

// Connect returns a client of the S3 service in the AWS variables, for example in
// AWS_ENDPOINT_URL.
func Connect(ctx context.Context) (*s3.Client, error) {
	settings, err := awsconfig.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the AWS settings: %w", err)
	}
	return s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true }), nil
}

// ReadContract reads a contract from a file with any name.
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
