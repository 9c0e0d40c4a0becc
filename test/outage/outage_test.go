//go:build standin

package outage_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

var (
	noAnswer     = fault.Dependency("log in to Snowflake", fault.SnowflakeAway, errors.New("connection refused"))
	refusedLogin = &fault.Fault{
		Op: "log in to Snowflake", Code: fault.SnowflakeRefused, Disposition: fault.RetryAfter, After: 5 * time.Minute,
		Err: errors.New("390144 (08004): JWT token is invalid"),
	}
)

// backoffsDuringOutage is how often each message is put off before Snowflake is back.
const backoffsDuringOutage = 30

// TestLongOutageLosesNothingAndSendsTwoMails: Snowflake is away for the length of thirty backoffs. No dead
// letter, one mail when it goes, one when it is back, every object loaded once.
func TestLongOutageLosesNothingAndSendsTwoMails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		fault    *fault.Fault
		subjects []string
	}{
		{"no answer", noAnswer, []string{
			"firn: snowflake: snowflake_away (3 objects waiting)", "firn: snowflake: back after 5 h 51 min (0 objects waiting)",
		}},
		{"login refused", refusedLogin, []string{
			"firn: snowflake: snowflake_login_refused (2 objects waiting)", "firn: snowflake: back after 6 h 25 min (0 objects waiting)",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newSimulation(t)
			began := w.clock.read()
			w.warehouse.setError(test.fault)
			delivered := []loadtest.Delivered{w.deliver(t, "a.csv"), w.deliver(t, "b.csv")}
			for range 20 * backoffsDuringOutage {
				if w.queue.receives() == backoffsDuringOutage {
					break
				}
				if len(delivered) == 2 && w.queue.receives() > 2 { // one comes in the middle
					delivered = append(delivered, w.deliver(t, "c.csv"))
				}
				w.step(t)
			}
			lasted := w.clock.read().Sub(began)
			if w.queue.receives() != backoffsDuringOutage || w.warehouse.count() > backoffsDuringOutage {
				t.Errorf("%d receives, %d logins; want %d, and no more than one a backoff", w.queue.receives(), w.warehouse.count(), backoffsDuringOutage)
			}
			if lasted < 5*time.Hour || len(w.queue.dead) != 0 || len(w.mails.subjects) != 1 {
				t.Errorf("after %v: dead letters %v, mails %q; want none, and one", lasted, w.queue.dead, w.mails.subjects)
			}
			w.warehouse.setError(nil)
			for range 100 {
				if len(w.mails.subjects) == 2 && w.queue.receives() == 0 {
					break
				}
				w.step(t)
			}
			w.tickAlert(t)
			if diff := cmp.Diff(test.subjects, w.mails.subjects); diff != "" || len(w.queue.dead) != 0 || w.queue.receives() != 0 {
				t.Errorf("dead letters %v, receives %d, mails (-want +got):\n%s", w.queue.dead, w.queue.receives(), diff)
			}
			w.wantLoaded(t, delivered...)
		})
	}
}

// wantLoaded holds rows, ledger and journal.
func (w *simulation) wantLoaded(t *testing.T, delivered ...loadtest.Delivered) {
	t.Helper()
	want := make(map[object.ID]int64)
	for _, d := range delivered {
		want[d.ID] = 3
		if entry, err := w.table.Get(t.Context(), d.ID); err != nil || entry.State != journal.Loaded {
			t.Errorf("the journal has %s as %s, %v", d.Object.Key, entry.State, err)
		}
	}
	w.CheckRows(t, want)
}

// TestShortOutageSendsNoMail is told to nobody.
func TestShortOutageSendsNoMail(t *testing.T) {
	t.Parallel()
	w := newSimulation(t)
	w.warehouse.setError(noAnswer)
	d := w.deliver(t, "a.csv")
	w.step(t)
	w.step(t)
	w.warehouse.setError(nil)
	for range 5 {
		w.step(t)
	}
	if len(w.mails.subjects) != 0 || len(w.queue.dead) != 0 {
		t.Errorf("mails %q, dead letters %v", w.mails.subjects, w.queue.dead)
	}
	w.wantLoaded(t, d)
}

// TestOutageThatReturnsBetweenTicksIsOne: what comes back and goes again between two ticks is one
// outage.
func TestOutageThatReturnsBetweenTicksIsOne(t *testing.T) {
	t.Parallel()
	w := newSimulation(t)
	delivered := []loadtest.Delivered{w.deliver(t, "a.csv")}
	w.warehouse.setError(noAnswer)
	for range 100 {
		if len(w.mails.subjects) > 0 {
			break
		}
		w.step(t)
	}
	for _, key := range []string{"b.csv", "c.csv"} {
		w.warehouse.setError(nil)
		w.settle(t)
		w.warehouse.setError(noAnswer)
		delivered = append(delivered, w.deliver(t, key))
		w.handle(t)
		w.tickAlert(t)
	}
	w.warehouse.setError(nil)
	w.settle(t)
	w.tickAlert(t)
	w.tickAlert(t)
	want := []string{"firn: snowflake: snowflake_away (1 object waiting)", "firn: snowflake: back after"}
	if got := w.mails.subjects; len(got) != 2 || got[0] != want[0] || !strings.HasPrefix(got[1], want[1]) {
		t.Errorf("mails %q, want two like %q", got, want)
	}
	w.wantLoaded(t, delivered...)
}

// settle handles messages until there are none, without a tick.
func (w *simulation) settle(t *testing.T) {
	t.Helper()
	for range 20 {
		at, some := w.queue.next()
		if !some {
			return
		}
		if at.After(w.clock.read()) {
			w.clock.set(at)
		}
		w.handle(t)
	}
	t.Fatal("messages come back for ever")
}

// TestTenLoadersSendOneLoginAfterRefusal: one refused login is one, however many loaders
// there are, and five minutes later it is two: nobody locks the user.
func TestTenLoadersSendOneLoginAfterRefusal(t *testing.T) {
	t.Parallel()
	w := newSimulation(t)
	w.warehouse.setError(refusedLogin)
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		w.deliver(t, key)
	}
	event := w.queue.receive()
	one := event
	one.Records = event.Records[:1]
	response, err := w.consumer.Consume(t.Context(), one)
	if err != nil || len(response.BatchItemFailures) != 1 || w.warehouse.count() != 1 {
		t.Fatalf("response %v, %v, %d logins", response, err, w.warehouse.count())
	}
	allAtOnce := func() {
		var all sync.WaitGroup
		for i := range event.Records {
			all.Go(func() {
				mine := event
				mine.Records = event.Records[i : i+1]
				if _, err := w.newConsumer().Consume(t.Context(), mine); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	for i, pass := range []time.Duration{0, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		w.clock.set(w.clock.read().Add(pass))
		allAtOnce()
		if want := []int{1, 2, 2, 3}[i]; w.warehouse.count() != want {
			t.Errorf("%d logins after ten loaders came for the %d. time, want %d", w.warehouse.count(), i+1, want)
		}
	}
}
