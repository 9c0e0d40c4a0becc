//go:build endtoend

package path_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// manyReceipts is the number of receipts, 1,000 for `make test-receipts`. The tests
// take minutes, so other targets skip them.
var manyReceipts = flag.Int("receipts", 0, "number of receipts to load; a second test loads half as many, with three bad receipts")

// longWaitLimit is the longest wait for all receipts.
const longWaitLimit = 5 * time.Minute

const customer = "shop.customer"

// defect is an error in the output of a transform.
type defect string

const (
	noDefect     defect = ""
	wrongReceipt defect = "the receipt counts one row too many"
	corruptFile  defect = "the file isn't Parquet"
	missingFile  defect = "the file is missing"
)

// Many receipts wait for the load function, which receives ten messages at once. The
// function also loads other waiting objects, so a few transactions are enough.
func TestManyReceiptsLoadInFewTransactions(t *testing.T) {
	const maxTransactions = 3
	receipts := *manyReceipts
	objects := waitingReceipts(t, receipts, nil)
	took := runLoads(t)
	for _, entry := range awaitStopped(t, objects...) {
		checkState(t, entry, journal.Loaded)
	}
	where := " where KEY like '" + keyOf(t, "%") + "'"
	if rows := queryNumber(t, "select count(*) as n from RAW.SHOP_CUSTOMER_LOADS"+where); rows != int64(receipts) {
		t.Errorf("the ledger has %d rows, want %d", rows, receipts)
	}
	answer, err := warehouse(t).Query(t.Context(), "read ledger", "select LOAD_ID, count(*) as n, min(STARTED_AT) as began, max(LOADED_AT) as ended from RAW.SHOP_CUSTOMER_LOADS"+
		where+" group by LOAD_ID order by began")
	if err != nil {
		t.Fatal(err)
	}
	for i := range answer.Rows {
		t.Logf("transaction %d: %d objects, %.1f s from the lock to the ledger rows", i+1, answer.Number(i, "n"),
			answer.Time(i, "ended").Sub(answer.Time(i, "began")).Seconds())
	}
	t.Logf("all loaded %.1f s after the start of the load function", took.Seconds())
	if len(answer.Rows) > maxTransactions {
		t.Errorf("%d receipts needed %d transactions, want at most %d", receipts, len(answer.Rows), maxTransactions)
	}
}

// One receipt has a false count, one file is corrupt, and one file is missing. The
// other 497 of 500 objects are loaded within a minute. Each of the three causes exactly
// one mail.
func TestThreeBadReceiptsFailAlone(t *testing.T) {
	const limit = time.Minute
	receipts := *manyReceipts / 2
	defects := map[int]defect{receipts / 4: wrongReceipt, receipts / 2: corruptFile, 3 * receipts / 4: missingFile}
	before := inbox(t)
	objects := waitingReceipts(t, receipts, defects)
	took := runLoads(t)
	t.Logf("all handled %.1f s after the start of the load function", took.Seconds())
	if took > limit {
		t.Errorf("the loads took longer than %s", limit)
	}
	for i, entry := range awaitStopped(t, objects...) {
		want := journal.Loaded
		if defects[i] != noDefect {
			want = journal.Failed
		}
		if entry.State != want {
			t.Errorf("%s with the defect %q has state %s, want %s: %s %s", entry.Object.Key, defects[i], entry.State, want, entry.Code, entry.Cause)
		}
	}
	eventually(t, "three objects cause mails", func() (bool, string) {
		mails := inbox(t)[len(before):]
		named := namedIn(mails, objects)
		return len(named) == len(defects), fmt.Sprintf("%d objects in %d mails", len(named), len(mails))
	})
	eventually(t, "the dead-letter queues are empty", func() (bool, string) {
		n := messagesIn(t, "LoadDeadLetters") + messagesIn(t, "ReceiptsDeadLetters")
		return n == 0, fmt.Sprint(n, " messages")
	})
	for i, times := range namedIn(inbox(t)[len(before):], objects) {
		if defects[i] == noDefect || times != 1 {
			t.Errorf("object %d with the defect %q is in %d mails", i, defects[i], times)
		}
	}
}

