package route_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func TestUndecodableMessageIsAPermanentFault(t *testing.T) {
	t.Parallel()
	elsewhere := landed("shop/order/day.csv")
	elsewhere.Bucket = "elsewhere"
	noReceipt := object.Object{Bucket: curated, Key: "shop/order/x/receipt.json"}
	renamed := strings.ReplaceAll(records(landed("shop/order/day.csv")), "ObjectCreated:Put", "ObjectRenamed:Put")
	for name, body := range map[string]string{
		"no event": `{"hello": 1}`, "other bucket": records(elsewhere), "key of no receipt": records(noReceipt),
		"unknown event name": renamed, "other event text": `{"Event": "s3:OtherEvent"}`,
		"event of EventBridge": `{"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "landing"}}}`,
	} {
		b := newFixture(t)
		checkFault(t, b.handle(body), fault.Permanent, fault.Undecodable)
		if len(b.journal.entries)+len(b.sqs.sent) != 0 {
			t.Errorf("%s: an entry or a message was written", name)
		}
	}
	checkFault(t, newFixture(t).handle(`{"sweep": "soon"}`), fault.Permanent, fault.Undecodable, "decode sweep")
	checkFault(t, newFixture(t).handle(`{"stage": "route"}`), fault.Permanent, fault.Undecodable, "names no object")
	if f := newFixture(t).handle(`{"Event": "s3:TestEvent"}`); f != nil {
		t.Errorf("test event: %v", f)
	}
}

// TestNameOfEventMayHavePrefix: a replay made by hand has the name of the event type.
func TestNameOfEventMayHavePrefix(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ObjectCreated:Put", "s3:ObjectCreated:Put", "ObjectCreated:*", "s3:ObjectCreated:*"} {
		b := newFixture(t)
		body := strings.ReplaceAll(records(landed("shop/order/day.csv")), "ObjectCreated:Put", name)
		if f := b.handle(body); f != nil || len(b.sqs.works(t, transformURL, work.Transform)) != 1 {
			t.Errorf("%s: fault %v, %d sent, want 1", name, f, len(b.sqs.sent))
		}
	}
}

// TestEventOfAnotherKindIsDone: a deletion is neither work nor a fault.
func TestEventOfAnotherKindIsDone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put"} {
		b := newFixture(t)
		body := strings.ReplaceAll(records(landed("shop/order/day.csv")), "ObjectCreated:Put", name)
		if f := b.handle(body); f != nil || len(b.journal.entries)+len(b.sqs.sent) != 0 {
			t.Errorf("%s: fault %v, %d entries, %d sent", name, f, len(b.journal.entries), len(b.sqs.sent))
		}
	}
}

