// Package function is what the wiring of every function shares: common
// settings, the clients that all need, the consumer of its queues.
package function

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
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Handler is what the Lambda runtime calls.
type Handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Common are the settings of every function, embedded in its own.
type Common struct {
	JournalTable string `env:"FIRN_JOURNAL_TABLE"`
	// Attempts is how often a counted fault is tried.
	Attempts int `env:"FIRN_ATTEMPTS,default=3"`
	// BackoffSeconds is the first retry's delay.
	BackoffSeconds int `env:"FIRN_BACKOFF_SECONDS,default=5"`
	// Endpoint is set where stand-ins play AWS: S3 by path, not by host name.
	Endpoint string `env:"AWS_ENDPOINT_URL,optional"`
}

// PathStyle reports whether S3 is reached by path.
func (c Common) PathStyle() bool { return c.Endpoint != "" }

// Source is one queue that a function consumes, embedded in its settings by
// those that have one only.
type Source struct {
	QueueURL      string `env:"FIRN_QUEUE_URL"`
	DeadLetterURL string `env:"FIRN_DEAD_LETTER_URL"`
}

// Queue returns the source as its consumer takes it.
func (s Source) Queue() batch.Queue {
	return batch.Queue{URL: s.QueueURL, DeadLetterURL: s.DeadLetterURL}
}

// Contracts are where the contracts lie: in the folder contracts of the
// function's zip.
type Contracts struct {
	// TaskRoot is where Lambda unpacks the zip.
	TaskRoot string `env:"LAMBDA_TASK_ROOT"`
}

// Read reads the settings and the contracts. The error joins everything that
// is wrong with both.
func Read(lookup environment.Lookup, settings any, contracts *Contracts) (contract.Set, error) {
	environmentErr := environment.Decode(lookup, settings)
	if contracts == nil || contracts.TaskRoot == "" {
		return nil, environmentErr
	}
	set, err := contract.ReadAll(os.DirFS(filepath.Join(contracts.TaskRoot, "contracts")))
	return set, errors.Join(environmentErr, err)
}

// Cloud holds the clients that every function needs. Making them connects to
// nothing.
type Cloud struct {
	// Config makes a function's further clients.
	Config  aws.Config
	Queues  *sqs.Client
	Journal *journal.Table
	common  Common
}

// Connect makes the clients, with credentials from the function's role.
func Connect(ctx context.Context, common Common) (*Cloud, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	return &Cloud{
		Config:  cfg,
		Queues:  sqs.NewFromConfig(cfg),
		Journal: &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: common.JournalTable, Now: time.Now},
		common:  common,
	}, nil
}

// Breaker returns the breaker of a dependency. Its first delay is that of a
// message that is put off.
func (c *Cloud) Breaker(dependency string) *breaker.Breaker {
	return &breaker.Breaker{Store: c.Journal, Dependency: dependency, Backoff: c.backoff(), Now: c.Journal.Now}
}

// Consume returns the handler that feeds a stage from its queues.
func (c *Cloud) Consume(stage work.Stage, handle batch.Handler, log io.Writer, queues ...batch.Queue) Handler {
	consumer := &batch.Consumer{
		Stage:    string(stage),
		Queues:   queues,
		SQS:      c.Queues,
		Journal:  c.Journal,
		Handler:  handle,
		Attempts: c.common.Attempts,
		Backoff:  c.backoff(),
		Log:      telemetry.NewLogger(log, string(stage)),
	}
	return consumer.Consume
}

func (c *Cloud) backoff() time.Duration { return time.Duration(c.common.BackoffSeconds) * time.Second }
