package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/uuid"

	"github.com/firn-data/firn/internal/app/environment"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/s3keys"
)

// NewWithdrawer returns a loader for withdrawals with the operator's logins, and the
// curated bucket. The loader announces withdrawals like the load function.
func NewWithdrawer(ctx context.Context, lookup environment.Lookup, stack operator.Stack, contracts contract.Set) (*load.Loader, load.Bucket, error) {
	var s settings
	if err := environment.Decode(lookup, &s); err != nil {
		return nil, load.Bucket{}, err
	}
	cfg, err := loadAWSConfig(ctx)
	if err != nil {
		return nil, load.Bucket{}, err
	}
	entries := &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: stack.JournalTable, Now: time.Now}
	bucket := load.Bucket{
		Client:  s3.NewFromConfig(cfg, s3keys.Encode, func(o *s3.Options) { o.UsePathStyle = s.Endpoint != "" }),
		Curated: stack.CuratedBucket,
	}
	loader := &load.Loader{
		Warehouse: operatorWarehouse{lookup}, Versions: bucket, Files: bucket, Journal: entries, Contracts: contracts,
		Publisher: load.CountingPublisher{Publisher: topicOf(cfg, stack), Counter: entries},
		Notices:   load.DeadLetters{Client: sqs.NewFromConfig(cfg), URL: stack.LoadDeadLetters},
		NewID:     uuid.NewString,
	}
	return loader, bucket, nil
}

// operatorWarehouse opens sessions with the operator's login.
type operatorWarehouse struct{ lookup environment.Lookup }

// Open implements load.Warehouse.
func (w operatorWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	session, err := OpenSnowflake(ctx, w.lookup)
	if err != nil {
		return nil, err
	}
	return warehouse.On(session, dataset, loadID), nil
}

// topicOf returns the topic Loaded. A stack without the topic gets no announcement.
func topicOf(cfg aws.Config, stack operator.Stack) load.Publisher {
	if stack.LoadedTopic == "" {
		return noTopic{}
	}
	return load.Topic{Client: sns.NewFromConfig(cfg), ARN: stack.LoadedTopic}
}

type noTopic struct{}

// Publish implements load.Publisher.
func (noTopic) Publish(context.Context, load.Announcement) error { return nil }

// CallerIdentity returns the ARN of the AWS identity of the environment.
func CallerIdentity(ctx context.Context) (string, error) {
	cfg, err := loadAWSConfig(ctx)
	if err != nil {
		return "", err
	}
	answer, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("read the caller's identity: %w", err)
	}
	return aws.ToString(answer.Arn), nil
}
