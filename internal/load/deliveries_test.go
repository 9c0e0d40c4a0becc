package load_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/work"
)

// newSnapshot returns a fixture on the fake with a contract of mode snapshot. The share
// is firn.holdBelow.
func newSnapshot(t testing.TB, key string, share float64) (*loadtest.Fixture, *loadtest.Fake) {
	t.Helper()
	fake := loadtest.NewFake()
	fixture := loadtest.NewFixture(t, fake)
	setSnapshot(fixture, key, share)
	return fixture, fake
}

func setSnapshot(fixture *loadtest.Fixture, key string, share float64) {
	fixture.Contract = loadtest.ModeContract(fixture.Dataset)
	fixture.Contract.Mode, fixture.Contract.HoldBelow = contract.Snapshot, share
	fixture.Contract.Delivery = &contract.Delivery{Key: key}
	fixture.Loader = fixture.NewLoaderOn(fixture.Warehouse)
}

// accept accepts a delivery in a new session.
func accept(t testing.TB, fixture *loadtest.Fixture, delivery string) (load.Accepted, error) {
	t.Helper()
	session, err := fixture.Warehouse.Open(t.Context(), fixture.Dataset, "accept")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	accepted, err := load.Accept(t.Context(), session, fixture.Contract, delivery, "ada@desk")
	if err == nil {
		err = fixture.Journal.SetDeliveries(t.Context(), fixture.Dataset, accepted.Seq, journal.Deliveries{Current: accepted.Deliveries.Current, Held: accepted.Deliveries.Held})
	}
	return accepted, err
}

// stateOf returns the recorded deliveries: the current one, then the held ones with
// their numbers of rows, each with the delivery before it.
func stateOf(fixture *loadtest.Fixture) string {
	d := fixture.Journal.Deliveries(fixture.Dataset)
	words := []string{d.Current}
	for _, h := range d.Held {
		words = append(words, fmt.Sprintf("%s:%d<%s:%d", h.Name, h.Rows, h.Before, h.RowsBefore))
	}
	return strings.Join(words, " ")
}

func noticesOf(fixture *loadtest.Fixture) string {
	var names []string
	for _, h := range fixture.Notices.Sent() {
		names = append(names, fmt.Sprintf("%s:%d", h.Name, h.Rows))
	}
	return strings.Join(names, " ")
}

