// Package route wires the function that turns S3 events into work.
package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/route"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	// TaskRoot is where Lambda unpacks the function's zip; the contracts lie in
	// its folder contracts.
	TaskRoot              string `env:"LAMBDA_TASK_ROOT"`
	JournalTable          string `env:"FIRN_JOURNAL_TABLE"`
	LandingBucket         string `env:"FIRN_LANDING_BUCKET"`
	CuratedBucket         string `env:"FIRN_CURATED_BUCKET"`
	QueueURL              string `env:"FIRN_QUEUE_URL"`
	DeadLetterURL         string `env:"FIRN_DEAD_LETTER_URL"`
	ReceiptsQueueURL      string `env:"FIRN_RECEIPTS_QUEUE_URL"`
	ReceiptsDeadLetterURL string `env:"FIRN_RECEIPTS_DEAD_LETTER_URL"`
	TransformQueueURL     string `env:"FIRN_TRANSFORM_QUEUE_URL"`
	LoadQueueURL          string `env:"FIRN_LOAD_QUEUE_URL"`
	// LoadEvery overrides every contract's; a negative one doesn't.
	LoadEvery time.Duration `env:"FIRN_LOAD_EVERY,default=-1s"`
	// Backoff is the first retry's delay in seconds.
	Backoff  int    `env:"FIRN_BACKOFF_SECONDS,default=5"`
	Attempts int    `env:"FIRN_ATTEMPTS,default=3"`
	Endpoint string `env:"AWS_ENDPOINT_URL,optional"`
}

// New returns the function's handler. Its error joins every fault of the
// environment and the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (func(context.Context, events.SQSEvent) (events.SQSEventResponse, error), error) {
	var s settings
	environmentErr := environment.Decode(lookup, &s)
	contracts, contractsErr := readContracts(s.TaskRoot)
	if err := errors.Join(environmentErr, contractsErr); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	queues := sqs.NewFromConfig(cfg)
	table := &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: s.JournalTable, Now: time.Now}
	router := &route.Router{
		Contracts:     contracts,
		Journal:       table,
		Receipts:      s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = s.Endpoint != "" }),
		Sender:        queues,
		LandingBucket: s.LandingBucket,
		CuratedBucket: s.CuratedBucket,
		TransformURL:  s.TransformQueueURL,
		LoadURL:       s.LoadQueueURL,
		LoadEvery:     s.LoadEvery,
	}
	consumer := &batch.Consumer{
		Stage: string(work.Route),
		Queues: []batch.Queue{
			{URL: s.QueueURL, DeadLetterURL: s.DeadLetterURL},
			{URL: s.ReceiptsQueueURL, DeadLetterURL: s.ReceiptsDeadLetterURL},
		},
		SQS:      queues,
		Journal:  table,
		Handler:  router.Handle,
		Attempts: s.Attempts,
		Backoff:  time.Duration(s.Backoff) * time.Second,
		Log:      telemetry.NewLogger(log, string(work.Route)),
	}
	return consumer.Consume, nil
}

func readContracts(taskRoot string) (contract.Set, error) {
	if taskRoot == "" { // the environment's fault, told already
		return nil, nil
	}
	return contract.ReadAll(os.DirFS(filepath.Join(taskRoot, "contracts")))
}
