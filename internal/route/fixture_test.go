package route_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/route"
	"github.com/firn-data/firn/internal/work"
)

type fixture struct {
	router   *route.Router
	journal  *fakeJournal
	receipts fakeReceipts
	lister   *fakeLister
	sqs      *fakeSQS
	// now is the time of the clock.
	now time.Time
}

func newFixture(t *testing.T, entries ...journal.Entry) *fixture {
	t.Helper()
	b := &fixture{journal: newJournal(entries...), receipts: make(fakeReceipts), sqs: &fakeSQS{t: t}, now: noon}
	b.lister = &fakeLister{receipts: b.receipts, written: make(map[string]time.Time)}
	clock := func() time.Time { return b.now }
	b.journal.now = clock
	b.router = &route.Router{
		Contracts: contract.Set{
			{Source: "shop", Entity: "order", KeyPrefix: "shop/order/", LoadEvery: time.Minute},
			{Source: "station", Entity: "event", KeyPrefix: "station/event/", LoadEvery: time.Hour},
		},
		Journal: b.journal, Receipts: b.receipts, Lister: b.lister, Sender: b.sqs, Now: clock,
		LandingBucket: landing, CuratedBucket: curated,
		TransformURL: transformURL, LoadURL: loadURL, RouteURL: routeURL, IngestURL: ingestURL, LoadEvery: -1,
	}
	return b
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// handle routes a body and returns its fault.
func (b *fixture) handle(body string) *fault.Fault {
	return fault.As(b.router.Handle(context.Background(), []batch.Message{{ID: "m", Body: body, Queue: "route"}})["m"])
}

func landed(key string) object.Object {
	return object.Object{Bucket: landing, Key: key, Version: "v1", ETag: "e", Size: 7, Sequencer: object.NormalizeSequencer("1")}
}

func records(objects ...object.Object) string {
	var parts []string
	for _, o := range objects {
		parts = append(parts, fmt.Sprintf(
			`{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": %q},
			"object": {"key": %q, "size": %d, "eTag": "e", "versionId": %q, "sequencer": "1"}}}`,
			o.Bucket, url.QueryEscape(o.Key), o.Size, o.Version))
	}
	return `{"Records": [` + strings.Join(parts, ",") + `]}`
}

func checkFault(t *testing.T, f *fault.Fault, d fault.Disposition, code fault.Code, words ...string) {
	t.Helper()
	if f == nil || f.Disposition != d || f.Code != code {
		t.Fatalf("got %v, want a %s fault of code %s", f, d, code)
	}
	for _, w := range words {
		if !strings.Contains(f.Cause(), w) {
			t.Errorf("cause %q lacks %q", f.Cause(), w)
		}
	}
}

// receiptOf is an accepted receipt of an object of shop.order.
func receiptOf(o object.Object) work.Receipt { return receiptFor("shop.order", o, 0) }

// receiptFor is an accepted receipt of the first attempt at the object's generation.
func receiptFor(dataset string, o object.Object, generation int) work.Receipt {
	return receiptOfAttempt(object.Attempt{Dataset: dataset, Object: o.ID(), Name: object.AttemptName(generation, 1, "a")}, o)
}

// receiptOfAttempt is an accepted receipt of an attempt at the object.
func receiptOfAttempt(attempt object.Attempt, o object.Object) work.Receipt {
	return work.Receipt{
		Object: o, ObjectID: o.ID(), Dataset: attempt.Dataset, Contract: "1.0.0", Generation: attempt.Generation(), Attempt: attempt.Name,
		Engine: "lambda", Outcome: work.Accepted, RowsRead: 3, RowsWritten: 2, RowsRejected: 1,
		Data: []work.File{{Key: attempt.Data(0), Rows: 2}}, Rejects: []work.File{{Key: attempt.Rejects(0), Rows: 1}},
		FinishedAt: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC),
	}
}

func locationOf(r work.Receipt) work.Location {
	return work.Location{Bucket: curated, Key: object.Attempt{Dataset: r.Dataset, Object: r.ObjectID, Name: r.Attempt}.Receipt()}
}

func receiptEvent(r work.Receipt) string {
	return records(object.Object{Bucket: curated, Key: locationOf(r).Key, Version: "c1"})
}

// addReceipt stores the receipt and gives its object a state.
func (b *fixture) addReceipt(t *testing.T, r work.Receipt, state journal.State) {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	b.receipts[locationOf(r).Key] = body
	b.journal.entries[r.ObjectID] = journal.Entry{ID: r.ObjectID, Object: r.Object, Dataset: r.Dataset, State: state}
}

func (b *fixture) changeEntry(id object.ID, changeEntry func(*journal.Entry)) {
	e := b.journal.entries[id]
	changeEntry(&e)
	b.journal.entries[id] = e
}
