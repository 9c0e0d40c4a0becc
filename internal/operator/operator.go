// Package operator has an operator's actions on a deployed stack: status, put, ingest,
// redrive, reload, dismiss, withdraw, sweep and wait. AWS and the laptop's cloud take the same calls.
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
	"github.com/firn-data/firn/internal/work"
)

// Journal has the operator's calls of the journal. journal.Table implements Journal.
type Journal interface {
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Newest(ctx context.Context, bucket, key string) (journal.Entry, error)
	Waiting(ctx context.Context, dataset string, limit int) ([]journal.Entry, error)
	Failed(ctx context.Context, dataset string, code fault.Code) ([]journal.Entry, error)
	// Unsent returns the objects whose message an earlier command never sent.
	Unsent(ctx context.Context, dataset string, code fault.Code) ([]journal.Entry, error)
	Redrive(ctx context.Context, id object.ID) (journal.Redrive, error)
	// Sent removes the mark of an unsent message.
	Sent(ctx context.Context, id object.ID, mark string) error
	Dismiss(ctx context.Context, id object.ID, d journal.Dismissal) (journal.Entry, bool, error)
	Reload(ctx context.Context, id object.ID) (journal.Reload, error)
	Restore(ctx context.Context, o object.Object, dataset string, l journal.Load) error
	Deliveries(ctx context.Context, dataset string) (journal.Deliveries, error)
	SetDeliveries(ctx context.Context, dataset string, seq int64, d journal.Deliveries) error
	RunJournal
	Counts
	Reads
}

// RunJournal has the calls of the journal about ingestion runs.
type RunJournal interface {
	OrderRun(ctx context.Context, order journal.RunOrder) (journal.Run, error)
	Runs(ctx context.Context, dataset string) ([]journal.Run, error)
}

// Counts has the calls of the journal for a summary. No call reads more than a limit.
type Counts interface {
	OldestMoving(ctx context.Context, state journal.State, limit int, do func(journal.Entry)) (more bool, err error)
	CountWaiting(ctx context.Context, dataset string, limit int) (journal.Count, error)
	FailedByCode(ctx context.Context, dataset string, limit, newest int) ([]journal.FailedCode, error)
	Volumes(ctx context.Context, dataset string) (journal.Volumes, error)
	NewColumns(ctx context.Context, dataset string) (work.NewColumns, error)
}

// Reads has the calls of the journal for an audit (internal/operator/audit).
type Reads interface {
	Each(ctx context.Context, do func(journal.Entry)) error
	EachOf(ctx context.Context, ids []object.ID, do func(journal.Entry)) error
	EachInWorkIndex(ctx context.Context, dataset string, do func(object.ID)) error
	EachStuck(ctx context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error
}

// Objects has the operator's calls of S3.
type Objects interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
}

// Queues has the operator's calls of SQS.
type Queues interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Stack names the resources of a deployed stack. The values are from the stack's
// outputs, except Name, Account, Region and Database.
type Stack struct {
	Name string
	// Account is the number of the AWS account, and Region for example "eu-central-1".
	Account, Region string
	LandingBucket   string
	CuratedBucket   string
	JournalTable    string
	// LoadRole is the ARN of the load function's role for the login to Snowflake.
	// StorageRole is the ARN of Snowflake's role for reads of the curated bucket.
	LoadRole, StorageRole string
	// ExternalID is the external id in the trust policy of StorageRole.
	ExternalID string
	// LoginSecret is the ARN of the secret with the load function's key pair. Empty for
	// a login by the function's role.
	LoginSecret string
	// Database is the name of Snowflake's database.
	Database string
	// Queues has the URL of each queue by stage: ingest, route, transform, load.
	Queues map[string]string
	// LoadDeadLetters is the URL of load's dead-letter queue, and LoadedTopic is the ARN
	// of the topic Loaded.
	LoadDeadLetters, LoadedTopic string
}

// Operator runs an operator's actions on one stack.
type Operator struct {
	Stack     Stack
	Contracts contract.Set
	Journal   Journal
	Objects   Objects
	Queues    Queues
	// PollEvery is the time between two reads of the journal in Wait.
	PollEvery time.Duration
}

// ScriptVariables returns the values of the variables in the scripts in snowflake/.
func (s Stack) ScriptVariables() map[string]string {
	return map[string]string{
		"database":         s.Database,
		"curated_bucket":   s.CuratedBucket,
		"storage_role_arn": s.StorageRole,
		"external_id":      s.ExternalID,
		"loader_role_arn":  s.LoadRole,
	}
}
