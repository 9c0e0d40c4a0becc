//go:build standin

package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

var (
	noAnswer     = fault.Dependency("log in", fault.SnowflakeAway, errors.New("connection refused"))
	refusedLogin = &fault.Fault{
		Op: "log in", Code: fault.SnowflakeRefused, Disposition: fault.RetryAfter, After: 5 * time.Minute,
		Err: errors.New("JWT token is invalid"),
	}
)

// breaker returns a breaker for a dependency of this fixture alone.
func (b *fixture) breaker() *breaker.Breaker {
	return &breaker.Breaker{Store: b.Table, Dependency: b.dataset, Backoff: 5 * time.Second, Now: b.clock}
}

// enter returns a permit, and ends the test if the breaker refuses.
func enter(t testing.TB, b *breaker.Breaker) breaker.Permit {
	t.Helper()
	permit, err := b.Enter(t.Context())
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return permit
}

// refused checks that the breaker refuses with the code, and returns the delay before
// the next try.
func refused(t testing.TB, b *breaker.Breaker, code fault.Code) time.Duration {
	t.Helper()
	_, err := b.Enter(t.Context())
	f := fault.As(err)
	if f == nil || f.Code != code || f.Disposition != fault.RetryAfter {
		t.Fatalf("Enter = %v, want a refusal with code %s and a later retry", err, code)
	}
	return f.After
}

func (b *fixture) outage(t testing.TB) breaker.Outage {
	t.Helper()
	o, err := b.Outage(t.Context(), b.dataset)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestBreakerDelays checks the delay after each failure: short for a dependency without
// an answer, long for a refused login.
func TestBreakerDelays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault *fault.Fault
		want  []time.Duration
	}{
		{"no answer", noAnswer, []time.Duration{
			5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute,
		}},
		{"a refused login", refusedLogin, []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 15 * time.Minute}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			guard := b.breaker()
			for i, want := range test.want {
				guard.Failed(t.Context(), enter(t, guard), test.fault)
				if got := refused(t, guard, test.fault.Code); got > want || want-got > time.Millisecond { // the item has milliseconds only
					t.Errorf("after %d failures the next try is after %v, want %v", i+1, got, want)
				}
				b.advance(want - time.Second)
				refused(t, guard, test.fault.Code)
				b.advance(time.Second)
			}
			since := b.outage(t).Since
			guard.Worked(t.Context(), enter(t, guard))
			if o := b.outage(t); o.Open || o.Since != since || o.Ended.IsZero() || o.Code != test.fault.Code || o.Cause != test.fault.Cause() {
				t.Errorf("the outage ended as %+v", o)
			}
			enter(t, guard)
		})
	}
}

// TestBreakerOfAnotherCause: a failure with another code starts with the first delay
// again.
func TestBreakerOfAnotherCause(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	for range 3 {
		guard.Failed(t.Context(), enter(t, guard), noAnswer)
		b.advance(time.Minute)
	}
	guard.Failed(t.Context(), enter(t, guard), refusedLogin)
	if got := refused(t, guard, fault.SnowflakeRefused); got.Round(time.Second) != 5*time.Minute {
		t.Errorf("the next try is after %v, want five minutes", got)
	}
}

// TestOneProbeAtOnce: of ten simultaneous callers after the delay, the breaker admits a
// single probe.
func TestOneProbeAtOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), refusedLogin)
	b.advance(5 * time.Minute)
	permits := enterTenTimes(t, guard)
	if len(permits) != 1 {
		t.Fatalf("%d of ten callers got a permit, want 1", len(permits))
	}
	if again := enterTenTimes(t, guard); len(again) != 0 {
		t.Errorf("%d callers got a permit during the probe, want none", len(again))
	}
	guard.Failed(t.Context(), permits[0], refusedLogin)
	if again := enterTenTimes(t, guard); len(again) != 0 {
		t.Errorf("%d callers got a permit right after a failed probe, want none", len(again))
	}
}

// enterTenTimes lets ten callers enter at once, and returns the permits.
func enterTenTimes(t *testing.T, guard *breaker.Breaker) []breaker.Permit {
	t.Helper()
	var mutex sync.Mutex
	var permits []breaker.Permit
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if permit, err := guard.Enter(context.Background()); err == nil {
				mutex.Lock()
				defer mutex.Unlock()
				permits = append(permits, permit)
			}
		})
	}
	all.Wait()
	return permits
}

