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

// backoffsDuringOutage is the number of backoffs of each message during the outage.
const backoffsDuringOutage = 30

// TestLongOutageLosesNothingAndSendsTwoMails: Snowflake is away for thirty backoffs. No
// message becomes a dead letter. One mail reports the start and one mail reports the
// end. Every object is loaded once.
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
			s := newSimulation(t)
			began := s.clock.read()
			s.warehouse.setError(test.fault)
			delivered := []loadtest.Delivered{s.deliver(t, "a.csv"), s.deliver(t, "b.csv")}
			for range 20 * backoffsDuringOutage {
				if s.queue.receives() == backoffsDuringOutage {
					break
				}
				if len(delivered) == 2 && s.queue.receives() > 2 { // one object arrives during the outage
					delivered = append(delivered, s.deliver(t, "c.csv"))
				}
				s.step(t)
			}
			lasted := s.clock.read().Sub(began)
			if s.queue.receives() != backoffsDuringOutage || s.warehouse.count() > backoffsDuringOutage {
				t.Errorf("%d receives, %d logins; want %d receives, and at most one login for each", s.queue.receives(), s.warehouse.count(), backoffsDuringOutage)
			}
			if lasted < 5*time.Hour || len(s.queue.dead) != 0 || len(s.mails.subjects) != 1 {
				t.Errorf("after %v: dead letters %v, mails %q; want no dead letter and one mail", lasted, s.queue.dead, s.mails.subjects)
			}
			s.warehouse.setError(nil)
			for range 100 {
				if len(s.mails.subjects) == 2 && s.queue.receives() == 0 {
					break
				}
				s.step(t)
			}
			s.tickAlert(t)
			if diff := cmp.Diff(test.subjects, s.mails.subjects); diff != "" || len(s.queue.dead) != 0 || s.queue.receives() != 0 {
				t.Errorf("dead letters %v, receives %d, mails (-want +got):\n%s", s.queue.dead, s.queue.receives(), diff)
			}
			s.wantLoaded(t, delivered...)
		})
	}
}

// wantLoaded checks rows, ledger and journal.
func (s *simulation) wantLoaded(t *testing.T, delivered ...loadtest.Delivered) {
	t.Helper()
	want := make(map[object.ID]int64)
	for _, d := range delivered {
		want[d.ID] = 3
		if entry, err := s.table.Get(t.Context(), d.ID); err != nil || entry.State != journal.Loaded {
			t.Errorf("journal state of %s: %s, %v", d.Object.Key, entry.State, err)
		}
	}
	s.CheckRows(t, want)
}

// TestShortOutageSendsNoMail: an outage shorter than MinDuration sends no mail.
func TestShortOutageSendsNoMail(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	s.warehouse.setError(noAnswer)
	d := s.deliver(t, "a.csv")
	s.step(t)
	s.step(t)
	s.warehouse.setError(nil)
	for range 5 {
		s.step(t)
	}
	if len(s.mails.subjects) != 0 || len(s.queue.dead) != 0 {
		t.Errorf("mails %q, dead letters %v", s.mails.subjects, s.queue.dead)
	}
	s.wantLoaded(t, d)
}

// TestOutageThatReturnsBetweenTicksIsOne: the dependency comes back and goes away
// between two ticks, so the alert function reports one outage.
func TestOutageThatReturnsBetweenTicksIsOne(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	delivered := []loadtest.Delivered{s.deliver(t, "a.csv")}
	s.warehouse.setError(noAnswer)
	for range 100 {
		if len(s.mails.subjects) > 0 {
			break
		}
		s.step(t)
	}
	for _, key := range []string{"b.csv", "c.csv"} {
		s.warehouse.setError(nil)
		s.settle(t)
		s.warehouse.setError(noAnswer)
		delivered = append(delivered, s.deliver(t, key))
		s.handle(t)
		s.tickAlert(t)
	}
	s.warehouse.setError(nil)
	s.settle(t)
	s.tickAlert(t)
	s.tickAlert(t)
	want := []string{"firn: snowflake: snowflake_away (1 object waiting)", "firn: snowflake: back after"}
	if got := s.mails.subjects; len(got) != 2 || got[0] != want[0] || !strings.HasPrefix(got[1], want[1]) {
		t.Errorf("mails %q, want two mails that start with %q", got, want)
	}
	s.wantLoaded(t, delivered...)
}

// settle handles messages until the queue is empty, without a tick.
func (s *simulation) settle(t *testing.T) {
	t.Helper()
	for range 20 {
		at, found := s.queue.next()
		if !found {
			return
		}
		if at.After(s.clock.read()) {
			s.clock.set(at)
		}
		s.handle(t)
	}
	t.Fatal("messages still come back after 20 deliveries")
}

// TestTenLoadersSendOneLoginAfterRefusal: after a refused login, any number of loaders
// makes one login in five minutes. So Snowflake doesn't lock the user.
func TestTenLoadersSendOneLoginAfterRefusal(t *testing.T) {
	t.Parallel()
	s := newSimulation(t)
	s.warehouse.setError(refusedLogin)
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"} {
		s.deliver(t, key)
	}
	event := s.queue.receive()
	one := event
	one.Records = event.Records[:1]
	response, err := s.consumer.Consume(t.Context(), one)
	if err != nil || len(response.BatchItemFailures) != 1 || s.warehouse.count() != 1 {
		t.Fatalf("response %v, %v, %d logins", response, err, s.warehouse.count())
	}
	allAtOnce := func() {
		var all sync.WaitGroup
		for i := range event.Records {
			all.Go(func() {
				single := event
				single.Records = event.Records[i : i+1]
				if _, err := s.newConsumer().Consume(t.Context(), single); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	for i, delay := range []time.Duration{0, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		s.clock.set(s.clock.read().Add(delay))
		allAtOnce()
		if want := []int{1, 2, 2, 3}[i]; s.warehouse.count() != want {
			t.Errorf("%d logins after round %d of the ten loaders, want %d", s.warehouse.count(), i+1, want)
		}
	}
}
