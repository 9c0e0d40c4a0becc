package route_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

func TestAcceptedReceiptBecomesLoad(t *testing.T) {
	t.Parallel()
	r := receiptFor("shop.order", landed("shop/order/day.csv"), 1)
	at := locationOf(r)
	wantLoad := work.Work{Stage: work.Load, Dataset: r.Dataset, Object: r.Object, Generation: 1, Receipt: &at}
	for _, state := range []journal.State{journal.Received, journal.Transforming, journal.Failed} {
		b := newFixture(t)
		b.addReceipt(t, r, state)
		if f := b.handle(receiptEvent(r)); f != nil {
			t.Fatal(f)
		}
		if diff := cmp.Diff(wantLoad, b.sqs.works(t, loadURL, work.Load)[r.Object.Key]); diff != "" {
			t.Errorf("%s: work (-want +got):\n%s", state, diff)
		}
		if got := b.sqs.sent[0].Delay; got != time.Minute {
			t.Errorf("%s: delay %s, want the delay of the contract", state, got)
		}
		if got := b.journal.entries[r.ObjectID].State; got != journal.Transformed {
			t.Errorf("%s became %s", state, got)
		}
	}
}

// TestLateReceiptOfReloadedObjectIsIgnored: S3 announces the first receipt again during
// the object's reload.
func TestLateReceiptOfReloadedObjectIsIgnored(t *testing.T) {
	t.Parallel()
	for _, state := range []journal.State{journal.Received, journal.Transforming, journal.Transformed, journal.Failed} {
		b, r := newFixture(t), receiptOf(landed("shop/order/day.csv"))
		b.addReceipt(t, r, state)
		b.changeEntry(r.ObjectID, func(e *journal.Entry) { e.Generation = 1 })
		if f := b.handle(receiptEvent(r)); f != nil {
			t.Fatal(f)
		}
		delete(b.receipts, locationOf(r).Key) // deleted by a person
		if f := b.handle(receiptEvent(r)); f != nil {
			t.Errorf("%s: fault of a deleted receipt without use: %v", state, f)
		}
		if len(b.sqs.sent) > 0 {
			t.Errorf("%s: %s was sent", state, b.sqs.sent[0].Body)
		}
	}
}

func TestLoadDelayFollowsContract(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dataset   string
		override, delay time.Duration
	}{
		{"delay of the contract", "shop.order", -1, time.Minute},
		{"override", "shop.order", 0, 0},
		{"longer override", "shop.order", 5 * time.Minute, 5 * time.Minute},
		{"delay above SQS's limit", "station.event", -1, 15 * time.Minute},
		{"contract was removed", "gone.gone", -1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.router.LoadEvery = test.override
			r := receiptFor(test.dataset, landed("k"), 0)
			b.addReceipt(t, r, journal.Transforming)
			if f := b.handle(receiptEvent(r)); f != nil {
				t.Fatal(f)
			}
			if got := b.sqs.sent[0].Delay; got != test.delay {
				t.Errorf("delay %s, want %s", got, test.delay)
			}
		})
	}
}

func TestReceiptOfLaterStateByState(t *testing.T) {
	t.Parallel()
	first := work.Location{Bucket: curated, Key: "first/receipt.json"}
	tests := []struct {
		state journal.State
		sends int
	}{{journal.Loaded, 0}, {journal.Superseded, 0}, {journal.Transformed, 1}}
	for _, test := range tests {
		b, r := newFixture(t), receiptOf(landed("shop/order/day.csv"))
		b.addReceipt(t, r, test.state)
		b.changeEntry(r.ObjectID, func(e *journal.Entry) { e.Receipt = &first })
		if f := b.handle(receiptEvent(r)); f != nil {
			t.Fatal(f)
		}
		works := b.sqs.works(t, loadURL, work.Load)
		if len(works) != test.sends {
			t.Errorf("%s: %d sent, want %d", test.state, len(works), test.sends)
		}
		for _, w := range works {
			if *w.Receipt != first {
				t.Errorf("%s: loads %v, not the receipt in the journal", test.state, *w.Receipt)
			}
		}
	}
}

// TestReceiptOfObjectWithoutEntryIsLoaded: the journal lost the entry, and the receipt
// proves the arrival.
func TestReceiptOfObjectWithoutEntryIsLoaded(t *testing.T) {
	t.Parallel()
	b, r := newFixture(t), receiptOf(landed("shop/order/day.csv"))
	b.addReceipt(t, r, journal.Transforming)
	delete(b.journal.entries, r.ObjectID)
	if f := b.handle(receiptEvent(r)); f != nil {
		t.Fatal(f)
	}
	if len(b.sqs.sent) != 1 || b.journal.entries[r.ObjectID].State != journal.Transformed {
		t.Errorf("%d sent, journal has %+v", len(b.sqs.sent), b.journal.entries[r.ObjectID])
	}
}