// TestKilledProber: a killed probe blocks the breaker for a minute only. The late
// answer of the killed probe changes nothing.
func TestKilledProber(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	b.advance(5 * time.Second)
	killed := enter(t, guard)
	b.advance(59 * time.Second)
	refused(t, guard, fault.SnowflakeAway)
	b.advance(time.Second)
	next := enter(t, guard)
	guard.Failed(t.Context(), killed, refusedLogin)
	if o := b.outage(t); o.Code != fault.SnowflakeAway || o.Failures != 1 {
		t.Errorf("a killed probe changed the outage to %+v", o)
	}
	guard.Worked(t.Context(), next)
	enter(t, guard)
}

// TestAnySuccessCloses: a success closes the breaker, even from a probe after its time.
func TestAnySuccessCloses(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	b.advance(5 * time.Second)
	late := enter(t, guard)
	b.advance(time.Minute)
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	guard.Worked(t.Context(), late)
	enter(t, guard)
}

// TestPermitFromBeforeOutageChangesNothing: a caller from before the outage neither ends
// the outage nor starts another.
func TestPermitFromBeforeOutageChangesNothing(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	early, other := enter(t, guard), enter(t, guard)
	guard.Failed(t.Context(), early, refusedLogin)
	guard.Worked(t.Context(), other)
	guard.Failed(t.Context(), other, noAnswer)
	if o := b.outage(t); !o.Open || o.Code != fault.SnowflakeRefused || o.Failures != 1 {
		t.Errorf("the outage is %+v", o)
	}
}

// TestFirstFailureOpensBreaker: of two simultaneous failures the first opens the
// breaker.
func TestFirstFailureOpensBreaker(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	if err := b.RecordNotice(t.Context(), b.outage(t), breaker.NoticeStarted); err != nil {
		t.Fatal(err)
	}
	b.advance(5 * time.Second)
	guard.Worked(t.Context(), enter(t, guard))
	first, second := enter(t, guard), enter(t, guard)
	guard.Failed(t.Context(), first, refusedLogin)
	guard.Failed(t.Context(), second, noAnswer)
	if o := b.outage(t); !o.Open || o.Code != fault.SnowflakeRefused {
		t.Errorf("the outage is %+v", o)
	}
}

// TestBreakerCostsOneRead: without an outage a successful try costs one read and no
// write.
func TestBreakerCostsOneRead(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	counted := &counting{DynamoDB: b.client}
	b.Client = counted
	guard := b.breaker()
	guard.Worked(t.Context(), enter(t, guard))
	if counted.reads != 1 || counted.writes != 0 {
		t.Errorf("%d reads and %d writes, want one read", counted.reads, counted.writes)
	}
}

// TestBreakerWithoutJournal: without the journal the breaker admits all callers, and
// logs a warning.
func TestBreakerWithoutJournal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		reads, writes bool
	}{{"no reads", true, false}, {"no writes", false, true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			guard := b.breaker()
			guard.Failed(t.Context(), enter(t, guard), noAnswer)
			b.advance(5 * time.Second)
			b.Client = &counting{DynamoDB: b.client, noReads: test.reads, noWrites: test.writes}
			var log bytes.Buffer
			ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "load"))
			permit, err := guard.Enter(ctx)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			guard.Failed(ctx, permit, noAnswer)
			guard.Worked(ctx, permit)
			if !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), `"dependency":"`+b.dataset+`"`) {
				t.Errorf("log %s, want a warning with the dependency", log.String())
			}
		})
	}
}

// counting counts requests, and refuses reads or writes on demand.
type counting struct {
	journal.DynamoDB

	reads, writes     int
	noReads, noWrites bool
}

func (c *counting) GetItem(ctx context.Context, input *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if c.reads++; c.noReads {
		return nil, errors.New("no answer")
	}
	return c.DynamoDB.GetItem(ctx, input, options...)
}

func (c *counting) UpdateItem(ctx context.Context, input *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if c.writes++; c.noWrites {
		return nil, errors.New("no answer")
	}
	return c.DynamoDB.UpdateItem(ctx, input, options...)
}

