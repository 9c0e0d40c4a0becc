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

// manyReceipts is how many `make test-receipts` loads, a thousand: they take
// minutes, so that the other targets load none.
var manyReceipts = flag.Int("receipts", 0, "load as many receipts, and half as many of which three are bad")

// longWaitLimit bounds the waits for all of them.
const longWaitLimit = 5 * time.Minute

const customer = "shop.customer"

// defect is what is wrong with what a transform left of an object.
type defect string

const (
	noDefect     defect = ""
	wrongReceipt defect = "its receipt claims a row too many"
	corruptFile  defect = "its file is no Parquet"
	missingFile  defect = "its file isn't there"
)

// Many receipts wait for the load function, which gets ten messages at a time:
// it takes what waits beside them, so that three transactions are enough.
func TestManyReceiptsLoadInFewTransactions(t *testing.T) {
	const most = 3
	receipts := *manyReceipts
	objects := waitingReceipts(t, receipts, nil)
	took := runLoads(t)
	for _, entry := range awaitStopped(t, objects...) {
		checkState(t, entry, journal.Loaded)
	}
	mine := " where KEY like 'shop/customer/" + t.Name() + "/%'"
	if rows := queryNumber(t, "select count(*) as n from RAW.SHOP_CUSTOMER_LOADS"+mine); rows != int64(receipts) {
		t.Errorf("the ledger has %d rows, want %d", rows, receipts)
	}
	answer, err := warehouse(t).Query(t.Context(), "read ledger", "select LOAD_ID, count(*) as n, min(STARTED_AT) as began, max(LOADED_AT) as ended from RAW.SHOP_CUSTOMER_LOADS"+
		mine+" group by LOAD_ID order by began")
	if err != nil {
		t.Fatal(err)
	}
	for i := range answer.Rows {
		t.Logf("transaction %d: %d objects, %.1f s from its lock to its ledger rows", i+1, answer.Number(i, "n"),
			answer.Time(i, "ended").Sub(answer.Time(i, "began")).Seconds())
	}
	t.Logf("all loaded %.1f s after the load function began", took.Seconds())
	if len(answer.Rows) > most {
		t.Errorf("%d receipts took %d transactions, want at most %d", receipts, len(answer.Rows), most)
	}
}

// One receipt lies, one file is corrupt, one is missing: the other 497 of 500
// load within a minute, and the three are mailed, each once and nobody else.
func TestThreeBadReceiptsFailAlone(t *testing.T) {
	const limit = time.Minute
	receipts := *manyReceipts / 2
	flaws := map[int]defect{receipts / 4: wrongReceipt, receipts / 2: corruptFile, 3 * receipts / 4: missingFile}
	before := inbox(t)
	objects := waitingReceipts(t, receipts, flaws)
	took := runLoads(t)
	t.Logf("all handled %.1f s after the load function began", took.Seconds())
	if took > limit {
		t.Errorf("that took longer than %s", limit)
	}
	for i, entry := range awaitStopped(t, objects...) {
		want := journal.Loaded
		if flaws[i] != noDefect {
			want = journal.Failed
		}
		if entry.State != want {
			t.Errorf("%s, of which %q: %s, want %s: %s %s", entry.Object.Key, flaws[i], entry.State, want, entry.Code, entry.Cause)
		}
	}
	eventually(t, "three objects are mailed", func() (bool, string) {
		mails := inbox(t)[len(before):]
		named := namedIn(mails, objects)
		return len(named) == len(flaws), fmt.Sprintf("%d objects in %d mails", len(named), len(mails))
	})
	eventually(t, "no dead letter is left", func() (bool, string) {
		n := messagesIn(t, "LoadDeadLetters") + messagesIn(t, "ReceiptsDeadLetters")
		return n == 0, fmt.Sprint(n, " messages")
	})
	for i, times := range namedIn(inbox(t)[len(before):], objects) {
		if flaws[i] == noDefect || times != 1 {
			t.Errorf("object %d, of which %q, is in %d mails", i, flaws[i], times)
		}
	}
}

// waitingReceipts leaves what a transform leaves of as many objects, by their
// number some with a flaw, while the load function doesn't run, and returns the
// objects when all loads were asked for.
func waitingReceipts(t *testing.T, n int, flaws map[int]defect) []object.Object {
	t.Helper()
	if *manyReceipts == 0 {
		t.Skip("run it by `make test-receipts`")
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
		writers.Go(func() error { return writeTransformOutput(ctx, objects[i], flaws[i]) })
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	within(t, longWaitLimit, "all loads are asked for", func() (bool, string) {
		waiting := messagesIn(t, "LoadQueue")
		return waiting == n, fmt.Sprintf("%d of %d", waiting, n)
	})
	return objects
}

// writeTransformOutput leaves what a transform leaves of an object: a journal entry that says
// `transforming`, a file of two rows and, last, the receipt, which S3 announces.
func writeTransformOutput(ctx context.Context, o object.Object, f defect) error {
	const rows = 2
	table, isTable := stack.journal.(*journal.Table)
	if !isTable {
		return fmt.Errorf("the journal is a %T", stack.journal)
	}
	if _, err := table.Receive(ctx, o, customer); err != nil {
		return err
	}
	asked := work.Work{Stage: work.Transform, Dataset: customer, Object: o}
	_, claimed, err := table.Start(ctx, asked, "test", time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	if !claimed {
		return fmt.Errorf("somebody transforms %s already", o.URI())
	}
	attempt := object.Attempt{Dataset: customer, Object: o.ID(), Name: object.AttemptName(0, 1, "test")}
	claims := int64(rows)
	if f == wrongReceipt {
		claims++
	}
	if f != missingFile {
		body, err := loadtest.File{Object: o.ID(), Rows: rows, Broken: f == corruptFile}.Parquet(load.Rows)
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
		RowsRead: claims, RowsWritten: claims, Data: []work.File{{Key: attempt.Data(0), Rows: claims, Bytes: 100}}, Rejects: []work.File{},
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

// runLoads lets the load function run and returns how long it took until its
// queue was empty.
func runLoads(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	setLoads(t, true)
	within(t, longWaitLimit, "every load is done", func() (bool, string) {
		left := messagesIn(t, "LoadQueue")
		return left == 0, fmt.Sprint(left, " messages are left")
	})
	return time.Since(began)
}

// setLoads starts the load function's reading of its queue, or stops it.
func setLoads(t *testing.T, run bool) {
	t.Helper()
	ctx, client := context.WithoutCancel(t.Context()), lambdas(t)
	answer, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{
		FunctionName: aws.String(stack.cloud.Outputs["LoadFunctionName"]),
	})
	if err != nil || len(answer.EventSourceMappings) != 1 {
		t.Fatalf("load has %d mappings: %v", len(answer.EventSourceMappings), err)
	}
	_, err = client.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{
		UUID: answer.EventSourceMappings[0].UUID, Enabled: aws.Bool(run),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// messagesIn counts a queue's messages, those too that somebody has or that are
// put off.
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

// namedIn counts the mails that name an object, by the object's number.
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
