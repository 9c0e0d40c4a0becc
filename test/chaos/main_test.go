//go:build endtoend

// Package chaos_test puts files with tagged rows and disturbs firn in many ways. A seed
// decides the files, the faults and their order. Only the time of each step is
// different in another run with the same seed.
//
//   - actions_test.go has the table of all actions.
//   - oracle_test.go has the judge: bucket and generator decide the rows of the tables.
//   - settle_test.go ends the run: sweeps, redrives, mails and the audit.
package chaos_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/s3keys"
)

var (
	objects = flag.Int("objects", 120, "number of objects")
	seed    = flag.Uint64("seed", 0, "seed of the run; 0 means the current time")
)

// idleBlocker replaces Snowflake's five minutes, so that the transaction of a killed
// loader ends soon. In a long run a loader with hundreds of waiting objects is idle for
// seconds while it reads their receipts, and its transaction must not end.
func idleBlocker() time.Duration {
	const short, long = 2 * time.Second, 20 * time.Second
	if *objects <= manyObjects {
		return short
	}
	return long
}

// manyObjects is the largest number of objects of a short run.
const manyObjects = 500

// environment has the deployed stack, and clients of the account's root user. These
// clients pass by the proxy with the throttles.
type environment struct {
	cloud    *laptop.Cloud
	proxy    *proxy
	operator *operator.Operator
	s3       *s3.Client
	sqs      *sqs.Client
	lambda   *lambda.Client
}

var stack environment

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	// FIRN_CHAOS_DIRECTORY is the folder below build/ for the state of the stand-ins.
	directory := cmp.Or(os.Getenv("FIRN_CHAOS_DIRECTORY"), "chaos")
	cloud, err := laptop.Open(root, filepath.Join(root, "build", directory), filepath.Join(root, "build", "bin", "firn"))
	if err != nil {
		return 1, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1, err
	}
	faults := newProxy(func() string { return cloud.Endpoint() })
	go faults.serve(listener)
	defer func() { err = errors.Join(err, faults.close()) }()
	cloud.FunctionEndpoint = "http://" + listener.Addr().String()
	cloud.EndWithProcess, cloud.IdleBlocker = true, idleBlocker()
	cloud.Project = filepath.Join(root, "testdata", "project")
	ctx := context.Background()
	defer func() { err = errors.Join(err, cloud.Down()) }()
	if err := cloud.Up(ctx, laptoptest.Silently); err != nil {
		return 1, err
	}
	if stack, err = connect(ctx, cloud, faults); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func connect(ctx context.Context, cloud *laptop.Cloud, faults *proxy) (environment, error) {
	if err := cloud.SetEnvironment(os.Setenv); err != nil {
		return environment{}, err
	}
	o, err := app.New(ctx, os.LookupEnv)
	if err != nil {
		return environment{}, err
	}
	cfg, err := awsconfig.Load(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return environment{}, err
	}
	return environment{
		cloud: cloud, proxy: faults, operator: o,
		s3:     s3.NewFromConfig(cfg, s3keys.Encode, func(options *s3.Options) { options.UsePathStyle = true }),
		sqs:    sqs.NewFromConfig(cfg),
		lambda: lambda.NewFromConfig(cfg),
	}, nil
}