// TestSmallDeliveryIsHeld loads deliveries step by step. After each step it compares the
// state of the deliveries and all notices so far.
func TestSmallDeliveryIsHeld(t *testing.T) {
	t.Parallel()
	const parts = "{delivery}/{part}-of-{parts}.csv"
	type step struct {
		name   string
		load   loadtest.Delivery
		accept string
		want   string
		// sent are all notices so far.
		sent string
	}
	for name, test := range map[string]struct {
		key   string
		share float64
		steps []step
	}{
		"one file": {"{delivery}.csv", 0.5, []step{
			{"the first delivery is accepted", loadtest.Delivery{Key: "2026-01.csv", Rows: 100}, "", "2026-01", ""},
			{"half of the rows is enough", loadtest.Delivery{Key: "2026-02.csv", Rows: 50}, "", "2026-02", ""},
			{"fewer rows are held", loadtest.Delivery{Key: "2026-03.csv", Rows: 24}, "", "2026-02 2026-03:24<2026-02:50", "2026-03:24"},
			{"a delivery without a row is held", loadtest.Delivery{Key: "2026-04.csv"}, "", "2026-02 2026-03:24<2026-02:50 2026-04:0<2026-02:50", "2026-03:24 2026-04:0"},
			{
				"a held delivery isn't the measure of the next",
				loadtest.Delivery{Key: "2026-05.csv", Rows: 13},
				"",
				"2026-02 2026-03:24<2026-02:50 2026-04:0<2026-02:50 2026-05:13<2026-02:50", "2026-03:24 2026-04:0 2026-05:13",
			},
			{
				"the complete file replaces the held one",
				loadtest.Delivery{Key: "2026-05.csv", Version: "v2", Sequencer: "2", Rows: 60},
				"",
				"2026-05 2026-03:24<2026-02:50 2026-04:0<2026-02:50", "2026-03:24 2026-04:0 2026-05:13",
			},
			{
				"an older delivery comes late",
				loadtest.Delivery{Key: "2025-12.csv", Rows: 90},
				"",
				"2026-05 2026-03:24<2026-02:50 2026-04:0<2026-02:50", "2026-03:24 2026-04:0 2026-05:13",
			},
		}},
		"a late delivery holds a newer one": {"{delivery}.csv", 0.5, []step{
			{"alone it is the first", loadtest.Delivery{Key: "2.csv", Rows: 10}, "", "2", ""},
			{"a larger delivery before it", loadtest.Delivery{Key: "1.csv", Rows: 100}, "", "1 2:10<1:100", "2:10"},
		}},
		"turned off": {"{delivery}.csv", 0, []step{
			{"the first", loadtest.Delivery{Key: "1.csv", Rows: 100}, "", "1", ""},
			{"nothing is held", loadtest.Delivery{Key: "2.csv"}, "", "2", ""},
		}},
		"accept": {"{delivery}.csv", 0.5, []step{
			{"the first", loadtest.Delivery{Key: "1.csv", Rows: 100}, "", "1", ""},
			{"held", loadtest.Delivery{Key: "2.csv", Rows: 10}, "", "1 2:10<1:100", "2:10"},
			{"held by the same measure", loadtest.Delivery{Key: "3.csv", Rows: 6}, "", "1 2:10<1:100 3:6<1:100", "2:10 3:6"},
			{"an accepted delivery is the measure of later ones", loadtest.Delivery{}, "2", "3", "2:10 3:6"},
			{"a reload keeps the acceptance", loadtest.Delivery{Key: "2.csv", Rows: 10, Generation: 1}, "", "3", "2:10 3:6"},
			{
				"a new version needs a new acceptance",
				loadtest.Delivery{Key: "2.csv", Version: "v2", Sequencer: "2", Rows: 11},
				"",
				"1 2:11<1:100 3:6<1:100", "2:10 3:6 2:11 3:6",
			},
			{"accepted again", loadtest.Delivery{}, "2", "3", "2:10 3:6 2:11 3:6"},
		}},
		"a reload of a held delivery": {"{delivery}.csv", 0.5, []step{
			{"the first", loadtest.Delivery{Key: "1.csv", Rows: 100}, "", "1", ""},
			{"held", loadtest.Delivery{Key: "2.csv", Rows: 10}, "", "1 2:10<1:100", "2:10"},
			{"no second notice", loadtest.Delivery{Key: "2.csv", Rows: 9, Generation: 1}, "", "1 2:9<1:100", "2:10"},
			{"with enough rows it is released", loadtest.Delivery{Key: "2.csv", Rows: 90, Generation: 2}, "", "2", "2:10"},
		}},
		"parts": {parts, 0.5, []step{
			{"the first", loadtest.Delivery{Key: "1/1-of-1.csv", Rows: 100}, "", "1", ""},
			{"an incomplete delivery isn't held", loadtest.Delivery{Key: "2/1-of-2.csv", Rows: 5}, "", "1", ""},
			{"the last part completes it", loadtest.Delivery{Key: "2/2-of-2.csv", Rows: 5}, "", "1 2:10<1:100", "2:10"},
			{"a third file makes it incomplete", loadtest.Delivery{Key: "2/02-of-2.csv", Rows: 5}, "", "1", "2:10"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture, _ := newSnapshot(t, test.key, test.share)
			for _, s := range test.steps {
				if s.accept == "" {
					s.load.Sequencer = cmp.Or(s.load.Sequencer, "1")
					fixture.MustHandle(t, fixture.Deliver(t, s.load))
				} else if _, err := accept(t, fixture, s.accept); err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
				if got := stateOf(fixture); got != s.want {
					t.Errorf("%s: state %q, want %q", s.name, got, s.want)
				}
				if got := noticesOf(fixture); got != s.sent {
					t.Errorf("%s: notices %q, want %q", s.name, got, s.sent)
				}
			}
		})
	}
}

// TestWithdrawalReleasesHeldDelivery: without the measure of a held delivery, firn
// decides again in the transaction of the withdrawal.
func TestWithdrawalReleasesHeldDelivery(t *testing.T) {
	t.Parallel()
	fixture, _ := newSnapshot(t, "{delivery}.csv", 0.5)
	wrong := fixture.Deliver(t, loadtest.Delivery{Key: "1.csv", Sequencer: "1", Rows: 100})
	fixture.MustHandle(t, wrong)
	fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Key: "2.csv", Sequencer: "1", Rows: 10}))
	if got := stateOf(fixture); got != "1 2:10<1:100" {
		t.Errorf("before the withdrawal: %q", got)
	}
	fixture.MustHandle(t, fixture.Withdrawal(wrong))
	if got := stateOf(fixture); got != "2" {
		t.Errorf("after the withdrawal: %q, want delivery 2", got)
	}
}

