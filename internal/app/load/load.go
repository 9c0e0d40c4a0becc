// Package load wires the load function: environment, clients, handler.
package load

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

type config struct {
	JournalTable  string `env:"FIRN_JOURNAL_TABLE"`
	CuratedBucket string `env:"FIRN_CURATED_BUCKET"`
	QueueURL      string `env:"FIRN_QUEUE_URL"`
	DeadLetterURL string `env:"FIRN_DEAD_LETTER_URL"`
	LoadedTopic   string `env:"FIRN_LOADED_TOPIC_ARN"`
	Account       string `env:"FIRN_SNOWFLAKE_ACCOUNT"`
	Database      string `env:"FIRN_SNOWFLAKE_DATABASE,default=FIRN"`
	Warehouse     string `env:"FIRN_SNOWFLAKE_WAREHOUSE,default=FIRN_LOAD"`
	Role          string `env:"FIRN_SNOWFLAKE_ROLE,default=FIRN_LOADER"`
	// Host, Port and Protocol are the laptop's; Snowflake's follow from the
	// account.
	Host     string `env:"SNOWFLAKE_HOST,optional"`
	Port     int    `env:"SNOWFLAKE_PORT,default=443"`
	Protocol string `env:"SNOWFLAKE_PROTOCOL,default=https"`
	Attempts int    `env:"FIRN_ATTEMPTS,default=3"`
	Backoff  int    `env:"FIRN_BACKOFF_SECONDS,default=5"`
	// Endpoint is set where stand-ins play AWS: S3 by path, not by host name.
	Endpoint string `env:"AWS_ENDPOINT_URL,optional"`
}

// Handler is what the Lambda runtime calls.
type Handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// New reads the environment and returns the function's handler. It connects to
// nothing. The error joins everything that is wrong with the environment.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (Handler, error) {
	var c config
	if err := environment.Decode(lookup, &c); err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	cloud, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	table := &journal.Table{Client: dynamodb.NewFromConfig(cloud), Name: c.JournalTable, Now: time.Now}
	consumer := &batch.Consumer{
		Stage:    string(work.Load),
		Queues:   []batch.Queue{{URL: c.QueueURL, DeadLetterURL: c.DeadLetterURL}},
		SQS:      sqs.NewFromConfig(cloud),
		Journal:  table,
		Handler:  c.loader(cloud, table).Handle,
		Attempts: c.Attempts,
		Backoff:  time.Duration(c.Backoff) * time.Second,
		Log:      telemetry.NewLogger(log, string(work.Load)),
	}
	return consumer.Consume, nil
}

func (c config) loader(cloud aws.Config, table *journal.Table) *load.Loader {
	bucket := load.Bucket{Client: s3.NewFromConfig(cloud, func(o *s3.Options) { o.UsePathStyle = c.Endpoint != "" })}
	return &load.Loader{
		Warehouse:     warehouse.Warehouse{Config: c.login()},
		Receipts:      bucket,
		Versions:      bucket,
		Journal:       table,
		Publisher:     load.Topic{Client: sns.NewFromConfig(cloud), ARN: c.LoadedTopic},
		CuratedBucket: c.CuratedBucket,
		NewID:         uuid.NewString,
	}
}

// login is by workload identity, on the laptop too.
func (c config) login() snowflake.Config {
	login := snowflake.Config{Account: c.Account, Database: c.Database, Schema: "RAW", Warehouse: c.Warehouse, Role: c.Role}
	if c.Host != "" {
		login.Host, login.Port, login.Protocol = c.Host, c.Port, c.Protocol
	}
	return login
}
