package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// fakeWaits has the entries of waiting objects and the waiting runs.
type fakeWaits struct {
	entries []journal.Entry
	runs    []journal.Run
	err     error
}

func (w *fakeWaits) EachRunWithoutEnd(_ context.Context, do func(journal.Run) bool) error {
	for _, r := range w.runs {
		if !do(r) {
			break
		}
	}
	return w.err
}

func (w *fakeWaits) EachStuck(_ context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error {
	for _, e := range w.entries {
		if e.State == state && e.Progressed.Before(before) && !do(e) {
			return w.err
		}
	}
	return w.err
}

// refuseAll makes SNS refuse each mail.
var refuseAll = map[string]error{"firn": errors.New("no answer")}

// lastOutage has the last outage of Snowflake.
type lastOutage struct{ last breaker.Outage }

func (o *lastOutage) Outage(context.Context, string) (breaker.Outage, error) { return o.last, nil }

// waitFixture is a fixture with a watcher of waits.
type waitFixture struct {
	*fixture
	waits   *fakeWaits
	outages *lastOutage
	watcher *alert.WaitWatcher
}

func newWaitFixture(t *testing.T) *waitFixture {
	t.Helper()
	b := &waitFixture{fixture: newFixture(t), waits: &fakeWaits{}, outages: &lastOutage{}}
	b.watcher = &alert.WaitWatcher{Waits: b.waits, Outages: b.outages, Notices: b.notices, Mailer: b.alerter.Mailer, Now: b.clock.read}
	return b
}

// tick runs one check after a time.
func (b *waitFixture) tick(t *testing.T, after time.Duration) {
	t.Helper()
	b.clock.advance(after)
	if err := b.watcher.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waiting returns an entry that has waited since a time, with a try a minute ago. An
// empty code means no try.
func (b *waitFixture) waiting(key string, code fault.Code, since time.Duration) journal.Entry {
	now := b.clock.read()
	o := landing(key)
	e := journal.Entry{
		ID: o.ID(), Object: o, Dataset: "shop.order", State: journal.Transformed, Progressed: now.Add(-since),
		Times: map[journal.State]time.Time{journal.Transformed: now.Add(-since)},
	}
	if code != "" {
		e.Delay = &journal.Delay{
			Stage: "load", Code: code, Cause: "the cause", Hint: code.Hint(), Tries: 4, Last: now.Add(-time.Minute), Next: now.Add(14 * time.Minute),
		}
	}
	return e
}

// subjectsOf returns the subjects of the mails without the environment.
func (b *fixture) shortSubjects() []string {
	var subjects []string
	for _, m := range b.topic.mails {
		subjects = append(subjects, strings.TrimPrefix(aws.ToString(m.Subject), "firn [test]: "))
	}
	return subjects
}

// TestWaitOfEachCodeIsMailedInItsTime walks over every code with which an object can
// wait. The mail comes in the time of the code and not before, once, and the end has one
// mail. A code without a time has no mail.
func TestWaitOfEachCodeIsMailedInItsTime(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Waiting() {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			b := newWaitFixture(t)
			patience, reported := code.ReportAfter()
			tried := code
			if code == fault.NotTried {
				tried = ""
			}
			early, late := patience-time.Second, patience+time.Second
			if !reported {
				early, late = time.Hour, 30*24*time.Hour
			}
			b.waits.entries = []journal.Entry{b.waiting("a.csv", tried, early)}
			b.tick(t, 0)
			if len(b.topic.mails) > 0 {
				t.Fatalf("after %s: mails %q", early, b.shortSubjects())
			}
			for range 3 {
				b.clock.advance(time.Minute)
				b.waits.entries = []journal.Entry{b.waiting("a.csv", tried, late), b.waiting("b.csv", tried, early)}
				b.tick(t, 0)
			}
			want := []string{"shop.order: 1 object waits: " + string(code)}
			if !reported {
				want = nil
			}
			if got := b.shortSubjects(); !slices.Equal(got, want) {
				t.Fatalf("mails %q, want %q", got, want)
			}
			b.waits.entries = nil
			for range 3 {
				b.tick(t, time.Minute)
			}
			if reported {
				want = append(want, "shop.order: no wait any more after 3 min: "+string(code))
			}
			if got := b.shortSubjects(); !slices.Equal(got, want) {
				t.Errorf("mails %q, want %q", got, want)
			}
		})
	}
}

// TestWaitMailsMatchGoldenFiles compares both mails of a wait.
func TestWaitMailsMatchGoldenFiles(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.waits.entries = []journal.Entry{
		b.waiting("shop/order/2.csv", fault.TableMissing, 10*time.Minute), b.waiting("shop/order/1.csv", fault.TableMissing, 2*time.Hour),
		b.waiting("shop/order/3.csv", fault.TableMissing, 6*time.Minute),
	}
	b.tick(t, 0)
	b.waits.entries = nil
	b.tick(t, 90*time.Minute)
	if len(b.topic.mails) != 2 {
		t.Fatalf("mails %q", b.shortSubjects())
	}
	for i, name := range []string{"wait", "wait_ended"} {
		golden(t, name, "Subject: "+aws.ToString(b.topic.mails[i].Subject)+"\n\n"+aws.ToString(b.topic.mails[i].Message))
		_, machines, _ := strings.Cut(aws.ToString(b.topic.mails[i].Message), alert.Separator)
		if !json.Valid([]byte(machines)) {
			t.Errorf("the part for machines isn't JSON: %s", machines)
		}
	}
}

