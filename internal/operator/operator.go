// Package operator is what a person does to a running firn: look, put, redrive,
// reload, query. It works the same against an AWS account and the laptop's cloud.
package operator

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// Journal is what an operator needs of the journal.
type Journal interface {
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Each(ctx context.Context, do func(journal.Entry)) error
	Newest(ctx context.Context, bucket, key string) (journal.Entry, error)
	Waiting(ctx context.Context, dataset string, limit int) ([]journal.Entry, error)
	Failed(ctx context.Context, dataset string, code fault.Code) ([]journal.Entry, error)
	Redrive(ctx context.Context, id object.ID) (journal.Redrive, error)
	Reload(ctx context.Context, id object.ID) (journal.Reload, error)
	Restore(ctx context.Context, o object.Object, dataset string, l journal.Load) error
}

// Objects is what an operator needs of S3.
type Objects interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
}

// Queues is what an operator needs of SQS.
type Queues interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Stack names the parts of a deployed stack, from its outputs.
type Stack struct {
	Name          string
	LandingBucket string
	CuratedBucket string
	JournalTable  string
	// LoadRole and StorageRole are the ARNs of the roles under which the load
	// function logs in to Snowflake, and Snowflake reads the curated bucket.
	LoadRole, StorageRole string
	// ExternalID is what StorageRole's trust asks for.
	ExternalID string
	// LoginSecret is the ARN of the secret with the load function's key pair.
	// Empty if the function logs in by its role.
	LoginSecret string
	// Database is Snowflake's database.
	Database string
	// Queues are the URLs of the queues by stage: ingest, route, transform, load.
	Queues map[string]string
}

// Operator does what a person asks for.
type Operator struct {
	Stack     Stack
	Contracts contract.Set
	Journal   Journal
	Objects   Objects
	Queues    Queues
	// PollEvery is how often a wait looks at the journal.
	PollEvery time.Duration
}

// ScriptVariables are the values that the scripts in snowflake/ ask for.
func (s Stack) ScriptVariables() map[string]string {
	return map[string]string{
		"database":         s.Database,
		"curated_bucket":   s.CuratedBucket,
		"storage_role_arn": s.StorageRole,
		"external_id":      s.ExternalID,
		"loader_role_arn":  s.LoadRole,
	}
}
