//go:build endtoend

// Package path_test tests the whole path in the laptop's cloud, from S3 to Snowflake,
// with the deployed template and the functions' own roles.
package path_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/s3keys"
)

// waitLimit is the longest wait in these tests. Even on a busy machine a wait takes
// much less time.
const waitLimit = 90 * time.Second

// environment has the deployed stack, and clients of the account's root user.
type environment struct {
	cloud    *laptop.Cloud
	operator *operator.Operator
	journal  operator.Journal
	s3       *s3.Client
	sqs      *sqs.Client
	iam      *iam.Client
	logs     *cloudwatchlogs.Client
	glue     *glue.Client
}

var stack environment

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "path:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	// FIRN_PATH_DIRECTORY is the folder below build/ for the state of the stand-ins.
	// Two runs of the tests at the same time need two folders.
	directory := cmp.Or(os.Getenv("FIRN_PATH_DIRECTORY"), "path")
	cloud, err := laptop.Open(root, filepath.Join(root, "build", directory), filepath.Join(root, "build", "bin", "firn"))
	if err != nil {
		return 1, err
	}
	cloud.EndWithProcess = true
	cloud.Project = filepath.Join(root, "testdata", "project")
	ctx := context.Background()
	defer func() { err = errors.Join(err, cloud.Down()) }()
	if err := cloud.Up(ctx, laptoptest.Silently); err != nil {
		return 1, err
	}
	if stack, err = connect(ctx, cloud); err != nil {
		return 1, err
	}
	if err := setAlertVariables(ctx, map[string]string{"FIRN_FIRST_DIGEST": "1ns", "FIRN_MAILS_PER_HOUR": "1000"}); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// setAlertVariables sets variables of the alert function. These tests cause the same
// failures many times, and wait for the mail about each failure. So digests follow with
// the next tick, and the hourly limit is high.
func setAlertVariables(ctx context.Context, variables map[string]string) error {
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return err
	}
	client, name := lambda.NewFromConfig(cfg), aws.String(stack.cloud.Outputs["AlertFunctionName"])
	current, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil {
		return fmt.Errorf("read the variables of alert: %w", err)
	}
	maps.Copy(current.Environment.Variables, variables)
	_, err = client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Environment: &types.Environment{Variables: current.Environment.Variables},
	})
	if err != nil {
		return fmt.Errorf("set the variables of alert: %w", err)
	}
	return nil
}

func connect(ctx context.Context, cloud *laptop.Cloud) (environment, error) {
	if err := cloud.SetEnvironment(os.Setenv); err != nil {
		return environment{}, err
	}
	o, err := app.New(ctx, os.LookupEnv)
	if err != nil {
		return environment{}, err
	}
	o.PollEvery = 50 * time.Millisecond
	cfg, err := awsconfig.Load(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return environment{}, err
	}
	return environment{
		cloud: cloud, operator: o, journal: o.Journal,
		s3:   s3.NewFromConfig(cfg, s3keys.Encode, func(options *s3.Options) { options.UsePathStyle = true }),
		sqs:  sqs.NewFromConfig(cfg),
		iam:  iam.NewFromConfig(cfg),
		logs: cloudwatchlogs.NewFromConfig(cfg),
		glue: glue.NewFromConfig(cfg),
	}, nil
}

// eventually polls a condition. The test fails after waitLimit, with the condition's
// last text.
func eventually(t *testing.T, condition string, check func() (bool, string)) {
	t.Helper()
	within(t, waitLimit, condition, check)
}

// within is eventually with another limit.
func within(t *testing.T, limit time.Duration, condition string, check func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, last := check()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not true within %s; last text: %s", condition, limit, last)
		case <-ticker.C:
		}
	}
}

// checkState fails the test if the entry isn't in the state.
func checkState(t *testing.T, e journal.Entry, want journal.State) {
	t.Helper()
	if e.State != want {
		t.Fatalf("%s has state %s, want %s: %s %s", e.Object.URI(), e.State, want, e.Code, e.Cause)
	}
}
