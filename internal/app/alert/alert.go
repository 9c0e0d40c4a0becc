// Package alert wires the alert function. The function sends mails about dead letters
// and outages, and resumes the ingestion runs whose wait is over.
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
	// IngestQueueURL is the queue of the ingestion runs whose wait is over.
	IngestQueueURL string `env:"FIRN_INGEST_QUEUE_URL"`
	// DeadLetterURLs are the URLs of the queues whose messages become mails.
	DeadLetterURLs []string `env:"FIRN_DEAD_LETTER_URLS"`
	// OutageAfter is the shortest outage with a mail.
	OutageAfter time.Duration `env:"FIRN_OUTAGE_AFTER,default=1m"`
}

// New returns the function's handler. The error joins all faults of the environment and
// the contracts.
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
	resumer := &alert.Resumer{Runs: cloud.Journal, Sender: cloud.Queues, IngestURL: s.IngestQueueURL}
	queues := deadLetterQueues(s.DeadLetterURLs)
	handlers := batch.ByQueue{s.Queue().Name(): alert.OnTick(watcher.Check, resumer.Resume)}
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

// deadLetterQueues returns the queues without dead-letter queues of their own. A
// message without a mail stays in its queue. An alarm watches the age of the oldest
// message.
func deadLetterQueues(urls []string) []batch.Queue {
	queues := make([]batch.Queue, len(urls))
	for i, url := range urls {
		queues[i] = batch.Queue{URL: url}
	}
	return queues
}
