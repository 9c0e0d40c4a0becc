// Package function has the shared parts of all functions' wiring: common settings, AWS
// clients and the consumer of the queues.
package function

import (
	"context"
	"errors"
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
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Handler is a Lambda handler of SQS events.
type Handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Common has the settings of every function. Each function embeds Common in its own
// settings.
type Common struct {
	JournalTable string `env:"FIRN_JOURNAL_TABLE"`
	// Attempts is the largest number of attempts at an object.
	Attempts int `env:"FIRN_ATTEMPTS,default=3"`
	// Environment is the value of the dimension of metrics, and is in the subject of
	// mails.
	Environment string `env:"FIRN_ENVIRONMENT,default=Firn"`
	// BackoffSeconds is the delay of the first retry, in seconds.
	BackoffSeconds int `env:"FIRN_BACKOFF_SECONDS,default=5"`
	// Endpoint is the address of a stand-in of AWS; empty in an account.
	Endpoint string `env:"AWS_ENDPOINT_URL,optional"`
}

// PathStyle reports whether the S3 client must put the bucket into the path instead of
// the host name.
func (c Common) PathStyle() bool { return c.Endpoint != "" }

// Backoff returns the delay of the first retry.
func (c Common) Backoff() time.Duration { return time.Duration(c.BackoffSeconds) * time.Second }

// Source has the settings of a function's only queue, or of the main queue of several.
type Source struct {
	QueueURL      string `env:"FIRN_QUEUE_URL"`
	DeadLetterURL string `env:"FIRN_DEAD_LETTER_URL"`
}

// Queue returns the source as a queue of the consumer.
func (s Source) Queue() batch.Queue {
	return batch.Queue{URL: s.QueueURL, DeadLetterURL: s.DeadLetterURL}
}

// Contracts has the place of the contracts: the folder contracts in the function's zip.
type Contracts struct {
	// TaskRoot is the folder of the unpacked zip.
	TaskRoot string `env:"LAMBDA_TASK_ROOT"`
}

// Read decodes the settings and reads the contracts. The error joins all faults of
// both.
func Read(lookup environment.Lookup, settings any, contracts *Contracts) (contract.Set, error) {
	environmentErr := environment.Decode(lookup, settings)
	if contracts == nil || contracts.TaskRoot == "" {
		return nil, environmentErr
	}
	set, err := contract.ReadAll(os.DirFS(filepath.Join(contracts.TaskRoot, "contracts")))
	return set, errors.Join(environmentErr, err)
}

// Cloud has the clients of every function. The creation of a client opens no
// connection.
type Cloud struct {
	// Config is the configuration for further clients.
	Config  aws.Config
	Queues  *sqs.Client
	Journal *journal.Table
	common  Common
}

// Connect returns the clients, with credentials of the function's role.
func Connect(ctx context.Context, common Common) (*Cloud, error) {
	var options []func(*config.LoadOptions) error
	if common.Endpoint != "" {
		options = append(options, config.WithBaseEndpoint(common.Endpoint))
	}
	cfg, err := awsconfig.Load(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &Cloud{
		Config:  cfg,
		Queues:  sqs.NewFromConfig(cfg),
		Journal: &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: common.JournalTable, Now: time.Now},
		common:  common,
	}, nil
}

// Breaker returns the breaker of a dependency. The first delay is the delay of a
// message's first retry.
func (c *Cloud) Breaker(dependency string) *breaker.Breaker {
	return &breaker.Breaker{Store: c.Journal, Dependency: dependency, Backoff: c.common.Backoff(), Now: c.Journal.Now}
}

// Consume returns a handler that passes the messages of the queues to a stage.
func (c *Cloud) Consume(stage work.Stage, handle batch.Handler, log io.Writer, queues ...batch.Queue) Handler {
	consumer := &batch.Consumer{
		Stage:    string(stage),
		Queues:   queues,
		SQS:      c.Queues,
		Journal:  c.Journal,
		Handler:  handle,
		Attempts: c.common.Attempts,
		Backoff:  c.common.Backoff(),
		Log:      telemetry.NewLogger(log, string(stage)),
		Metrics:  &telemetry.Metrics{Out: log, Environment: c.common.Environment, Now: time.Now},
	}
	return consumer.Consume
}