// waitingReceipts writes the output of a transform for n objects while the load
// function is stopped. flaws gives some objects a defect, by the object's number. The
// function returns the objects after all requests for loads are in the queue.
func waitingReceipts(t *testing.T, n int, defects map[int]defect) []object.Object {
	t.Helper()
	if *manyReceipts == 0 {
		t.Skip("the test needs `make test-receipts`")
	}
	setLoads(t, false)
	t.Cleanup(func() { setLoads(t, true) })
	objects := make([]object.Object, n)
	writers, ctx := errgroup.WithContext(t.Context())
	writers.SetLimit(10)
	for i := range objects {
		objects[i] = object.Object{
			Bucket: stack.operator.Stack.LandingBucket, Key: keyOf(t, fmt.Sprintf("%04d.csv", i)), Version: fmt.Sprintf("v%d", i),
			ETag: "e", Size: 100, Sequencer: object.NormalizeSequencer("01"),
		}
		writers.Go(func() error { return writeTransformOutput(ctx, objects[i], defects[i]) })
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	within(t, longWaitLimit, "the queue has all requests for loads", func() (bool, string) {
		waiting := messagesIn(t, "LoadQueue")
		return waiting == n, fmt.Sprintf("%d of %d", waiting, n)
	})
	return objects
}

// writeTransformOutput writes the output of a transform: a journal entry in state
// transforming, a file of two rows and at last the receipt. S3 sends an event for the
// receipt.
func writeTransformOutput(ctx context.Context, o object.Object, d defect) error {
	const rows = 2
	table, isTable := stack.journal.(*journal.Table)
	if !isTable {
		return fmt.Errorf("the journal has type %T", stack.journal)
	}
	if _, err := table.Receive(ctx, o, customer); err != nil {
		return err
	}
	request := work.Work{Stage: work.Transform, Dataset: customer, Object: o}
	_, claimed, err := table.Start(ctx, request, "test", time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	if !claimed {
		return fmt.Errorf("another attempt already transforms %s", o.URI())
	}
	attempt := object.Attempt{Dataset: customer, Object: o.ID(), Name: object.AttemptName(0, 1, "test")}
	receiptRows := int64(rows)
	if d == wrongReceipt {
		receiptRows++
	}
	if d != missingFile {
		body, err := loadtest.File{Object: o.ID(), Rows: rows, Broken: d == corruptFile}.Parquet(load.Rows)
		if err != nil {
			return err
		}
		if err := putCurated(ctx, attempt.Data(0), body); err != nil {
			return err
		}
	}
	receipt, err := json.Marshal(work.Receipt{
		Object: o, Dataset: customer, ObjectID: o.ID(), Contract: stack.operator.Contracts.ByDataset(customer).Version,
		Attempt: attempt.Name, Engine: "lambda", Outcome: work.Accepted, ContentHash: "sha256:00",
		RowsRead: receiptRows, RowsWritten: receiptRows, Data: []work.File{{Key: attempt.Data(0), Rows: receiptRows, Bytes: 100}}, Rejects: []work.File{},
		StartedAt: time.Now().UTC(), FinishedAt: time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	return putCurated(ctx, attempt.Receipt(), receipt)
}

func putCurated(ctx context.Context, key string, body []byte) error {
	_, err := stack.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(stack.operator.Stack.CuratedBucket), Key: aws.String(key), Body: bytes.NewReader(body),
	})
	return err
}

// runLoads starts the load function and returns the time until its queue is empty.
func runLoads(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	setLoads(t, true)
	within(t, longWaitLimit, "the load queue is empty", func() (bool, string) {
		waiting := messagesIn(t, "LoadQueue")
		return waiting == 0, fmt.Sprint(waiting, " messages wait")
	})
	return time.Since(start)
}

// setLoads starts or stops the load function's reading of its queue.
func setLoads(t *testing.T, run bool) {
	t.Helper()
	ctx, client := context.WithoutCancel(t.Context()), lambdas(t)
	answer, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{
		FunctionName: aws.String(stack.cloud.Outputs["LoadFunctionName"]),
	})
	if err != nil || len(answer.EventSourceMappings) != 1 {
		t.Fatalf("the load function has %d mappings, want 1: %v", len(answer.EventSourceMappings), err)
	}
	_, err = client.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{
		UUID: answer.EventSourceMappings[0].UUID, Enabled: aws.Bool(run),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// messagesIn returns the number of a queue's messages, including messages in flight and
// delayed messages.
func messagesIn(t *testing.T, queue string) int {
	t.Helper()
	names := []sqstypes.QueueAttributeName{
		sqstypes.QueueAttributeNameApproximateNumberOfMessages,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	answer, err := stack.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(queueURL(queue)), AttributeNames: names,
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, name := range names {
		var n int
		if _, err := fmt.Sscan(answer.Attributes[string(name)], &n); err != nil {
			t.Fatalf("%s of %s: %v", name, queue, err)
		}
		sum += n
	}
	return sum
}

func inbox(t *testing.T) []demo.Mail {
	t.Helper()
	mails, err := demo.ReadMails(stack.cloud.MailDirectory())
	if err != nil {
		t.Fatal(err)
	}
	return mails
}

// namedIn returns the number of mails with each object's id, by the object's number.
func namedIn(mails []demo.Mail, objects []object.Object) map[int]int {
	named := make(map[int]int)
	for _, m := range mails {
		for i, o := range objects {
			if strings.Contains(m.Body, string(o.ID())) {
				named[i]++
			}
		}
	}
	return named
}
