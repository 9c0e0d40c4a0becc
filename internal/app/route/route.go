// Package route wires the route function. The function turns S3 events into work.
package route

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/route"
	"github.com/firn-data/firn/internal/s3keys"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	function.Contracts
	function.Source
	LandingBucket         string `env:"FIRN_LANDING_BUCKET"`
	CuratedBucket         string `env:"FIRN_CURATED_BUCKET"`
	ReceiptsQueueURL      string `env:"FIRN_RECEIPTS_QUEUE_URL"`
	ReceiptsDeadLetterURL string `env:"FIRN_RECEIPTS_DEAD_LETTER_URL"`
	TransformQueueURL     string `env:"FIRN_TRANSFORM_QUEUE_URL"`
	LoadQueueURL          string `env:"FIRN_LOAD_QUEUE_URL"`
	// IngestQueueURL is the queue of the ingestion runs that a sweep resumes.
	IngestQueueURL string `env:"FIRN_INGEST_QUEUE_URL"`
	// LoadEvery replaces the load interval of every contract. A negative value replaces
	// nothing.
	LoadEvery time.Duration `env:"FIRN_LOAD_EVERY,default=-1s"`
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
	store := s3.NewFromConfig(cloud.Config, s3keys.Encode, func(o *s3.Options) { o.UsePathStyle = s.PathStyle() })
	router := &route.Router{
		Contracts:     contracts,
		Journal:       cloud.Journal,
		Receipts:      store,
		Lister:        store,
		Sender:        cloud.Queues,
		LandingBucket: s.LandingBucket,
		CuratedBucket: s.CuratedBucket,
		TransformURL:  s.TransformQueueURL,
		LoadURL:       s.LoadQueueURL,
		RouteURL:      s.QueueURL,
		IngestURL:     s.IngestQueueURL,
		LoadEvery:     s.LoadEvery,
		Now:           time.Now,
	}
	receipts := batch.Queue{URL: s.ReceiptsQueueURL, DeadLetterURL: s.ReceiptsDeadLetterURL}
	return cloud.Consume(work.Route, router.Handle, log, s.Queue(), receipts), nil
}
