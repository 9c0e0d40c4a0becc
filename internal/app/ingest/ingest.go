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
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/work"
)

type settings struct {
	function.Common
	function.Contracts
	function.Source
	LandingBucket string `env:"FIRN_LANDING_BUCKET"`
}

// sourceVariable is the prefix of variables with another address for a source.
// FIRN_SOURCE_URL_SHOP replaces the url of firn.ingest in every contract of shop. The
// laptop's cloud sets such variables.
const sourceVariable = "FIRN_SOURCE_URL_"

// Limits of one request to a source. requestTimeout must be shorter than
// ingest.Stage.Margin. A page of 20,000 events has about 15 MB.
const (
	connectTimeout       = 5 * time.Second
	requestTimeout       = 25 * time.Second
	maxAnswerBytes int64 = 64 << 20
)

// New returns the function's handler. The error joins all faults of the environment and
// the contracts.
func New(ctx context.Context, lookup func(string) (string, bool), log io.Writer) (function.Handler, error) {
	var s settings
	contracts, err := function.Read(lookup, &s, &s.Contracts)
	if err != nil {
		return nil, err
	}
	if contracts, err = redirect(contracts, lookup); err != nil {
		return nil, err
	}
	cloud, err := function.Connect(ctx, s.Common)
	if err != nil {
		return nil, err
	}
	source := ingest.HTTP{Client: client(), Agent: "firn/" + version(), MaximumBytes: maxAnswerBytes, Now: time.Now}
	stage := &ingest.Stage{
		Contracts: contracts,
		APIs:      map[string]ingest.API{ingest.FDSNEvent: source.FDSN},
		Landing: ingest.Landing{
			S3:     s3.NewFromConfig(cloud.Config, func(o *s3.Options) { o.UsePathStyle = s.PathStyle() }),
			Bucket: s.LandingBucket,
		},
		Runs: cloud.Journal, SQS: cloud.Queues, QueueURL: s.QueueURL, Now: time.Now, Backoff: s.Backoff(),
	}
	return cloud.Consume(work.Ingest, stage.Handler(), log, s.Queue()), nil
}

// redirect returns the contracts with the addresses from the environment. Contracts
// without such an address stay the same.
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
			faults = append(faults, fmt.Errorf("environment variable %s=%q: not an address", name, address))
			continue
		}
		changed, ingestion := *c, *c.Ingest
		ingestion.URL = address
		changed.Ingest = &ingestion
		redirected[i] = &changed
	}
	return redirected, errors.Join(faults...)
}

// client returns an HTTP client with at most one connection to a source, because
// requests run one after another.
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

// version returns firn's version; "dev" for a build from a working tree.
func version() string {
	if info, found := debug.ReadBuildInfo(); found && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
