// Package alert wires the function that announces dead letters and outages.
package alert

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	function.Contracts
	// Source is the queue of ticks.
	function.Source
	TopicARN string `env:"FIRN_ALERTS_TOPIC_ARN"`
	// DeadLetterURLs are the queues whose messages are told of.
	DeadLetterURLs []string `env:"FIRN_DEAD_LETTER_URLS"`
	// OutageAfter is how long a dependency must be away to be told of.
	OutageAfter time.Duration `env:"FIRN_OUTAGE_AFTER,default=1m"`
}

// New returns the function's handler. Its error joins every fault of the
// environment and the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	contracts, err := function.Read(lookup, &s, &s.Contracts)
	if err != nil {
		return nil, err
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	mailer := alert.Mailer{Topic: sns.NewFromConfig(cloud.Config), ARN: s.TopicARN}
	alerter := &alert.Alerter{Journal: cloud.Journal, Mailer: mailer}
	watcher := &alert.Watcher{
		Outages: cloud.Journal, Mailer: mailer, Datasets: datasets(contracts), MinDuration: s.OutageAfter, Now: time.Now,
	}
	queues := deadLetterQueues(s.DeadLetterURLs)
	handlers := batch.ByQueue{s.Queue().Name(): watcher.Tick}
	for _, queue := range queues {
		handlers[queue.Name()] = alerter.Handle
	}
	return cloud.Consume(work.Alert, handlers.Handle, log, append(queues, s.Queue())...), nil
}

func datasets(contracts contract.Set) []string {
	names := make([]string, len(contracts))
	for i, c := range contracts {
		names[i] = c.Dataset()
	}
	return names
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
