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
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func TestMain(m *testing.M) { os.Exit(laptoptest.Main(m, "aws", "snowflake")) }

// fixture is an operator of a stack of its own, wired as the command's is. No
// function runs: the test plays the stages on the journal.
type fixture struct {
	*operator.Operator

	stages *journal.Table
	queues *sqs.Client
}

var stacks atomic.Int64

func newFixture(t *testing.T) *fixture {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
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

// writeFile writes a local file below a folder of the name that its dataset asks for.
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

// received returns an object that the journal has received.
func (b *fixture) received(t *testing.T, name, dataset string) object.Object {
	t.Helper()
	o := object.Object{Bucket: b.Stack.LandingBucket, Key: name, Version: "v1"}
	if _, err := b.stages.Receive(t.Context(), o, dataset); err != nil {
		t.Fatal(err)
	}
	return o
}

// failed returns an object that failed in a stage; in load, with a receipt.
func (b *fixture) failed(t *testing.T, name, dataset string, stage work.Stage, code fault.Code) object.Object {
	t.Helper()
	o := b.received(t, name, dataset)
	if stage == work.Load {
		b.transformed(t, o, dataset)
	}
	f := fault.Permanentf("test", code, "because")
	f.ObjectID = string(o.ID())
	if _, err := b.stages.Fail(t.Context(), f, string(stage), "arn", "the event of "+name); err != nil {
		t.Fatal(err)
	}
	return o
}

func (b *fixture) transformed(t *testing.T, o object.Object, dataset string) {
	t.Helper()
	receipt := work.Receipt{Object: o, ObjectID: o.ID(), Dataset: dataset, RowsRead: 3, RowsWritten: 3}
	if _, err := b.stages.Transformed(t.Context(), receipt, work.Location{Bucket: b.Stack.CuratedBucket, Key: "receipt.json"}); err != nil {
		t.Fatal(err)
	}
}

// takeMessages takes all messages from a stage's queue.
func (b *fixture) takeMessages(ctx context.Context, t *testing.T, stage string) []string {
	t.Helper()
	var bodies []string
	seen := make(map[string]bool)
	for {
		output, err := b.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(b.Stack.Queues[stage]), MaxNumberOfMessages: 10,
			// An answer that is lost hides its messages: the SDK's repetition waits for them.
			VisibilityTimeout: 1, WaitTimeSeconds: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(output.Messages) == 0 {
			return bodies
		}
		for _, message := range output.Messages {
			if id := aws.ToString(message.MessageId); !seen[id] { // it may be seen again before it is deleted
				seen[id] = true
				bodies = append(bodies, aws.ToString(message.Body))
			}
			_, err := b.queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{
				QueueUrl: aws.String(b.Stack.Queues[stage]), ReceiptHandle: message.ReceiptHandle,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