// TestDeliveriesFoldInAnyOrder loads the same deliveries in any order and in groups of
// any size. The result depends on the deliveries only.
func TestDeliveriesFoldInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		fixture, fake := newSnapshot(t, "{delivery}.csv", 0.5)
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 8), 1, 7).Draw(r, "rows")
		names := make([]string, len(sizes))
		for i := range sizes {
			names[i] = fmt.Sprintf("%d", i+1)
		}
		pending := rapid.Permutation(names).Draw(r, "order")
		for len(pending) > 0 {
			n := rapid.IntRange(1, len(pending)).Draw(r, "group")
			var group []loadtest.Delivered
			for _, name := range pending[:n] {
				i := slices.Index(names, name)
				group = append(group, fixture.Deliver(t, loadtest.Delivery{Key: name + ".csv", Rows: sizes[i]}))
			}
			fixture.MustHandle(t, group...)
			pending = pending[n:]
		}
		current, held, before := "", []string{}, int64(-1)
		for i, name := range names {
			if before < 0 || 2*sizes[i] >= before {
				current, before = name, sizes[i]
			} else {
				held = append(held, name)
			}
		}
		state, inLedger := fixture.Journal.Deliveries(fixture.Dataset), []string{}
		for _, row := range fake.Contents(t, fixture.Dataset).Ledger {
			if row.Held {
				inLedger = append(inLedger, fixture.Contract.DeliveryOf(row.Object.Key))
			}
		}
		slices.Sort(inLedger)
		if d := diff.Diff(held, inLedger); d != "" || state.Current != current || len(state.Held) != len(held) {
			r.Fatalf("rows %v: current %q, want %q; %d held in the journal; held in the ledger (-want +got):\n%s", sizes, state.Current, current, len(state.Held), d)
		}
	})
}

// TestAnnouncementNamesDeliveries: a load of an older delivery is reported, because no
// row of it is in the view.
func TestAnnouncementNamesDeliveries(t *testing.T) {
	t.Parallel()
	fixture, _ := newSnapshot(t, "{delivery}.csv", 0.5)
	for _, d := range []loadtest.Delivery{{Key: "2.csv", Rows: 10}, {Key: "1.csv", Rows: 10}, {Key: "3.csv", Rows: 1}} {
		fixture.MustHandle(t, fixture.Deliver(t, d))
	}
	type news struct{ Current, Held, Older string }
	var got []news
	for _, a := range fixture.Publisher.Published() {
		got = append(got, news{a.CurrentDelivery, strings.Join(a.HeldDeliveries, " "), strings.Join(a.OlderDeliveries, " ")})
	}
	if d := diff.Diff([]news{{"2", "", ""}, {"2", "", "1"}, {"2", "3", ""}}, got); d != "" {
		t.Errorf("announcements (-want +got):\n%s", d)
	}
}

// TestHeldDeliveryIsReportedAtLeastOnce: without a notice, or without the record in the
// journal, the message comes back. The next loader reports the delivery.
func TestHeldDeliveryIsReportedAtLeastOnce(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*loadtest.Fixture, bool){
		"notice":  func(f *loadtest.Fixture, on bool) { f.Notices.Unavailable = on },
		"journal": func(f *loadtest.Fixture, on bool) { f.Journal.Unavailable = on },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture, _ := newSnapshot(t, "{delivery}.csv", 0.5)
			fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Key: "1.csv", Rows: 10}))
			small := fixture.Deliver(t, loadtest.Delivery{Key: "2.csv", Rows: 1})
			fail(fixture, true)
			if f := fault.As(fixture.Handle(t, small)[0]); f == nil || f.Disposition != fault.RetryAfter {
				t.Fatalf("got %v, want a retry", f)
			}
			fixture.CheckState(t, small.ID, journal.Transformed)
			fail(fixture, false)
			sent := len(fixture.Notices.Sent())
			fixture.MustHandle(t, small)
			fixture.CheckState(t, small.ID, journal.Loaded)
			if got := fixture.Notices.Sent()[sent:]; len(got) != 1 || got[0].Name != "2" || stateOf(fixture) != "1 2:1<1:10" {
				t.Errorf("notices %+v, state %q", got, stateOf(fixture))
			}
		})
	}
}

