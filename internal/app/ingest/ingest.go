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

// sourceVariable begins the name of the variable that sends all requests for a
// source elsewhere: FIRN_SOURCE_URL_SHOP replaces firn.ingest's url of every
// dataset of shop. The laptop's cloud sets it.
const sourceVariable = "FIRN_SOURCE_URL_"

// The bounds of one request to a source. It must be over before
// ingest.Stage.Margin is, and a page of 20,000 events has about 15 MB.
const (
	connectTimeout       = 5 * time.Second
	requestTimeout       = 25 * time.Second
	maxAnswerBytes int64 = 64 << 20
)

// New returns the function's handler. Its error joins every fault of the
// environment and the contracts.
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
		Checkpoints: cloud.Journal, SQS: cloud.Queues, QueueURL: s.QueueURL, Now: time.Now,
	}
	return cloud.Consume(work.Ingest, stage.Handler(), log, s.Queue()), nil
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