// TestOneBadMessageLeavesTheOthers has every kind of failure in a batch of ten.
func TestOneBadMessageLeavesTheOthers(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var messages []batch.Message
	for i := range 10 {
		messages = append(messages, batch.Message{
			ID: fmt.Sprint(i), Queue: "route", Body: records(landed(fmt.Sprintf("shop/order/%d.csv", i))),
		})
	}
	messages[2].Body = "poison"
	b.journal.unavailable[landed("shop/order/4.csv").ID()] = true
	b.sqs.refuse = map[string]sqstypes.BatchResultErrorEntry{
		"/3.csv": {Code: aws.String("AccessDenied"), SenderFault: true, Message: aws.String("no kms:Decrypt")},
		"/6.csv": {Code: aws.String("InternalError"), Message: aws.String("try again")},
		"/7.csv": {Code: aws.String("InvalidMessageContents"), SenderFault: true, Message: aws.String("U+FFFF")},
		"/8.csv": {},
	}
	failed := b.router.Handle(context.Background(), messages)
	got := make(map[string]string)
	for id, err := range failed {
		f := fault.As(err)
		got[id] = f.Disposition.String() + " " + string(f.Code)
	}
	wantFaults := map[string]string{
		"2": "permanent undecodable_message", "3": "retry_after queue_away", "4": "retry_after journal_away", "6": "retry_after queue_away",
		"7": "permanent unexpected", "8": "retry_after queue_away",
	}
	if diff := cmp.Diff(wantFaults, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if f := fault.As(failed["6"]); f.ObjectID != string(landed("shop/order/6.csv").ID()) {
		t.Errorf("a refused send names object %q", f.ObjectID)
	}
	var wantSent []string
	for _, i := range []int{0, 1, 5, 9} {
		wantSent = append(wantSent, fmt.Sprintf("shop/order/%d.csv", i))
	}
	if diff := cmp.Diff(wantSent, keysOf(b.sqs.works(t, transformURL, work.Transform))); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestPanicFailsOnlyItsMessage(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.router.Receipts = nil // reading a receipt panics
	id := landed("k").ID()
	receiptEvent := records(object.Object{Bucket: curated, Key: object.Attempt{Dataset: "shop.order", Object: id, Name: "a"}.Receipt()})
	failed := b.router.Handle(context.Background(), []batch.Message{
		{ID: "bad", Body: receiptEvent}, {ID: "good", Body: records(landed("shop/order/day.csv"))},
	})
	checkFault(t, fault.As(failed["bad"]), fault.Retry, fault.Crashed)
	if failed["good"] != nil || len(b.sqs.sent) != 1 {
		t.Errorf("the other message: %v, %d sent", failed["good"], len(b.sqs.sent))
	}
}

func TestQueueErrorFailsOnlyItsMessages(t *testing.T) {
	t.Parallel()
	for code, wantCode := range map[string]fault.Code{"AccessDenied": fault.AccessDenied, "ServiceUnavailable": fault.QueueAway} {
		b := newFixture(t)
		b.sqs.unavailable = map[string]error{transformURL: &smithy.GenericAPIError{Code: code}}
		r := receiptOf(landed("shop/order/old.csv"))
		b.addReceipt(t, r, journal.Transforming)
		failed := b.router.Handle(context.Background(), []batch.Message{
			{ID: "landing", Body: records(landed("shop/order/new.csv"))}, {ID: "receipt", Body: receiptEvent(r)},
		})
		checkFault(t, fault.As(failed["landing"]), fault.RetryAfter, wantCode)
		if failed["receipt"] != nil {
			t.Errorf("the fault of the load queue is %v, want nil", failed["receipt"])
		}
	}
}

func TestEveryRecordOfAMessageIsRouted(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var objects []object.Object
	for i := range 23 {
		objects = append(objects, landed(fmt.Sprintf("shop/order/%02d.csv", i)))
	}
	if f := b.handle(records(objects...)); f != nil {
		t.Fatal(f)
	}
	if n := len(b.sqs.works(t, transformURL, work.Transform)); n != 23 || b.sqs.requests != 3 {
		t.Errorf("%d sent in %d requests, want 23 in 3", n, b.sqs.requests)
	}
}

// TestEveryFaultOfAMessageIsRecorded: every permanent fault is recorded in the journal,
// and the message stays until all other objects are sent.
func TestEveryFaultOfAMessageIsRecorded(t *testing.T) {
	t.Parallel()
	good, one, two, unreadable := landed("shop/order/day.csv"), landed("x/1.csv"), landed("x/2.csv"), landed("shop/order/unreadable.csv")
	b := newFixture(t)
	checkFault(t, b.handle(records(one, good, two)), fault.Permanent, fault.NoDataset, "x/1.csv", "also "+two.URI())
	if b.journal.entries[two.ID()].State != journal.Failed {
		t.Errorf("the entry of the second object is %+v", b.journal.entries[two.ID()])
	}
	b.journal.unavailable[unreadable.ID()] = true
	f := b.handle(records(one, unreadable, good))
	checkFault(t, f, fault.RetryAfter, fault.JournalAway, "also "+one.URI())
	if f.ObjectID != string(unreadable.ID()) || b.journal.entries[one.ID()].State != journal.Failed {
		t.Errorf("fault %+v, the entry of the first object is %+v", f, b.journal.entries[one.ID()])
	}
	if len(b.sqs.sent) != 2 {
		t.Errorf("the good object was sent %d times by two messages", len(b.sqs.sent))
	}
}

func TestRepeatedEventIsSentOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.sqs.refuse = map[string]sqstypes.BatchResultErrorEntry{"day": {Code: aws.String("InternalError")}}
	var messages []batch.Message
	for i := range 5 {
		messages = append(messages, batch.Message{ID: fmt.Sprint(i), Body: records(landed("shop/order/day.csv"))})
	}
	if failed := b.router.Handle(context.Background(), messages); len(failed) != 5 {
		t.Errorf("%d messages failed, want all waiting messages", len(failed))
	}
	b.sqs.refuse = nil
	if failed := b.router.Handle(context.Background(), messages); len(failed) != 0 || len(b.sqs.sent) != 1 {
		t.Errorf("failed %v, %d sent, want 1", failed, len(b.sqs.sent))
	}
}
