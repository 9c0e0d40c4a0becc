package breaker_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// store keeps one outage in memory. The journal's tests check the conditions of
// simultaneous callers on a real table.
type store struct {
	now        time.Time
	outage     breaker.Outage
	probe      string
	probeUntil time.Time
	// noReads and noWrites refuse requests.
	noReads, noWrites bool
	writes            int
}

var errStore = errors.New("no answer from the store")

func (s *store) clock() time.Time { return s.now }

func (s *store) write(change bool, do func()) (bool, error) {
	if s.writes++; s.noWrites {
		return false, errStore
	}
	if change {
		do()
	}
	return change, nil
}

func (s *store) Outage(context.Context, string) (breaker.Outage, error) {
	if s.noReads {
		return breaker.Outage{}, errStore
	}
	return s.outage, nil
}

func (s *store) BeginOutage(_ context.Context, was, next breaker.Outage) (bool, error) {
	return s.write(was.ID == s.outage.ID && !s.outage.Open, func() { s.outage = next })
}

func (s *store) ProlongOutage(_ context.Context, probe string, next breaker.Outage) (bool, error) {
	return s.write(s.outage.Open && s.probe == probe, func() {
		next.ID, next.Since, next.Notice = s.outage.ID, s.outage.Since, s.outage.Notice
		s.outage, s.probeUntil = next, time.Time{}
	})
}

func (s *store) EndOutage(_ context.Context, o breaker.Outage) (bool, error) {
	return s.write(s.outage.Open && s.outage.ID == o.ID, func() { s.outage.Open, s.outage.Ended = false, s.now })
}

func (s *store) ClaimProbe(_ context.Context, o breaker.Outage, probe string, until time.Time) (bool, error) {
	return s.write(s.outage.ID == o.ID && !s.probeUntil.After(s.now), func() { s.probe, s.probeUntil = probe, until })
}

func newBreaker() (*breaker.Breaker, *store) {
	s := &store{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return &breaker.Breaker{Store: s, Dependency: breaker.Snowflake, Backoff: 5 * time.Second, Now: s.clock}, s
}

var (
	noAnswer     = fault.Dependency("log in", fault.SnowflakeAway, errors.New("connection refused"))
	refusedLogin = &fault.Fault{
		Op: "log in", Code: fault.SnowflakeRefused, Disposition: fault.RetryAfter, After: 5 * time.Minute,
		Err: errors.New("JWT token is invalid"),
	}
)

func enter(t *testing.T, b *breaker.Breaker) breaker.Permit {
	t.Helper()
	p, err := b.Enter(t.Context())
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return p
}

// TestDelays checks the delay after each of several failures.
func TestDelays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// faults are the failures of successive tries. want are the delays.
		faults []*fault.Fault
		want   []time.Duration
	}{
		{
			"no answer",
			[]*fault.Fault{noAnswer, noAnswer, noAnswer, noAnswer, noAnswer, noAnswer, noAnswer, noAnswer},
			[]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute},
		},
		{"a refused login", []*fault.Fault{refusedLogin, refusedLogin, refusedLogin, refusedLogin}, []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 15 * time.Minute}},
		{"another code starts again", []*fault.Fault{noAnswer, noAnswer, refusedLogin, noAnswer}, []time.Duration{5 * time.Second, 10 * time.Second, 5 * time.Minute, 5 * time.Second}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, s := newBreaker()
			for i, failed := range test.faults {
				b.Failed(t.Context(), enter(t, b), failed)
				_, err := b.Enter(t.Context())
				f := fault.As(err)
				if f == nil || f.Code != failed.Code || f.Disposition != fault.RetryAfter || f.After != test.want[i] {
					t.Fatalf("after failure %d: %v, want a delay of %v", i+1, err, test.want[i])
				}
				s.now = s.now.Add(test.want[i])
			}
			b.Worked(t.Context(), enter(t, b))
			enter(t, b)
			if s.outage.Open {
				t.Error("the breaker is open after a successful try")
			}
		})
	}
}

// TestOneProbe: a second caller waits for the end of the probe, or for a minute.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	b, s := newBreaker()
	b.Failed(t.Context(), enter(t, b), noAnswer)
	s.now = s.now.Add(5 * time.Second)
	enter(t, b)
	if _, err := b.Enter(t.Context()); err == nil || !strings.Contains(err.Error(), "another caller tries now") {
		t.Errorf("a second caller during the probe got %v, want a refusal", err)
	}
	s.now = s.now.Add(time.Minute)
	enter(t, b)
}

// TestOutageContinues: an outage continues until people have the notice of the end.
func TestOutageContinues(t *testing.T) {
	t.Parallel()
	for notice, continues := range map[breaker.Notice]bool{"": false, breaker.NoticeStarted: true, breaker.NoticeEnded: false} {
		b, s := newBreaker()
		b.Failed(t.Context(), enter(t, b), noAnswer)
		first := s.outage
		s.now = s.now.Add(5 * time.Second)
		b.Worked(t.Context(), enter(t, b))
		s.outage.Notice = notice
		b.Failed(t.Context(), enter(t, b), noAnswer)
		if next := s.outage; !next.Open || (next.ID == first.ID) != continues || next.Since.Equal(first.Since) != continues || (next.Notice == notice) != (continues || notice == "") {
			t.Errorf("notice %q: first outage %+v\nnext outage %+v", notice, first, next)
		}
	}
}

// TestClosedBreakerWritesNothing: a successful try makes no write.
func TestClosedBreakerWritesNothing(t *testing.T) {
	t.Parallel()
	b, s := newBreaker()
	b.Worked(t.Context(), enter(t, b))
	if s.writes != 0 {
		t.Errorf("%d writes, want none", s.writes)
	}
}

// TestStoreAway: without the store the breaker lets every caller try, and logs a
// warning.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	for _, noReads := range []bool{true, false} {
		b, s := newBreaker()
		b.Failed(t.Context(), enter(t, b), noAnswer)
		s.now = s.now.Add(5 * time.Second)
		s.noReads, s.noWrites = noReads, true
		var log bytes.Buffer
		ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "load"))
		p, err := b.Enter(ctx)
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		writes := s.writes
		b.Failed(ctx, p, noAnswer)
		b.Worked(ctx, p)
		if s.writes != writes || !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), `"dependency":"snowflake"`) {
			t.Errorf("%d writes without the store, log %s, want no write and a warning", s.writes-writes, log.String())
		}
	}
}
