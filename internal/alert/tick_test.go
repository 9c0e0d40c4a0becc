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

// fakeOutages keeps a single outage. The tests of the journal check that a claim has a
// single owner.
type fakeOutages struct {
	outage  breaker.Outage
	waiting map[string]int
	// unavailable names the failing operation.
	unavailable string
	recorded    []breaker.Notice
	claimed     bool
	// claims counts the calls of ClaimNotice. Each call is a write in the journal.
	claims int
}

var errAway = fault.Dependency("read journal", fault.JournalAway, errors.New("no answer"))

func (f *fakeOutages) Outage(_ context.Context, dependency string) (breaker.Outage, error) {
	if f.unavailable == "outage" {
		return breaker.Outage{}, errAway
	}
	if dependency != f.outage.Dependency {
		return breaker.Outage{Dependency: dependency}, nil
	}
	return f.outage, nil
}

func (f *fakeOutages) Waiting(_ context.Context, dataset string, limit int) ([]journal.Entry, error) {
	if f.unavailable == "waiting" {
		return nil, errAway
	}
	return make([]journal.Entry, min(f.waiting[dataset], limit)), nil
}

func (f *fakeOutages) ClaimNotice(_ context.Context, o breaker.Outage, w breaker.Notice) (bool, error) {
	if f.claims++; f.unavailable == "claim" {
		return false, errAway
	}
	return !f.claimed && o.ID == f.outage.ID && f.outage.Notice != w, nil
}

func (f *fakeOutages) RecordNotice(_ context.Context, _ breaker.Outage, w breaker.Notice) error {
	if f.unavailable == "record" {
		return errAway
	}
	f.outage.Notice = w
	f.recorded = append(f.recorded, w)
	return nil
}

