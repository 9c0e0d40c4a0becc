// Package transform wires the function that makes Parquet of landing objects.
package transform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

type config struct {
	// TaskRoot is where Lambda unpacks the function's zip; the contracts lie in
	// its folder contracts.
	TaskRoot      string `env:"LAMBDA_TASK_ROOT"`
	JournalTable  string `env:"FIRN_JOURNAL_TABLE"`
	CuratedBucket string `env:"FIRN_CURATED_BUCKET"`
	QueueURL      string `env:"FIRN_QUEUE_URL"`
	DeadLetterURL string `env:"FIRN_DEAD_LETTER_URL"`
	Attempts      int    `env:"FIRN_ATTEMPTS,default=3"`
	// Backoff is the first retry's delay in seconds.
	Backoff int `env:"FIRN_BACKOFF_SECONDS,default=5"`
	// Endpoint is set where stand-ins play AWS: S3 by path, not by host name.
	Endpoint string `env:"AWS_ENDPOINT_URL,optional"`
}

// New reads the environment and the contracts and returns the function's
// handler. It connects to nothing. The error joins everything that is wrong.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (func(context.Context, events.SQSEvent) (events.SQSEventResponse, error), error) {
	var c config
	environmentErr := environment.Decode(lookup, &c)
	contracts, contractsErr := c.contracts()
	if err := errors.Join(environmentErr, contractsErr); err != nil {
		return nil, err
	}
	cloud, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	table := &journal.Table{Client: dynamodb.NewFromConfig(cloud), Name: c.JournalTable, Now: time.Now}
	consumer := &batch.Consumer{
		Stage:    string(work.Transform),
		Queues:   []batch.Queue{{URL: c.QueueURL, DeadLetterURL: c.DeadLetterURL}},
		SQS:      sqs.NewFromConfig(cloud),
		Journal:  table,
		Handler:  batch.Each(c.stage(cloud, table, contracts).Handle),
		Attempts: c.Attempts,
		Backoff:  time.Duration(c.Backoff) * time.Second,
		Log:      telemetry.NewLogger(log, string(work.Transform)),
	}
	return consumer.Consume, nil
}

func (c config) contracts() (contract.Set, error) {
	if c.TaskRoot == "" { // the environment's fault, told already
		return nil, nil
	}
	contracts, err := contract.ReadAll(os.DirFS(filepath.Join(c.TaskRoot, "contracts")))
	if err != nil {
		return nil, err
	}
	return contracts, transform.Check(contracts)
}

func (c config) stage(cloud aws.Config, table *journal.Table, contracts contract.Set) *transform.Stage {
	client := s3.NewFromConfig(cloud, func(o *s3.Options) { o.UsePathStyle = c.Endpoint != "" })
	stage := &transform.Stage{
		Contracts: contracts,
		Journal:   table,
		Engine:    &transform.Engine{Store: &s3store.Store{Client: client}, Bucket: c.CuratedBucket, Now: time.Now},
		Attempts:  c.Attempts,
		Now:       time.Now,
		NewID:     uuid.NewString,
	}
	stage.Releaser, _ = any(table).(transform.Releaser)
	return stage
}
