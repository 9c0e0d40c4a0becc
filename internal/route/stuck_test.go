package route_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// stuckMessage returns the message of a sweep about a stuck object.
func stuckMessage(e journal.Entry) string {
	return work.Work{Stage: work.Route, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}.Encode()
}

func stuckEntry(state journal.State) journal.Entry {
	at := locationOf(receiptOf(landed("shop/order/day.csv")))
	e := journal.Entry{
		Object: landed("shop/order/day.csv"), Dataset: "shop.order", State: state, Generation: 1,
		Times: map[journal.State]time.Time{state: noon.Add(-7 * time.Hour)},
	}
	if state == journal.Transformed {
		e.Receipt = &at
	}
	return e
}

// TestStuckObjectIsSentThreeTimesThenFails sends the work of each state three times,
// then expects a permanent fault. A repeated message doesn't count again.
func TestStuckObjectIsSentThreeTimesThenFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state journal.State
		queue string
		stage work.Stage
		delay time.Duration
	}{
		{journal.Received, transformURL, work.Transform, 0},
		{journal.Transforming, transformURL, work.Transform, 0},
		{journal.Transformed, loadURL, work.Load, time.Minute},
	}
	for _, test := range tests {
		t.Run(string(test.state), func(t *testing.T) {
			t.Parallel()
			e := stuckEntry(test.state)
			b := newFixture(t, e)
			want := work.Work{Stage: test.stage, Dataset: e.Dataset, Object: e.Object, Generation: 1, Receipt: e.Receipt}
			for range 3 {
				b.sqs.sent = nil
				for range 2 { // SQS delivers at least once
					if f := b.handle(stuckMessage(e)); f != nil {
						t.Fatal(f)
					}
				}
				if len(b.sqs.sent) != 2 || b.sqs.sent[0].Delay != test.delay {
					t.Fatalf("sent %+v", b.sqs.sent)
				}
				b.sqs.sent = b.sqs.sent[:1]
				if diff := cmp.Diff(want, b.sqs.works(t, test.queue, test.stage)[e.Object.Key]); diff != "" {
					t.Errorf("work (-want +got):\n%s", diff)
				}
				b.now = b.now.Add(6 * time.Hour)
			}
			b.sqs.sent = nil
			f := b.handle(stuckMessage(e))
			checkFault(t, f, fault.Permanent, fault.Stuck, string(test.state), "2026-11-30 05:00:00 UTC", "3 times")
			if f.Stage != string(test.stage) || f.ObjectID != string(e.Object.ID()) || f.Generation != 1 || f.Advice() != fault.Stuck.Hint() || len(b.sqs.sent) > 0 {
				t.Errorf("fault %+v, sent %+v", f, b.sqs.sent)
			}
		})
	}
}

// TestMovedObjectIsNotSentAgain has objects in other states, with another generation,
// in a Glue run, or with a recent claim.
func TestMovedObjectIsNotSentAgain(t *testing.T) {
	t.Parallel()
	reloaded := stuckEntry(journal.Received)
	reloaded.Generation = 2
	glue := stuckEntry(journal.Transforming)
	glue.Manifest = "m1"
	seen := stuckEntry(journal.Received)
	seen.SweepCount, seen.LastSweepAt = 1, noon.Add(-time.Minute)
	for name, e := range map[string]journal.Entry{
		"loaded": stuckEntry(journal.Loaded), "superseded": stuckEntry(journal.Superseded), "failed": stuckEntry(journal.Failed),
		"reloaded": reloaded, "in a Glue run": glue, "swept a minute ago": seen,
	} {
		b := newFixture(t, e)
		if f := b.handle(stuckMessage(stuckEntry(journal.Received))); f != nil || len(b.sqs.sent) > 0 {
			t.Errorf("%s: %v, sent %+v", name, f, b.sqs.sent)
		}
		if got := b.journal.entries[e.Object.ID()].SweepCount; got != e.SweepCount {
			t.Errorf("%s: sweep count %d", name, got)
		}
	}
	if f := newFixture(t).handle(stuckMessage(stuckEntry(journal.Received))); f != nil {
		t.Errorf("an object without an entry: %v", f)
	}
}

// TestStuckObjectWithReceiptIsRouted: if a receipt wasn't announced, the newest receipt
// of the generation in the bucket is routed.
func TestStuckObjectWithReceiptIsRouted(t *testing.T) {
	t.Parallel()
	receipt := func(name string, outcome work.Outcome) work.Receipt {
		o := landed("shop/order/day.csv")
		r := receiptOfAttempt(object.Attempt{Dataset: "shop.order", Object: o.ID(), Name: name}, o)
		r.Outcome = outcome
		if outcome == work.Refused {
			r.Code, r.Cause, r.Data = string(fault.BadHeader), "no header", nil
		}
		return r
	}
	inGlue := stuckEntry(journal.Transforming)
	inGlue.Manifest = "m1"
	for _, entry := range []journal.Entry{stuckEntry(journal.Transforming), inGlue} {
		b := newFixture(t, entry)
		newest := receipt("01-02-bb", work.Accepted)
		for age, r := range []work.Receipt{newest, receipt("01-01-cc", work.Accepted), receipt("00-03-dd", work.Accepted)} {
			body, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			b.receipts[locationOf(r).Key] = body
			b.lister.written[locationOf(r).Key] = noon.Add(-time.Duration(age) * time.Hour)
		}
		b.lister.written[locationOf(receipt("00-03-dd", work.Accepted)).Key] = noon // a late receipt of the generation before
		if f := b.handle(stuckMessage(entry)); f != nil {
			t.Fatal(f)
		}
		w := b.sqs.works(t, loadURL, work.Load)[entry.Object.Key]
		if w.Receipt == nil || w.Receipt.Key != locationOf(newest).Key || b.journal.entries[entry.Object.ID()].SweepCount != 0 {
			t.Errorf("load %+v, entry %+v", w, b.journal.entries[entry.Object.ID()])
		}
	}
	b := newFixture(t, stuckEntry(journal.Transforming))
	refused := receipt("01-01-aa", work.Refused)
	body, err := json.Marshal(refused)
	if err != nil {
		t.Fatal(err)
	}
	b.receipts[locationOf(refused).Key] = body
	checkFault(t, b.handle(stuckMessage(stuckEntry(journal.Transforming))), fault.Permanent, fault.BadHeader, "no header")
}

// TestFailedResendIsRetried also repeats the fault of an object whose dead letter
// wasn't sent.
func TestFailedResendIsRetried(t *testing.T) {
	t.Parallel()
	e := stuckEntry(journal.Transforming)
	b := newFixture(t, e)
	b.lister.err = &smithy.GenericAPIError{Code: "SlowDown"}
	checkFault(t, b.handle(stuckMessage(e)), fault.RetryAfter, fault.StoreAway)
	b.journal.unavailable[e.Object.ID()] = true
	checkFault(t, b.handle(stuckMessage(e)), fault.RetryAfter, fault.JournalAway)

	failed := stuckEntry(journal.Failed)
	failed.Queue, failed.Message, failed.Code, failed.Cause = "route", stuckMessage(e), string(fault.Stuck), "no progress"
	b = newFixture(t, failed)
	checkFault(t, b.handle(stuckMessage(e)), fault.Permanent, fault.Stuck, "no progress")
}