func TestAcceptRefuses(t *testing.T) {
	t.Parallel()
	fixture, _ := newSnapshot(t, "{delivery}/{part}-of-{parts}.csv", 0.5)
	fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Key: "1/1-of-1.csv", Rows: 10}), fixture.Deliver(t, loadtest.Delivery{Key: "2/1-of-2.csv", Rows: 1}))
	for delivery, want := range map[string]string{
		"2": "delivery 2 of " + fixture.Dataset + " isn't complete: only 1 files are loaded",
		"9": fixture.Dataset + " has no delivery 9",
	} {
		if _, err := accept(t, fixture, delivery); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("accept %s: %v, want %q", delivery, err, want)
		}
	}
	release := fixture.HoldLock(t)
	fixture.Warehouse.(*loadtest.Fake).LockTimeout = 1
	if _, err := accept(t, fixture, "1"); !fault.Is(err, fault.LockBusy) {
		t.Errorf("accept during a load: %v, want lock_busy", err)
	}
	release()
	if accepted, err := accept(t, fixture, "1"); err != nil || accepted.WasHeld || accepted.Delivery.Rows != 10 {
		t.Errorf("accept of a delivery that isn't held: %+v, %v", accepted, err)
	}
	for _, row := range fixture.Warehouse.Contents(t, fixture.Dataset).Ledger {
		if accepted := row.AcceptedBy == "ada@desk" && !row.AcceptedAt.IsZero(); accepted != strings.Contains(row.Object.Key, "/1/") {
			t.Errorf("ledger row of %s: accepted by %q at %s", row.Object.Key, row.AcceptedBy, row.AcceptedAt)
		}
	}
}

// queue is a dead-letter queue that keeps the last message.
type queue struct {
	last *sqs.SendMessageInput
	err  error
}

func (q *queue) SendMessage(_ context.Context, input *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.last = input
	return &sqs.SendMessageOutput{}, q.err
}

func TestNoticeIsDeadLetter(t *testing.T) {
	t.Parallel()
	q := &queue{}
	held := work.HeldDelivery{Dataset: "shop.customer", Name: "2026-02-28", Rows: 99, Before: "2026-01-31", RowsBefore: 3322}
	if err := (load.DeadLetters{Client: q, URL: "https://queue"}).Held(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	attributes := make(map[string]string)
	for name, value := range q.last.MessageAttributes {
		attributes[name] = aws.ToString(value.StringValue)
	}
	letter, sent := work.DecodeDeadLetter(attributes)
	want := work.DeadLetter{
		Stage: "load", Code: fault.DeliveryHeld, Dataset: "shop.customer", Hint: fault.DeliveryHeld.Hint(),
		Cause: "delivery 2026-02-28 has 99 rows, and the accepted delivery 2026-01-31 before it has 3322 rows",
	}
	if d := diff.Diff(want, letter); d != "" || !sent || aws.ToString(q.last.QueueUrl) != "https://queue" {
		t.Errorf("queue %s, dead letter (-want +got):\n%s", aws.ToString(q.last.QueueUrl), d)
	}
	if got, ok := work.DecodeHeldDelivery(aws.ToString(q.last.MessageBody)); !ok || got != held {
		t.Errorf("body %s", aws.ToString(q.last.MessageBody))
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(aws.ToString(q.last.MessageBody)), &body); err != nil || body["delivery"] != "2026-02-28" {
		t.Errorf("body %v, %v", body, err)
	}
	q.err = errors.New("no answer")
	if err := (load.DeadLetters{Client: q}).Held(t.Context(), held); !fault.Is(err, fault.QueueAway) {
		t.Errorf("a queue without an answer: %v, want queue_away", err)
	}
}
