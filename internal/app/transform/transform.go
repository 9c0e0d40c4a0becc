// Package transform wires the transform function. The function turns landing objects
// into Parquet.
package transform

import (
	"context"
	"errors"
	"io"
	"time"

	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/gluerun"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/transform/s3store"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	function.Contracts
	function.Source
	CuratedBucket string `env:"FIRN_CURATED_BUCKET"`
	// GlueJob is the name of the Glue job. Empty for a stack without a Glue job: the
	// function then transforms every object itself.
	GlueJob           string `env:"FIRN_GLUE_JOB,optional"`
	GlueQueueURL      string `env:"FIRN_GLUE_QUEUE_URL,optional"`
	GlueDeadLetterURL string `env:"FIRN_GLUE_DEAD_LETTER_URL,optional"`
	// OverdueSeconds is the longest time of an object in Glue before the function asks
	// for the state of the Glue run.
	OverdueSeconds int `env:"FIRN_GLUE_OVERDUE_SECONDS,default=900"`
}

// New returns the function's handler. The error joins all faults of the environment and
// the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	contracts, err := function.Read(lookup, &s, &s.Contracts)
	if err := errors.Join(err, transform.Check(contracts)); err != nil {
		return nil, err
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cloud.Config, func(o *s3.Options) { o.UsePathStyle = s.PathStyle() })
	stage := &transform.Stage{
		Contracts: contracts,
		Journal:   cloud.Journal,
		Engine:    &transform.Engine{Store: &s3store.Store{Client: client}, Bucket: s.CuratedBucket, Now: time.Now},
		Attempts:  s.Attempts,
		Now:       time.Now,
		NewID:     uuid.NewString,
	}
	if s.GlueJob == "" {
		return cloud.Consume(work.Transform, batch.Each(stage.Handle), log, s.Queue()), nil
	}
	stage.Glue = gluerun.Queue{Client: cloud.Queues, URL: s.GlueQueueURL}
	waiting := batch.Queue{URL: s.GlueQueueURL, DeadLetterURL: s.GlueDeadLetterURL}
	runs := &gluerun.Runs{
		Contracts: contracts, Journal: cloud.Journal, Service: awsglue.NewFromConfig(cloud.Config), Store: client,
		Job: s.GlueJob, Bucket: s.CuratedBucket, Overdue: time.Duration(s.OverdueSeconds) * time.Second,
		Now: time.Now, NewID: uuid.NewString,
	}
	handlers := batch.ByQueue{waiting.Name(): runs.Handle, s.Queue().Name(): batch.Each(stage.Handle)}
	return cloud.Consume(work.Transform, handlers.Handle, log, s.Queue(), waiting), nil
}
