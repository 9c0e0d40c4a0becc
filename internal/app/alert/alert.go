// Package alert wires the function that announces dead letters.
package alert

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	JournalTable string `env:"FIRN_JOURNAL_TABLE"`
	TopicARN     string `env:"FIRN_ALERTS_TOPIC_ARN"`
	// DeadLetterURLs are the queues that the function consumes.
	DeadLetterURLs []string `env:"FIRN_DEAD_LETTER_URLS"`
	// Backoff is the first retry's delay in seconds.
	Backoff  int `env:"FIRN_BACKOFF_SECONDS,default=5"`
	Attempts int `env:"FIRN_ATTEMPTS,default=3"`
}

// New returns the function's handler. Its error joins every fault of the
// environment.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (func(context.Context, events.SQSEvent) (events.SQSEventResponse, error), error) {
	var s settings
	if err := environment.Decode(lookup, &s); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	table := &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: s.JournalTable, Now: time.Now}
	alerter := &alert.Alerter{Journal: table, Topic: sns.NewFromConfig(cfg), TopicARN: s.TopicARN}
	consumer := &batch.Consumer{
		Stage:    string(work.Alert),
		Queues:   deadLetterQueues(s.DeadLetterURLs),
		SQS:      sqs.NewFromConfig(cfg),
		Journal:  table,
		Handler:  alerter.Handle,
		Attempts: s.Attempts,
		Backoff:  time.Duration(s.Backoff) * time.Second,
		Log:      telemetry.NewLogger(log, string(work.Alert)),
	}
	return consumer.Consume, nil
}

// deadLetterQueues have no dead-letter queue themselves: what can't be
// announced stays, and an alarm on its age tells.
func deadLetterQueues(urls []string) []batch.Queue {
	queues := make([]batch.Queue, len(urls))
	for i, url := range urls {
		queues[i] = batch.Queue{URL: url}
	}
	return queues
}
