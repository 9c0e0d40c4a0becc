package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

const tickBody = `{"tick":"2026-11-24T10:05:00Z"}`

var (
	outageStart = time.Date(2026, 11, 24, 10, 0, 5, 0, time.UTC)
	oneTick     = []batch.Message{{ID: "tick", Body: tickBody}}
)

// fakeOutages keeps one outage; the journal's own tests show that only one may
// tell.
type fakeOutages struct {
	outage  breaker.Outage
	waiting map[string]int
	// away is the operation that fails.
	away string
	told []breaker.Notice
	held bool
	// asked counts who wanted to tell: a write each.
	asked int
}

var errAway = fault.Dependency("read journal", fault.JournalAway, errors.New("no answer"))

func (f *fakeOutages) Outage(_ context.Context, dependency string) (breaker.Outage, error) {
	if f.away == "outage" {
		return breaker.Outage{}, errAway
	}
	if dependency != f.outage.Dependency {
		return breaker.Outage{Dependency: dependency}, nil
	}
	return f.outage, nil
}

func (f *fakeOutages) Waiting(_ context.Context, dataset string, limit int) ([]journal.Entry, error) {
	if f.away == "waiting" {
		return nil, errAway
	}
	return make([]journal.Entry, min(f.waiting[dataset], limit)), nil
}

func (f *fakeOutages) ClaimNotice(_ context.Context, o breaker.Outage, w breaker.Notice) (bool, error) {
	if f.asked++; f.away == "tell" {
		return false, errAway
	}
	return !f.held && o.ID == f.outage.ID && f.outage.Notice != w, nil
}

func (f *fakeOutages) RecordNotice(_ context.Context, _ breaker.Outage, w breaker.Notice) error {
	if f.away == "told" {
		return errAway
	}
	f.outage.Notice = w
	f.told = append(f.told, w)
	return nil
}

// newWatcher returns a watcher of one outage, some minutes after it began.
func newWatcher(t *testing.T, o breaker.Outage, after time.Duration) (*alert.Watcher, *fakeOutages, *fakeTopic) {
	t.Helper()
	o.Dependency, o.ID = breaker.Snowflake, "o1"
	outages := &fakeOutages{outage: o, waiting: map[string]int{"shop.order": 12, "station.event": 3}}
	topic := &fakeTopic{t: t}
	return &alert.Watcher{
		Outages: outages, Mailer: alert.Mailer{Topic: topic, ARN: topicARN}, MinDuration: time.Minute,
		Datasets: []string{"shop.customer", "shop.order", "station.event"},
		Now:      func() time.Time { return outageStart.Add(after) },
	}, outages, topic
}

func lasting(code fault.Code, cause string) breaker.Outage {
	return breaker.Outage{Open: true, Since: outageStart, Until: outageStart.Add(5 * time.Minute), Code: code, Cause: cause}
}

func ended(o breaker.Outage, after time.Duration) breaker.Outage {
	o.Open, o.Until, o.Ended, o.Notice = false, time.Time{}, outageStart.Add(after), breaker.NoticeStarted
	return o
}

// TestOutageMailsMatchGoldenFiles: what is away, since when, what waits, what to type, and that
// nothing is lost.
func TestOutageMailsMatchGoldenFiles(t *testing.T) {
	t.Parallel()
	away := lasting(fault.SnowflakeAway, "dial tcp 192.0.2.1:443: connect: connection refused")
	quota := lasting(fault.WarehouseAway, "090073 (22000): Warehouse 'FIRN_LOAD' cannot be resumed because resource monitor 'FIRN' has exceeded its quota.")
	quota.QueryID = "01b2-0001"
	tests := []struct {
		name    string
		outage  breaker.Outage
		waiting map[string]int
	}{
		{"outage_away", away, map[string]int{"shop.order": 12, "station.event": 3}},
		{"outage_refused", lasting(fault.SnowflakeRefused, "390144 (08004): JWT token is invalid. [0ce9eb56]\nsecond line"), map[string]int{"station.event": 1}},
		{"outage_no_warehouse", quota, map[string]int{"station.event": 1000, "shop.customer": 2}},
		{"outage_back", ended(away, 72*time.Minute), map[string]int{"shop.order": 1500}},
		{"outage_back_nothing_waits", ended(away, 26*time.Hour), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, outages, topic := newWatcher(t, test.outage, 30*time.Hour)
			outages.waiting = test.waiting
			if failed := w.Tick(t.Context(), oneTick); len(failed) != 0 || len(topic.mails) != 1 {
				t.Fatalf("failed %v, %d mails", failed, len(topic.mails))
			}
			body := aws.ToString(topic.mails[0].Message)
			golden(t, test.name, "Subject: "+aws.ToString(topic.mails[0].Subject)+"\n\n"+body)
			text, machines, _ := strings.Cut(body, "\n"+alert.Separator+"\n")
			var m struct{ Schema, State, Command string }
			if err := json.Unmarshal([]byte(machines), &m); err != nil {
				t.Fatal(err)
			}
			if m.Schema != "firn.outage/1" || m.State == "" || !strings.Contains(text, " "+m.Command+"\n") {
				t.Errorf("machine part is %+v", m)
			}
		})
	}
}

