// Package alert wires the alert function. The function sends mails about failures, waits,
// outages and unusual data, with copies to a webhook, and resumes ingestion runs.
package alert

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
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
	// QueueURLs are the URLs of the queues of work, for the metrics.
	QueueURLs []string `env:"FIRN_QUEUE_URLS"`
	// RunbookURL is the address of the runbook; empty for the runbook of firn's
	// repository.
	RunbookURL string `env:"FIRN_RUNBOOK_URL,optional"`
	// MailsPerHour is the largest number of mails in an hour.
	MailsPerHour int `env:"FIRN_MAILS_PER_HOUR,default=30"`
	// FirstDigest is the time from the first mail about a cause to the first digest.
	FirstDigest time.Duration `env:"FIRN_FIRST_DIGEST,default=10m"`
	// WebhookSecretARN is the secret with the address and the key of the webhook; empty
	// for no webhook.
	WebhookSecretARN string `env:"FIRN_WEBHOOK_SECRET_ARN,optional"`
}

// New returns the function's handler. The error joins all faults of the environment and
// the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	contracts, err := function.Read(lookup, &s, &s.Contracts)
	if err != nil {
		return nil, err
	}
	if s.MailsPerHour < 1 {
		return nil, fmt.Errorf("environment variable FIRN_MAILS_PER_HOUR=%d: not a positive number", s.MailsPerHour)
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	mailer := newMailer(cloud, s)
	alerter := &alert.Alerter{
		Journal: cloud.Journal, Notices: cloud.Journal, Mailer: mailer, Contracts: contracts, FirstDigest: s.FirstDigest, Now: time.Now,
	}
	outages := &alert.OutageWatcher{
		Outages: cloud.Journal, Mailer: mailer, Datasets: datasets(contracts), MinDuration: s.OutageAfter, Now: time.Now,
	}
	digester := &alert.Digester{
		Notices: cloud.Journal, Objects: cloud.Journal, Mailer: mailer, FirstDigest: s.FirstDigest, Now: time.Now,
	}
	waits := &alert.WaitWatcher{
		Waits: cloud.Journal, Outages: cloud.Journal, Notices: cloud.Journal, Mailer: mailer, Now: time.Now,
		Meter: &alert.Meter{Queues: cloud.Queues, Work: s.QueueURLs, DeadLetters: s.DeadLetterURLs},
	}
	data := &alert.DataWatcher{
		Contracts: contracts, Volumes: cloud.Journal, Waits: cloud.Journal, Objects: cloud.Journal, Notices: cloud.Journal, Mailer: mailer, Now: time.Now,
	}
	resumer := &alert.Resumer{Runs: cloud.Journal, Sender: cloud.Queues, IngestURL: s.IngestQueueURL}
	queues := deadLetterQueues(s.DeadLetterURLs)
	tick := alert.Tick(resumer.Resume, outages.Check, waits.Check, digester.Check, data.Check, mailer.Webhook.Check)
	handlers := batch.ByQueue{s.Queue().Name(): tick}
	for _, queue := range queues {
		handlers[queue.Name()] = alerter.Handle
	}
	return cloud.Consume(work.Alert, handlers.Handle, log, append(queues, s.Queue())...), nil
}

func newMailer(cloud *function.Cloud, s settings) alert.Mailer {
	m := alert.Mailer{
		Topic: sns.NewFromConfig(cloud.Config), ARN: s.TopicARN, Site: alert.Site{Environment: s.Environment, Runbook: s.RunbookURL},
		Counter: cloud.Journal, Limit: s.MailsPerHour, Now: time.Now,
	}
	if s.WebhookSecretARN != "" {
		m.Webhook = &alert.Webhook{
			Posts: cloud.Journal, Secrets: secretsmanager.NewFromConfig(cloud.Config), SecretARN: s.WebhookSecretARN,
			Client: alert.NewWebhookClient(), Now: time.Now,
		}
	}
	return m
}

func datasets(contracts contract.Set) []string {
	names := make([]string, len(contracts))
	for i, c := range contracts {
		names[i] = c.Dataset()
	}
	return names
}

// deadLetterQueues returns the queues without dead-letter queues of their own. A
// message without a mail stays in its queue. The alarm DeadLettersWait watches the number
// of messages.
func deadLetterQueues(urls []string) []batch.Queue {
	queues := make([]batch.Queue, len(urls))
	for i, url := range urls {
		queues[i] = batch.Queue{URL: url}
	}
	return queues
}