func TestUnreadableReceiptIsAFault(t *testing.T) {
	t.Parallel()
	r := receiptOf(landed("shop/order/day.csv"))
	other := receiptOf(landed("shop/order/other.csv"))
	tests := []struct {
		name   string
		damage func(*testing.T, *fixture)
		d      fault.Disposition
		code   fault.Code
	}{
		{"deleted", func(_ *testing.T, b *fixture) { delete(b.receipts, locationOf(r).Key) }, fault.Permanent, fault.ReceiptMissing},
		{"deleted, object unknown", func(_ *testing.T, b *fixture) {
			delete(b.receipts, locationOf(r).Key)
			delete(b.journal.entries, r.ObjectID)
		}, fault.Permanent, fault.ReceiptMissing},
		{"deleted, journal unavailable", func(_ *testing.T, b *fixture) {
			delete(b.receipts, locationOf(r).Key)
			b.journal.unavailable[r.ObjectID] = true
		}, fault.RetryAfter, fault.JournalAway},
		{"S3 unavailable", func(_ *testing.T, b *fixture) { b.receipts[locationOf(r).Key] = nil }, fault.RetryAfter, fault.StoreAway},
		{"no JSON", func(_ *testing.T, b *fixture) { b.receipts[locationOf(r).Key] = []byte("{") }, fault.Permanent, fault.ReceiptMismatch},
		{"of another object", func(t *testing.T, b *fixture) {
			b.addReceipt(t, other, journal.Transforming)
			b.receipts[locationOf(r).Key] = b.receipts[locationOf(other).Key]
		}, fault.Permanent, fault.ReceiptMismatch},
	}
	for name, forge := range map[string]func(*work.Receipt){
		"rows don't add up":                        func(w *work.Receipt) { w.RowsRead = 9 },
		"of another dataset":                       func(w *work.Receipt) { *w = receiptFor("shop.customer", r.Object, 0) },
		"of another dataset, files in this folder": func(w *work.Receipt) { w.Dataset = "shop.customer" },
		"of another generation":                    func(w *work.Receipt) { w.Generation = 1 },
		"of another attempt":                       func(w *work.Receipt) { w.Attempt = "00-02-b" },
		"a file twice": func(w *work.Receipt) {
			w.Data, w.RowsWritten, w.RowsRead = append(slices.Clone(w.Data), w.Data[0]), 4, 5
		},
		"a file of another folder": func(w *work.Receipt) { w.Data = other.Data },
		"refused with a data file": func(w *work.Receipt) { w.Outcome = work.Refused },
	} {
		tests = append(tests, struct {
			name   string
			damage func(*testing.T, *fixture)
			d      fault.Disposition
			code   fault.Code
		}{name, func(t *testing.T, b *fixture) {
			forged := r
			forge(&forged)
			body, err := json.Marshal(forged)
			if err != nil {
				t.Fatal(err)
			}
			b.receipts[locationOf(r).Key] = body
		}, fault.Permanent, fault.ReceiptMismatch})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.addReceipt(t, r, journal.Transforming)
			test.damage(t, b)
			f := b.handle(receiptEvent(r))
			checkFault(t, f, test.d, test.code)
			if f.ObjectID != string(r.ObjectID) || f.Dataset != r.Dataset {
				t.Errorf("fault names %q of %q", f.ObjectID, f.Dataset)
			}
			if len(b.sqs.sent) != 0 {
				t.Error("work was sent")
			}
		})
	}
	t.Run("deleted, object loaded", func(t *testing.T) {
		t.Parallel()
		b := newFixture(t)
		b.addReceipt(t, r, journal.Loaded)
		delete(b.receipts, locationOf(r).Key)
		if f := b.handle(receiptEvent(r)); f != nil {
			t.Error(f)
		}
	})
}

// TestReceiptOfObjectInAnotherBucketIsAFault: the receipt fits its place, but the object
// isn't in the landing bucket.
func TestReceiptOfObjectInAnotherBucketIsAFault(t *testing.T) {
	t.Parallel()
	foreign := landed("shop/order/day.csv")
	foreign.Bucket = "elsewhere"
	b, r := newFixture(t), receiptOf(foreign)
	b.addReceipt(t, r, journal.Transforming)
	checkFault(t, b.handle(receiptEvent(r)), fault.Permanent, fault.ReceiptMismatch, "s3://elsewhere/shop/order/day.csv", `bucket "landing"`)
	if len(b.sqs.sent) != 0 {
		t.Error("work was sent")
	}
}

// refused returns a receipt of an object with too many rejects.
func refused() work.Receipt {
	r := receiptOf(landed("shop/order/day.csv"))
	r.Outcome, r.Code, r.Cause, r.Hint = work.Refused, "too_many_rejects", "too many rows break the contract", "fix it"
	r.RowsRead, r.RowsWritten, r.RowsRejected = 100, 88, 12
	r.Data, r.Rejects = nil, []work.File{{Key: r.Rejects[0].Key, Rows: 12}}
	r.RejectsByRule = map[string]int64{"dep_delay:integer": 11, "_row:columns": 1}
	for i := range 7 {
		r.FirstRejects = append(r.FirstRejects, work.Reject{Record: int64(i + 1), Line: int64(i+2) % 8, Rule: "dep_delay:integer"})
	}
	return r
}

