//go:build standin

package operator_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

// fixture is an operator with a stack of its own on the stand-ins, as in the command.
// No function runs: the tests write the stages' changes to the journal.
type fixture struct {
	*operator.Operator

	stages *journal.Table
	queues *sqs.Client
}

var stacks atomic.Int64

func newFixture(t *testing.T) *fixture {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("Stack%d", stacks.Add(1))
	if err := laptoptest.Deploy(t.Context(), cfg, name); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"FIRN_STACK": name, "FIRN_DATASETS": "../../testdata/project/datasets", "AWS_ENDPOINT_URL": os.Getenv("AWS_ENDPOINT_URL")}
	o, err := app.New(t.Context(), func(name string) (string, bool) {
		value, found := variables[name]
		return value, found
	})
	if err != nil {
		t.Fatal(err)
	}
	o.PollEvery = time.Millisecond
	return &fixture{Operator: o, stages: o.Journal.(*journal.Table), queues: sqs.NewFromConfig(cfg)}
}

// writeFile writes a local file. The name may have folders, for example the folders of
// a dataset.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// received returns an object with a received entry in the journal.
func (f *fixture) received(t *testing.T, name, dataset string) object.Object {
	t.Helper()
	o := object.Object{Bucket: f.Stack.LandingBucket, Key: name, Version: "v1"}
	if _, err := f.stages.Receive(t.Context(), o, dataset); err != nil {
		t.Fatal(err)
	}
	return o
}

// failed returns an object with a failed entry. A failure in load has a receipt.
func (f *fixture) failed(t *testing.T, name, dataset string, stage work.Stage, code fault.Code) object.Object {
	t.Helper()
	o := f.received(t, name, dataset)
	if stage == work.Load {
		f.transformed(t, o, dataset)
	}
	failure := fault.Permanentf("test", code, "because")
	failure.ObjectID = string(o.ID())
	if _, err := f.stages.Fail(t.Context(), failure, string(stage), "arn", "the event of "+name); err != nil {
		t.Fatal(err)
	}
	return o
}

func (f *fixture) transformed(t *testing.T, o object.Object, dataset string) {
	t.Helper()
	receipt := work.Receipt{Object: o, ObjectID: o.ID(), Dataset: dataset, RowsRead: 3, RowsWritten: 3}
	if _, err := f.stages.Transformed(t.Context(), receipt, work.Location{Bucket: f.Stack.CuratedBucket, Key: "receipt.json"}); err != nil {
		t.Fatal(err)
	}
}

// takeMessages receives and deletes all messages of a stage's queue.
func (f *fixture) takeMessages(ctx context.Context, t *testing.T, stage string) []string {
	t.Helper()
	var bodies []string
	seen := make(map[string]bool)
	for {
		output, err := f.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(f.Stack.Queues[stage]), MaxNumberOfMessages: 10,
			// If an answer is lost, its messages stay hidden for one second. The wait
			// is longer, so the SDK's retry receives these messages.
			VisibilityTimeout: 1, WaitTimeSeconds: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(output.Messages) == 0 {
			return bodies
		}
		for _, message := range output.Messages {
			if id := aws.ToString(message.MessageId); !seen[id] { // a message may be received twice before its deletion
				seen[id] = true
				bodies = append(bodies, aws.ToString(message.Body))
			}
			_, err := f.queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{
				QueueUrl: aws.String(f.Stack.Queues[stage]), ReceiptHandle: message.ReceiptHandle,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
