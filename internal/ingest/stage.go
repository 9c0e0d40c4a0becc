package ingest

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// MaximumHops is the limit of Request.Hop. Lambda's recursion detection is off for this
// function (lambda/latest/dg, invocation-recursion), and MaximumHops replaces the
// detection.
const MaximumHops = 100

const defaultMargin = 30 * time.Second

// SQS is the stage's part of the queue service.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Stage is the ingest stage.
type Stage struct {
	Contracts contract.Set
	// APIs are the supported values of firn.ingest's api.
	APIs    map[string]API
	Landing Landing
	Runs    Runs
	// SQS and QueueURL are the stage's own queue, for the next message of a run.
	SQS      SQS
	QueueURL string
	// Now is the clock.
	Now func() time.Time
	// Margin is the time before the deadline in which no page starts. Defaults to 30
	// seconds.
	Margin time.Duration
	// Backoff is the delay after the first failed try of a run. The delay doubles with
	// each further try, up to an hour. Defaults to 5 seconds.
	Backoff time.Duration
	// MaxWait is the longest wait that a source may ask for by Retry-After. Defaults to 6
	// hours.
	MaxWait time.Duration
}

// Handler returns the handler of the ingest queue. The handler processes messages one
// after another, so that a source gets one request at a time from each invocation.
func (s *Stage) Handler() batch.Handler {
	return batch.Each(func(ctx context.Context, m batch.Message) error {
		request, err := DecodeRequest(m.Body)
		if err != nil {
			return err
		}
		r, err := s.newRun(ctx, request)
		if err != nil {
			return request.fault(err)
		}
		if err := r.advance(ctx); err != nil {
			return r.settle(ctx, m, request.fault(err))
		}
		return nil
	})
}

// fault returns err as a fault of the run.
func (r Request) fault(err error) *fault.Fault {
	f := fault.ForObject(err, "", 0, r.Dataset, r.Dataset+" "+r.RunID())
	f.RunID = r.RunID()
	return f
}

// newRun checks a request and returns its run.
func (s *Stage) newRun(ctx context.Context, request Request) (*run, error) {
	if now := s.Now(); request.End.After(now) {
		return nil, badRequest("end %s is in the future: the interval's records aren't complete", stamp(request.End))
	}
	c := s.Contracts.ByDataset(request.Dataset)
	if c == nil || c.Ingest == nil {
		return nil, badRequest("dataset %q has no firn.ingest; datasets with firn.ingest: %s", request.Dataset, s.ingestibleDatasets())
	}
	api, known := s.APIs[c.Ingest.API]
	if !known {
		return nil, badRequest("%s: firn doesn't support the API %q of firn.ingest", c.File, c.Ingest.API)
	}
	source, err := api(*c.Ingest)
	if err != nil {
		return nil, err
	}
	log := telemetry.Logger(ctx).With(telemetry.KeyDataset, request.Dataset, telemetry.KeyRunID, request.RunID())
	return &run{Stage: s, request: request, contract: c, source: source, log: log}, nil
}

// ingestibleDatasets lists the datasets with firn.ingest.
func (s *Stage) ingestibleDatasets() string {
	var names []string
	for _, c := range s.Contracts {
		if c.Ingest != nil {
			names = append(names, c.Dataset())
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// sendContinuation sends a message that continues the run in another invocation.
func (r *run) sendContinuation(ctx context.Context) error {
	next := r.request
	next.Hop++
	if next.Hop > MaximumHops {
		f := fault.Permanentf("continue run", fault.Exhausted, "%d of %d records after %d hops",
			r.progress.Fetched, r.progress.Expected, r.request.Hop)
		f.Hint = "Send requests for shorter intervals, or raise pageSize in the contract's firn.ingest."
		return f
	}
	_, err := r.SQS.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(r.QueueURL), MessageBody: aws.String(next.Encode()),
	})
	if err != nil {
		return fault.AWS("continue run", fault.QueueAway, err)
	}
	r.log.InfoContext(ctx, "run continues in a new message", telemetry.KeyRows, r.progress.Fetched, telemetry.KeyCount, next.Hop)
	return nil
}