// TestOutageIsNotifiedOnceAfterMinDuration: a hiccup never, an outage once, its end once and after
// the outage only.
func TestOutageIsNotifiedOnceAfterMinDuration(t *testing.T) {
	t.Parallel()
	open := lasting(fault.SnowflakeAway, "no answer")
	told := func(o breaker.Outage, w breaker.Notice) breaker.Outage {
		o.Notice = w
		return o
	}
	tests := []struct {
		name   string
		outage breaker.Outage
		after  time.Duration
		want   []breaker.Notice
	}{
		{"never away", breaker.Outage{}, time.Hour, nil},
		{"just began", open, 59 * time.Second, nil},
		{"lasts", open, time.Minute, []breaker.Notice{breaker.NoticeStarted}},
		{"was told", told(open, breaker.NoticeStarted), time.Hour, nil},
		{"lasts again after its end was told", told(open, breaker.NoticeEnded), time.Hour, []breaker.Notice{breaker.NoticeStarted}},
		{"ended untold", told(ended(open, 4*time.Minute), ""), time.Hour, nil},
		{"ended", ended(open, 4*time.Minute), time.Hour, []breaker.Notice{breaker.NoticeEnded}},
		{"its end was told", told(ended(open, 4*time.Minute), breaker.NoticeEnded), time.Hour, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, outages, topic := newWatcher(t, test.outage, test.after)
			for range 3 {
				if failed := w.Tick(t.Context(), oneTick); len(failed) != 0 {
					t.Fatal(failed)
				}
			}
			if diff := cmp.Diff(test.want, outages.told); diff != "" || len(topic.mails) != len(test.want) || outages.asked != len(test.want) {
				t.Errorf("%d mails, asked %d times, told (-want +got):\n%s", len(topic.mails), outages.asked, diff)
			}
		})
	}
}

// TestTicksInOneBatchCheckOnce are one look.
func TestTicksInOneBatchCheckOnce(t *testing.T) {
	t.Parallel()
	w, _, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
	if failed := w.Tick(t.Context(), []batch.Message{{ID: "a", Body: tickBody}, {ID: "b", Body: tickBody}}); len(failed) != 0 || len(topic.mails) != 1 {
		t.Errorf("failed %v, %d mails", failed, len(topic.mails))
	}
}

// TestOtherMessagesAreNoTicks, and make nobody look.
func TestOtherMessagesAreNoTicks(t *testing.T) {
	t.Parallel()
	w, outages, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
	outages.away = "outage"
	messages := []batch.Message{{ID: "a", Body: "tick"}, {ID: "b", Body: `{"dataset":"s.e"}`}}
	failed := w.Tick(t.Context(), messages)
	for _, m := range messages {
		if f := fault.As(failed[m.ID]); f == nil || f.Code != fault.Undecodable || f.Disposition != fault.Permanent {
			t.Errorf("%s: %v", m.Body, f)
		}
	}
	outages.away = ""
	failed = w.Tick(t.Context(), append(messages, oneTick...))
	if failed["tick"] != nil || len(failed) != 2 || len(topic.mails) != 1 {
		t.Errorf("beside a tick: failed %v, %d mails", failed, len(topic.mails))
	}
}

// TestClaimedNoticeSendsNoMail: who may not tell doesn't.
func TestClaimedNoticeSendsNoMail(t *testing.T) {
	t.Parallel()
	w, outages, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
	outages.held = true
	if failed := w.Tick(t.Context(), oneTick); len(failed) != 0 || len(topic.mails) != 0 || len(outages.told) != 0 {
		t.Errorf("failed %v, %d mails, told %v", failed, len(topic.mails), outages.told)
	}
}

// TestTickDuringDependencyFaultIsRetried: the message comes back and never counts; what
// can't be counted makes a shorter mail.
func TestTickDuringDependencyFaultIsRetried(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		away  string
		code  fault.Code
		mails int
	}{
		{"outage", fault.JournalAway, 0},
		{"tell", fault.JournalAway, 0},
		{"topic", fault.TopicAway, 0},
		{"waiting", "", 1},
		{"told", fault.JournalAway, 1},
	} {
		t.Run(test.away, func(t *testing.T) {
			t.Parallel()
			w, outages, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
			outages.away = test.away
			if test.away == "topic" {
				topic.refuse = map[string]error{"snowflake": &smithy.GenericAPIError{Code: "Throttled"}}
			}
			f := fault.As(w.Tick(t.Context(), oneTick)["tick"])
			if test.code == "" && f != nil || test.code != "" && (f == nil || f.Code != test.code || f.Disposition != fault.RetryAfter) {
				t.Errorf("got %v, want %q", f, test.code)
			}
			if told := len(outages.told) > 0; len(topic.mails) != test.mails || told != (f == nil) {
				t.Errorf("%d mails, noted as told: %t", len(topic.mails), told)
			}
		})
	}
}