// newWatcher returns a watcher of one outage, with a clock at the given time after the
// outage's start.
func newWatcher(t *testing.T, o breaker.Outage, after time.Duration) (*alert.OutageWatcher, *fakeOutages, *fakeTopic) {
	t.Helper()
	o.Dependency, o.ID = breaker.Snowflake, "o1"
	outages := &fakeOutages{outage: o, waiting: map[string]int{"shop.order": 12, "station.event": 3}}
	topic := &fakeTopic{t: t}
	return &alert.OutageWatcher{
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

// TestOutageMailsMatchGoldenFiles compares the mails of an outage's start and end with
// golden files.
func TestOutageMailsMatchGoldenFiles(t *testing.T) {
	t.Parallel()
	noAnswer := lasting(fault.SnowflakeAway, "dial tcp 192.0.2.1:443: connect: connection refused")
	quota := lasting(fault.WarehouseAway, "090073 (22000): Warehouse 'FIRN_LOAD' cannot be resumed because resource monitor 'FIRN' has exceeded its quota.")
	quota.QueryID = "01b2-0001"
	tests := []struct {
		name    string
		outage  breaker.Outage
		waiting map[string]int
	}{
		{"outage_no_answer", noAnswer, map[string]int{"shop.order": 12, "station.event": 3}},
		{"outage_refused", lasting(fault.SnowflakeRefused, "390144 (08004): JWT token is invalid. [0ce9eb56]\nsecond line"), map[string]int{"station.event": 1}},
		{"outage_no_warehouse", quota, map[string]int{"station.event": 1000, "shop.customer": 2}},
		{"outage_back", ended(noAnswer, 72*time.Minute), map[string]int{"shop.order": 1500}},
		{"outage_back_nothing_waits", ended(noAnswer, 26*time.Hour), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, outages, topic := newWatcher(t, test.outage, 30*time.Hour)
			outages.waiting = test.waiting
			if failed := alert.Tick(w.Check)(t.Context(), oneTick); len(failed) != 0 || len(topic.mails) != 1 {
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

// TestOutageIsNotifiedOnceAfterMinDuration: a short outage causes no mail. A longer
// outage causes a mail at its start and at its end.
func TestOutageIsNotifiedOnceAfterMinDuration(t *testing.T) {
	t.Parallel()
	open := lasting(fault.SnowflakeAway, "no answer")
	withNotice := func(o breaker.Outage, w breaker.Notice) breaker.Outage {
		o.Notice = w
		return o
	}
	tests := []struct {
		name   string
		outage breaker.Outage
		after  time.Duration
		want   []breaker.Notice
	}{
		{"no outage", breaker.Outage{}, time.Hour, nil},
		{"59 seconds old", open, 59 * time.Second, nil},
		{"a minute old", open, time.Minute, []breaker.Notice{breaker.NoticeStarted}},
		{"start was mailed", withNotice(open, breaker.NoticeStarted), time.Hour, nil},
		{"open again after the mail of its end", withNotice(open, breaker.NoticeEnded), time.Hour, []breaker.Notice{breaker.NoticeStarted}},
		{"ended without a mail", withNotice(ended(open, 4*time.Minute), ""), time.Hour, nil},
		{"ended", ended(open, 4*time.Minute), time.Hour, []breaker.Notice{breaker.NoticeEnded}},
		{"end was mailed", withNotice(ended(open, 4*time.Minute), breaker.NoticeEnded), time.Hour, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, outages, topic := newWatcher(t, test.outage, test.after)
			for range 3 {
				if failed := alert.Tick(w.Check)(t.Context(), oneTick); len(failed) != 0 {
					t.Fatal(failed)
				}
			}
			if diff := cmp.Diff(test.want, outages.recorded); diff != "" || len(topic.mails) != len(test.want) || outages.claims != len(test.want) {
				t.Errorf("%d mails, %d claims, notices (-want +got):\n%s", len(topic.mails), outages.claims, diff)
			}
		})
	}
}

// TestTicksInOneBatchCheckOnce sends two ticks in the same batch.
func TestTicksInOneBatchCheckOnce(t *testing.T) {
	t.Parallel()
	w, _, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
	if failed := alert.Tick(w.Check)(t.Context(), []batch.Message{{ID: "a", Body: tickBody}, {ID: "b", Body: tickBody}}); len(failed) != 0 || len(topic.mails) != 1 {
		t.Errorf("failed %v, %d mails", failed, len(topic.mails))
	}
}

// TestOtherMessagesAreNoTicks also requires that other messages cause no check.
func TestOtherMessagesAreNoTicks(t *testing.T) {
	t.Parallel()
	w, outages, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
	outages.unavailable = "outage"
	messages := []batch.Message{{ID: "a", Body: "tick"}, {ID: "b", Body: `{"dataset":"s.e"}`}}
	failed := alert.Tick(w.Check)(t.Context(), messages)
	for _, m := range messages {
		if f := fault.As(failed[m.ID]); f == nil || f.Code != fault.Undecodable || f.Disposition != fault.Permanent {
			t.Errorf("%s: %v", m.Body, f)
		}
	}
	outages.unavailable = ""
	failed = alert.Tick(w.Check)(t.Context(), append(messages, oneTick...))
	if failed["tick"] != nil || len(failed) != 2 || len(topic.mails) != 1 {
		t.Errorf("with a tick: failed %v, %d mails", failed, len(topic.mails))
	}
}

// TestClaimedNoticeSendsNoMail: another watcher has the claim.
func TestClaimedNoticeSendsNoMail(t *testing.T) {
	t.Parallel()
	w, outages, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
	outages.claimed = true
	if failed := alert.Tick(w.Check)(t.Context(), oneTick); len(failed) != 0 || len(topic.mails) != 0 || len(outages.recorded) != 0 {
		t.Errorf("failed %v, %d mails, notices %v", failed, len(topic.mails), outages.recorded)
	}
}

// TestTickDuringDependencyFaultIsRetried: the message returns and doesn't count as an
// attempt. If only the counts of waiting objects fail, the mail is shorter.
func TestTickDuringDependencyFaultIsRetried(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		unavailable string
		code        fault.Code
		mails       int
	}{
		{"outage", fault.JournalAway, 0},
		{"claim", fault.JournalAway, 0},
		{"topic", fault.TopicAway, 0},
		{"waiting", "", 1},
		{"record", fault.JournalAway, 1},
	} {
		t.Run(test.unavailable, func(t *testing.T) {
			t.Parallel()
			w, outages, topic := newWatcher(t, lasting(fault.SnowflakeAway, "no answer"), time.Hour)
			outages.unavailable = test.unavailable
			if test.unavailable == "topic" {
				topic.refuse = map[string]error{"snowflake": &smithy.GenericAPIError{Code: "Throttled"}}
			}
			f := fault.As(alert.Tick(w.Check)(t.Context(), oneTick)["tick"])
			if test.code == "" && f != nil || test.code != "" && (f == nil || f.Code != test.code || f.Disposition != fault.RetryAfter) {
				t.Errorf("got %v, want %q", f, test.code)
			}
			if recorded := len(outages.recorded) > 0; len(topic.mails) != test.mails || recorded != (f == nil) {
				t.Errorf("%d mails, notice recorded: %t", len(topic.mails), recorded)
			}
		})
	}
}