func TestRefusalIsAPermanentFault(t *testing.T) {
	t.Parallel()
	b, r := newFixture(t), refused()
	b.addReceipt(t, r, journal.Transforming)
	f := b.handle(receiptEvent(r))
	checkFault(t, f, fault.Permanent, fault.TooManyRejects)
	const cause = "too many rows break the contract; 100 records were read, 12 rejected, none is loaded; " +
		"rejects by rule: dep_delay:integer 11, _row:columns 1; first rejects: " +
		"record 1 (line 2) dep_delay:integer, record 2 (line 3) dep_delay:integer, record 3 (line 4) dep_delay:integer, " +
		"record 4 (line 5) dep_delay:integer, record 5 (line 6) dep_delay:integer; "
	place := "the texts of the first 12 rejects are in s3://" + curated + "/" + r.Rejects[0].Key
	if diff := cmp.Diff(cause+place, f.Cause()); diff != "" {
		t.Errorf("cause (-want +got):\n%s", diff)
	}
	if f.Advice() != "fix it" || f.Subject != r.Object.URI() || f.ObjectID != string(r.ObjectID) || f.Dataset != r.Dataset {
		t.Errorf("fault is %+v", f)
	}
	if len(b.sqs.sent) != 0 {
		t.Error("work of a refused object was sent")
	}
}

// TestFaultOfReloadHasItsGeneration: the journal drops a fault of an earlier generation,
// so a fault without the generation of the reload would be lost.
func TestFaultOfReloadHasItsGeneration(t *testing.T) {
	t.Parallel()
	r := receiptFor("shop.order", landed("shop/order/day.csv"), 2)
	refusal := r
	refusal.Outcome, refusal.Code, refusal.Cause, refusal.Data = work.Refused, "bad_header", "no header", nil
	for name, test := range map[string]struct {
		receipt work.Receipt
		message string
		entry   func(*journal.Entry)
	}{
		"refused":        {refusal, receiptEvent(r), func(*journal.Entry) {}},
		"refused before": {refusal, records(r.Object), func(e *journal.Entry) { e.State, e.Queue, e.Message = journal.Failed, "route", records(r.Object) }},
		"without the receipt": {work.Receipt{}, receiptEvent(r), func(e *journal.Entry) {
			*e = journal.Entry{ID: r.ObjectID, Object: r.Object, Dataset: r.Dataset, State: journal.Transforming}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			if test.receipt.Attempt != "" {
				b.addReceipt(t, test.receipt, journal.Transforming)
			}
			b.changeEntry(r.ObjectID, func(e *journal.Entry) { test.entry(e); e.Generation = 2 })
			if f := b.handle(test.message); f == nil || f.Disposition != fault.Permanent || f.ObjectID != string(r.ObjectID) || f.Generation != 2 {
				t.Errorf("fault %+v, want a permanent fault of generation 2", f)
			}
		})
	}
}

func TestLateRefusalIsIgnored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		state   journal.State
		change  func(*journal.Entry)
		dropped bool
	}{
		{"failed by another message", journal.Failed, nil, false},
		{"loaded", journal.Loaded, nil, true},
		{"transformed by another attempt", journal.Transformed, func(e *journal.Entry) {
			e.Receipt = &work.Location{Bucket: curated, Key: "other"}
		}, true},
		{"reloaded", journal.Received, func(e *journal.Entry) { e.Generation = 1 }, true},
		{"redriven later", journal.Received, func(e *journal.Entry) {
			e.Redrives, e.Times = 1, map[journal.State]time.Time{journal.Received: refused().FinishedAt.Add(time.Second)}
		}, true},
		{"redriven earlier", journal.Transforming, func(e *journal.Entry) {
			e.Redrives, e.Times = 1, map[journal.State]time.Time{journal.Received: refused().FinishedAt.Add(-time.Second)}
		}, false},
		{"different clocks, never redriven", journal.Transforming, func(e *journal.Entry) {
			e.Times = map[journal.State]time.Time{journal.Received: refused().FinishedAt.Add(time.Second)}
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, r := newFixture(t), refused()
			b.addReceipt(t, r, test.state)
			if test.change != nil {
				b.changeEntry(r.ObjectID, test.change)
			}
			if f := b.handle(receiptEvent(r)); (f == nil) != test.dropped {
				t.Errorf("dropped is %t: %v", f == nil, f)
			}
		})
	}
}

func TestRefusalOfObjectWithoutEntryIsRecorded(t *testing.T) {
	t.Parallel()
	b, r := newFixture(t), refused()
	b.addReceipt(t, r, journal.Transforming)
	delete(b.journal.entries, r.ObjectID)
	checkFault(t, b.handle(receiptEvent(r)), fault.Permanent, fault.TooManyRejects)
	if b.journal.entries[r.ObjectID].State != journal.Received {
		t.Error("the journal has no received entry")
	}
}

func TestRefusalWithoutACode(t *testing.T) {
	t.Parallel()
	b, r := newFixture(t), refused()
	r.Code, r.Cause, r.FirstRejects, r.RowsRead = "", "", nil, 0
	b.addReceipt(t, r, journal.Transforming)
	checkFault(t, b.handle(receiptEvent(r)), fault.Permanent, fault.Unexpected, "without a cause")
}