// TestOneClaimOfNotice: of several simultaneous callers a single caller gets the claim of a
// notice. The claim ends after a minute, and a recorded notice is final.
func TestOneClaimOfNotice(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	o := b.outage(t)
	claims := func(n breaker.Notice) int {
		var count atomic.Int64
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				claimed, err := b.ClaimNotice(context.Background(), o, n)
				if err != nil {
					t.Error(err)
				}
				if claimed {
					count.Add(1)
				}
			})
		}
		all.Wait()
		return int(count.Load())
	}
	if got := claims(breaker.NoticeStarted); got != 1 {
		t.Errorf("%d simultaneous callers got the claim, want 1", got)
	}
	b.advance(time.Minute)
	if got := claims(breaker.NoticeStarted); got != 1 {
		t.Errorf("%d callers got the claim after a minute, want 1", got)
	}
	if err := b.RecordNotice(t.Context(), o, breaker.NoticeStarted); err != nil {
		t.Fatal(err)
	}
	if got := claims(breaker.NoticeStarted); got != 0 {
		t.Errorf("%d callers got the claim of a recorded notice, want none", got)
	}
	if b.outage(t).Notice != breaker.NoticeStarted {
		t.Error("the notice isn't recorded")
	}
	b.advance(5 * time.Second)
	guard.Worked(t.Context(), enter(t, guard))
	if got := claims(breaker.NoticeEnded); got != 0 {
		t.Errorf("%d callers got the claim with an old outage, want none", got)
	}
}

// endedOutage makes an outage of five seconds, with the given notice recorded or none.
func (b *fixture) endedOutage(t *testing.T, guard *breaker.Breaker, notice breaker.Notice) breaker.Outage {
	t.Helper()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	outage := b.outage(t)
	b.advance(5 * time.Second)
	guard.Worked(t.Context(), enter(t, guard))
	if notice != "" {
		if err := b.RecordNotice(t.Context(), outage, notice); err != nil {
			t.Fatal(err)
		}
	}
	return outage
}

// TestOutageContinues: a failure after the end of an outage continues the outage until the
// notice of the end. After the notice, a failure starts a new outage.
func TestOutageContinues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		notice    breaker.Notice
		continues bool
	}{{"", false}, {breaker.NoticeStarted, true}, {breaker.NoticeEnded, false}} {
		t.Run(fmt.Sprintf("notice %q", test.notice), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			guard := b.breaker()
			first := b.endedOutage(t, guard, test.notice)
			b.advance(time.Minute)
			guard.Failed(t.Context(), enter(t, guard), noAnswer)
			next := b.outage(t)
			continues := next.ID == first.ID && next.Since.Equal(first.Since) && next.Notice == test.notice
			if !next.Open || !next.Ended.IsZero() || continues != test.continues || !test.continues && next.Notice != "" {
				t.Errorf("first outage %+v\nnext outage  %+v", first, next)
			}
		})
	}
}

// TestLateFailureKeepsOutageEnded: a login hangs from before the notice of the end.
// The failure of the login doesn't continue the ended outage.
func TestLateFailureKeepsOutageEnded(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	first := b.endedOutage(t, guard, breaker.NoticeStarted)
	hanging := enter(t, guard)
	if err := b.RecordNotice(t.Context(), first, breaker.NoticeEnded); err != nil {
		t.Fatal(err)
	}
	guard.Failed(t.Context(), hanging, noAnswer)
	if o := b.outage(t); o.Open || o.Notice != breaker.NoticeEnded {
		t.Errorf("after the failure of the hanging login the outage is %+v", o)
	}
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	if o := b.outage(t); !o.Open || o.ID == first.ID || o.Notice != "" {
		t.Errorf("first outage %+v\nnext outage  %+v", first, o)
	}
}

// TestBreakerProperty runs callers, kills and lost answers in any order. No caller
// enters within a delay, and two probes are at least a minute apart. After the longest
// delay a caller finds that the dependency works again.
func TestBreakerProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := newFixture(t)
		guard := b.breaker()
		var pending []breaker.Permit
		away := true
		var probed time.Time
		for range rapid.IntRange(5, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				before := b.outage(t)
				permit, err := guard.Enter(t.Context())
				if before.Open && err == nil {
					if b.clock().Before(before.Until) || b.clock().Sub(probed) < time.Minute && probed.After(before.Until) {
						rt.Fatalf("a caller entered at %v during %+v, last probe %v", b.clock(), before, probed)
					}
					probed = b.clock()
				}
				if err == nil {
					pending = append(pending, permit)
				}
			case 2:
				if len(pending) > 0 {
					permit := pending[len(pending)-1]
					pending = pending[:len(pending)-1]
					if away {
						guard.Failed(t.Context(), permit, rapid.SampledFrom([]*fault.Fault{noAnswer, refusedLogin}).Draw(rt, "fault"))
					} else {
						guard.Worked(t.Context(), permit)
					}
				}
			case 3:
				away = !away
			default:
				b.advance(time.Duration(rapid.IntRange(1, 900).Draw(rt, "seconds")) * time.Second)
			}
		}
		b.advance(15*time.Minute + time.Minute)
		guard.Worked(t.Context(), enter(t, guard))
		if b.outage(t).Open {
			rt.Fatal("the breaker is open after a successful try")
		}
	})
}
