// Package operator connects an operator to a deployed stack in AWS or in the laptop's
// cloud.
package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/s3keys"
)

type settings struct {
	// Stack is the name of the CloudFormation stack.
	Stack string `env:"FIRN_STACK,default=Firn"`
	// Contracts is the folder with the contracts of the deployed stack.
	Contracts string `env:"FIRN_DATASETS,default=datasets"`
	Endpoint  string `env:"AWS_ENDPOINT_URL,optional"`
	Database  string `env:"SNOWFLAKE_DATABASE,default=FIRN"`
}

// pollEvery is the time between two reads of the journal by a waiting command. The cost
// of such reads in an AWS account is negligible.
const pollEvery = 250 * time.Millisecond

// New returns an operator for the stack in the environment. The AWS credentials come
// from the SDK's default chain.
func New(ctx context.Context, lookup environment.Lookup) (*operator.Operator, error) {
	var s settings
	if err := environment.Decode(lookup, &s); err != nil {
		return nil, err
	}
	contracts, err := contract.ReadAll(os.DirFS(s.Contracts))
	if err != nil {
		return nil, fmt.Errorf("the contracts in %s (set FIRN_DATASETS for another folder): %w", s.Contracts, err)
	}
	cfg, err := loadAWSConfig(ctx)
	if err != nil {
		return nil, err
	}
	stack, err := outputs(ctx, cloudformation.NewFromConfig(cfg), s.Stack)
	if err != nil {
		return nil, err
	}
	stack.Name, stack.Database = s.Stack, s.Database
	return &operator.Operator{
		Stack:     stack,
		Contracts: contracts,
		Journal:   &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: stack.JournalTable, Now: time.Now},
		Objects:   s3.NewFromConfig(cfg, s3keys.Encode, func(o *s3.Options) { o.UsePathStyle = s.Endpoint != "" }),
		Queues:    sqs.NewFromConfig(cfg),
		PollEvery: pollEvery,
	}, nil
}

// loadAWSConfig turns off the SDK's own log lines. An operator needs only errors.
func loadAWSConfig(ctx context.Context) (aws.Config, error) {
	return awsconfig.Load(ctx, config.WithLogger(logging.Nop{}))
}

// outputs returns the stack's resources from its CloudFormation outputs.
func outputs(ctx context.Context, client *cloudformation.Client, name string) (operator.Stack, error) {
	answer, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(name)})
	if err == nil && len(answer.Stacks) != 1 {
		err = fmt.Errorf("%d stacks have this name", len(answer.Stacks))
	}
	if err != nil {
		return operator.Stack{}, fmt.Errorf("stack %s can't be read: deploy the stack, set FIRN_STACK, or start the laptop's cloud with `firn up`: %w", name, err)
	}
	values := make(map[string]string)
	for _, output := range answer.Stacks[0].Outputs {
		values[aws.ToString(output.OutputKey)] = aws.ToString(output.OutputValue)
	}
	id, err := arn.Parse(aws.ToString(answer.Stacks[0].StackId))
	if err != nil {
		return operator.Stack{}, fmt.Errorf("the id of stack %s: %w", name, err)
	}
	stack, err := stackOf(name, values)
	stack.Account, stack.Region = id.AccountID, id.Region
	return stack, err
}

func stackOf(name string, values map[string]string) (operator.Stack, error) {
	var missing []error
	get := func(key string) string {
		if values[key] == "" {
			missing = append(missing, fmt.Errorf("stack %s has no output %s: deploy this version of firn", name, key))
		}
		return values[key]
	}
	stack := operator.Stack{
		LandingBucket: get("LandingBucket"),
		CuratedBucket: get("CuratedBucket"),
		JournalTable:  get("JournalTable"),
		LoadRole:      get("LoadRoleArn"),
		StorageRole:   get("StorageRoleArn"),
		ExternalID:    get("StorageExternalId"),
		LoginSecret:   values["LoginSecretArn"],
		// Only withdrawals need these two. The stacks of most tests have neither.
		LoadDeadLetters: values["LoadDeadLetterUrl"],
		LoadedTopic:     values["LoadedTopicArn"],
		Queues: map[string]string{
			"ingest":    get("IngestQueueUrl"),
			"route":     get("RouteQueueUrl"),
			"transform": get("TransformQueueUrl"),
			"load":      get("LoadQueueUrl"),
		},
	}
	return stack, errors.Join(missing...)
}
