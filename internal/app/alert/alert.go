// Package alert wires the function that announces dead letters.
package alert

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	TopicARN string `env:"FIRN_ALERTS_TOPIC_ARN"`
	// DeadLetterURLs are the queues that the function consumes.
	DeadLetterURLs []string `env:"FIRN_DEAD_LETTER_URLS"`
}

// New returns the function's handler. Its error joins every fault of the
// environment.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	if err := environment.Decode(lookup, &s); err != nil {
		return nil, err
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	alerter := &alert.Alerter{Journal: cloud.Journal, Topic: sns.NewFromConfig(cloud.Config), TopicARN: s.TopicARN}
	return cloud.Consume(work.Alert, alerter.Handle, log, deadLetterQueues(s.DeadLetterURLs)...), nil
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
