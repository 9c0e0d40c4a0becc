// Package ingest wires the ingest function.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	JournalTable   string `env:"FIRN_JOURNAL_TABLE"`
	LandingBucket  string `env:"FIRN_LANDING_BUCKET"`
	QueueURL       string `env:"FIRN_QUEUE_URL"`
	DeadLetterURL  string `env:"FIRN_DEAD_LETTER_URL"`
	TaskRoot       string `env:"LAMBDA_TASK_ROOT"`
	Attempts       int    `env:"FIRN_ATTEMPTS,default=3"`
	BackoffSeconds int    `env:"FIRN_BACKOFF_SECONDS,default=5"`
	Endpoint       string `env:"AWS_ENDPOINT_URL,optional"`
}

// sourceVariable begins the name of the variable that sends all requests for a
// source elsewhere: FIRN_SOURCE_URL_USGS replaces firn.ingest's url of every
// dataset of usgs. The laptop's cloud sets it.
const sourceVariable = "FIRN_SOURCE_URL_"

// The bounds of one request to a source. It must be over before
// ingest.Stage.Margin is, and a page of 20,000 events has about 15 MB.
const (
	connectTimeout       = 5 * time.Second
	requestTimeout       = 25 * time.Second
	maximumAnswer  int64 = 64 << 20
)

// New returns the function's handler. Its error names every fault of the
// environment and of the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (func(context.Context, events.SQSEvent) (events.SQSEventResponse, error), error) {
	var s settings
	if err := environment.Decode(lookup, &s); err != nil {
		return nil, err
	}
	contracts, err := contract.ReadAll(os.DirFS(filepath.Join(s.TaskRoot, "contracts")))
	if err != nil {
		return nil, err
	}
	if contracts, err = redirect(contracts, lookup); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	queues := sqs.NewFromConfig(cfg)
	table := &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: s.JournalTable, Now: time.Now}
	source := ingest.HTTP{Client: client(), Agent: "firn/" + version(), MaximumBytes: maximumAnswer, Now: time.Now}
	stage := &ingest.Stage{
		Contracts: contracts,
		APIs:      map[string]ingest.API{ingest.FDSNEvent: source.FDSN},
		Landing: ingest.Landing{
			S3:     s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = s.Endpoint != "" }),
			Bucket: s.LandingBucket,
		},
		Checkpoints: table, SQS: queues, QueueURL: s.QueueURL, Now: time.Now,
	}
	consumer := &batch.Consumer{
		Stage: string(work.Ingest), Queues: []batch.Queue{{URL: s.QueueURL, DeadLetterURL: s.DeadLetterURL}},
		SQS: queues, Journal: table, Handler: stage.Handler(), Attempts: s.Attempts,
		Backoff: time.Duration(s.BackoffSeconds) * time.Second, Log: telemetry.NewLogger(log, string(work.Ingest)),
	}
	return consumer.Consume, nil
}

// redirect returns the contracts with the addresses that the environment
// gives instead of their own.
func redirect(contracts contract.Set, lookup func(string) (string, bool)) (contract.Set, error) {
	var faults []error
	redirected := make(contract.Set, len(contracts))
	for i, c := range contracts {
		redirected[i] = c
		name := sourceVariable + strings.ToUpper(c.Source)
		address, _ := lookup(name)
		if c.Ingest == nil || address == "" {
			continue
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" {
			faults = append(faults, fmt.Errorf("environment variable %s=%q: it must be an address", name, address))
			continue
		}
		elsewhere, whence := *c, *c.Ingest
		whence.URL = address
		elsewhere.Ingest = &whence
		redirected[i] = &elsewhere
	}
	return redirected, errors.Join(faults...)
}

// client holds one connection to a source: requests go one at a time.
func client() *http.Client {
	return &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout: connectTimeout,
			MaxConnsPerHost:     1,
			ForceAttemptHTTP2:   true,
		},
	}
}

// version is firn's own, "dev" for a build from a working tree.
func version() string {
	if info, found := debug.ReadBuildInfo(); found && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