// TestWaitMailIsSentAfterSNSIsBack: a refused mail about begin or end is sent by a later
// tick.
func TestWaitMailIsSentAfterSNSIsBack(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.waits.entries = []journal.Entry{b.waiting("a.csv", fault.TableMissing, time.Hour)}
	for _, entries := range [][]journal.Entry{b.waits.entries, nil} {
		b.waits.entries = entries
		b.topic.refuse = refuseAll
		if err := b.watcher.Check(t.Context()); !fault.Is(err, fault.TopicAway) {
			t.Errorf("error %v", err)
		}
		b.topic.refuse = nil
		b.tick(t, time.Minute)
		b.tick(t, time.Minute)
	}
	if got := b.shortSubjects(); len(got) != 2 || !strings.Contains(got[0], "waits") || !strings.Contains(got[1], "no wait any more") {
		t.Errorf("mails %q", got)
	}
}

// TestOutageOfSnowflakeHidesWaits: during an outage, and for the time of one try after
// the outage, the mail about the outage reports the waits.
func TestOutageOfSnowflakeHidesWaits(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.outages.last = breaker.Outage{Open: true}
	b.waits.entries = []journal.Entry{b.waiting("a.csv", fault.SnowflakeAway, time.Hour)}
	b.tick(t, 0)
	b.outages.last = breaker.Outage{Ended: b.clock.read()}
	b.tick(t, 19*time.Minute)
	if got := b.shortSubjects(); len(got) > 0 {
		t.Fatalf("mails %q", got)
	}
	b.waits.entries = []journal.Entry{b.waiting("a.csv", fault.SnowflakeAway, time.Hour)}
	b.tick(t, 2*time.Minute)
	if got := b.shortSubjects(); len(got) != 1 {
		t.Errorf("mails %q, want one about the wait after the outage", got)
	}
}

// TestSilentObjectIsNotTried: a try long ago is no cause, and a Glue run gets more time.
func TestSilentObjectIsNotTried(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	silent := b.waiting("a.csv", fault.StoreAway, 5*time.Hour)
	silent.Delay.Last = b.clock.read().Add(-2 * time.Hour)
	running := b.waiting("b.csv", "", 2*time.Hour)
	running.State, running.Run = journal.Transforming, "jr_1"
	running.Times = map[journal.State]time.Time{journal.Transforming: b.clock.read().Add(-2 * time.Hour)}
	b.waits.entries = []journal.Entry{silent, running}
	b.tick(t, 0)
	if got := b.shortSubjects(); !slices.Equal(got, []string{"shop.order: 1 object waits: not_tried"}) {
		t.Fatalf("mails %q", got)
	}
	golden(t, "wait_without_try", "Subject: "+aws.ToString(b.topic.mails[0].Subject)+"\n\n"+aws.ToString(b.topic.mails[0].Message))
}

// waitingRun returns a run whose source has been away since a time.
func (b *waitFixture) waitingRun(id string, since time.Duration) journal.Run {
	now := b.clock.read()
	return journal.Run{
		RunName: journal.RunName{Dataset: "station.event", ID: id}, State: journal.RunWaiting, Progressed: now.Add(-since),
		Delay: &journal.Delay{
			Stage: "ingest", Code: fault.SourceAway, Cause: "503 Service Unavailable", Hint: fault.SourceAway.Hint(), Tries: 7, Last: now.Add(-time.Minute), Next: now.Add(59 * time.Minute),
		},
	}
}

// TestWaitOfRunsHasTwoMails: the wait of ingestion runs is reported once in the time of
// its code, and its end once.
func TestWaitOfRunsHasTwoMails(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	patience, _ := fault.SourceAway.ReportAfter()
	b.waits.runs = []journal.Run{b.waitingRun("20180201T000000Z-20180202T000000Z", patience-time.Second)}
	b.tick(t, 0)
	if got := b.shortSubjects(); len(got) > 0 {
		t.Fatalf("mails %q before the time of the code", got)
	}
	for range 3 {
		b.waits.runs = []journal.Run{
			b.waitingRun("20180201T000000Z-20180202T000000Z", patience), b.waitingRun("20180202T000000Z-20180203T000000Z", 2*patience),
			b.waitingRun("20180203T000000Z-20180204T000000Z", time.Second),
		}
		b.tick(t, time.Minute)
	}
	b.waits.runs = nil
	b.tick(t, time.Minute)
	b.tick(t, time.Minute)
	want := []string{"station.event: 2 runs wait: source_away", "station.event: no wait any more after 3 min: source_away"}
	if got := b.shortSubjects(); !slices.Equal(got, want) {
		t.Fatalf("mails %q, want %q", got, want)
	}
	for i, name := range []string{"wait_of_runs", "wait_of_runs_ended"} {
		golden(t, name, "Subject: "+aws.ToString(b.topic.mails[i].Subject)+"\n\n"+aws.ToString(b.topic.mails[i].Message))
	}
}

// TestUnreadableJournalFailsTick: without the journal no wait ends by mistake.
func TestUnreadableJournalFailsTick(t *testing.T) {
	t.Parallel()
	b := newWaitFixture(t)
	b.waits.entries = []journal.Entry{b.waiting("a.csv", fault.TableMissing, time.Hour)}
	b.tick(t, 0)
	b.waits.entries, b.waits.err = nil, errors.New("no answer")
	if err := b.watcher.Check(t.Context()); err == nil || len(b.topic.mails) != 1 {
		t.Errorf("error %v, mails %q", err, b.shortSubjects())
	}
}
