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
	noAnswer = fault.Dependency("log in", fault.SnowflakeAway, errors.New("connection refused"))
	saidNo   = &fault.Fault{
		Op: "log in", Code: fault.SnowflakeRefused, Disposition: fault.RetryAfter, After: 5 * time.Minute,
		Err: errors.New("JWT token is invalid"),
	}
)

// breaker guards a dependency of this bench's own.
func (b *fixture) breaker() *breaker.Breaker {
	return &breaker.Breaker{Store: b.Table, Dependency: b.dataset, Backoff: 5 * time.Second, Now: b.clock}
}

// enter wants a pass.
func enter(t testing.TB, b *breaker.Breaker) breaker.Permit {
	t.Helper()
	pass, err := b.Enter(t.Context())
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return pass
}

// refused wants none, and returns when to come back.
func refused(t testing.TB, b *breaker.Breaker, code fault.Code) time.Duration {
	t.Helper()
	_, err := b.Enter(t.Context())
	f := fault.As(err)
	if f == nil || f.Code != code || f.Disposition != fault.RetryAfter {
		t.Fatalf("got %v, want %s to come back", err, code)
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

// TestBreakerDelays: what doesn't answer is tried soon, what said no seldom.
func TestBreakerDelays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault *fault.Fault
		want  []time.Duration
	}{
		{"away", noAnswer, []time.Duration{
			5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute,
		}},
		{"refused", saidNo, []time.Duration{5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 15 * time.Minute}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			guard := b.breaker()
			for i, want := range test.want {
				guard.Failed(t.Context(), enter(t, guard), test.fault)
				if got := refused(t, guard, test.fault.Code); got > want || want-got > time.Millisecond { // the item keeps milliseconds
					t.Errorf("after %d failures it is tried after %v, want %v", i+1, got, want)
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

// TestBreakerOfAnotherCause begins its delays anew.
func TestBreakerOfAnotherCause(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	for range 3 {
		guard.Failed(t.Context(), enter(t, guard), noAnswer)
		b.advance(time.Minute)
	}
	guard.Failed(t.Context(), enter(t, guard), saidNo)
	if got := refused(t, guard, fault.SnowflakeRefused); got.Round(time.Second) != 5*time.Minute {
		t.Errorf("it is tried after %v, want five minutes", got)
	}
}

// TestOneProbeAtOnce: however many ask once the delay is over, one may try.
func TestOneProbeAtOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), saidNo)
	b.advance(5 * time.Minute)
	passes := crowd(t, guard)
	if len(passes) != 1 {
		t.Fatalf("%d of ten may try at once, want 1", len(passes))
	}
	if again := crowd(t, guard); len(again) != 0 {
		t.Errorf("%d more may try while the first one does", len(again))
	}
	guard.Failed(t.Context(), passes[0], saidNo)
	if again := crowd(t, guard); len(again) != 0 {
		t.Errorf("%d may try right after it failed", len(again))
	}
}

// crowd lets ten callers ask at once, and returns the passes that they got.
func crowd(t *testing.T, guard *breaker.Breaker) []breaker.Permit {
	t.Helper()
	var mutex sync.Mutex
	var passes []breaker.Permit
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if pass, err := guard.Enter(context.Background()); err == nil {
				mutex.Lock()
				defer mutex.Unlock()
				passes = append(passes, pass)
			}
		})
	}
	all.Wait()
	return passes
}

// TestKilledProber wedges nothing, and its late answer changes nothing that the
// next prober found.
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
	guard.Failed(t.Context(), killed, saidNo)
	if o := b.outage(t); o.Code != fault.SnowflakeAway || o.Failures != 1 {
		t.Errorf("a prober whose time is over wrote %+v", o)
	}
	guard.Worked(t.Context(), next)
	enter(t, guard)
}

// TestAnyProofCloses: a session that a late prober got is one.
func TestAnyProofCloses(t *testing.T) {
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

// TestPassOfAClosedBreaker: what a caller that entered before the outage says
// later neither closes it nor begins it anew.
func TestPassOfAClosedBreaker(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	early, other := enter(t, guard), enter(t, guard)
	guard.Failed(t.Context(), early, saidNo)
	guard.Worked(t.Context(), other)
	guard.Failed(t.Context(), other, noAnswer)
	if o := b.outage(t); !o.Open || o.Code != fault.SnowflakeRefused || o.Failures != 1 {
		t.Errorf("the outage is %+v", o)
	}
}

// TestPassesOfAnOutageThatGoesOn: of two callers that fail at once the first one
// opens the breaker.
func TestPassesOfAnOutageThatGoesOn(t *testing.T) {
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
	guard.Failed(t.Context(), first, saidNo)
	guard.Failed(t.Context(), second, noAnswer)
	if o := b.outage(t); !o.Open || o.Code != fault.SnowflakeRefused {
		t.Errorf("the outage is %+v", o)
	}
}

// TestBreakerCostsOneRead as long as nothing is wrong.
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

// TestBreakerWithoutAJournal stops nobody, and says so.
func TestBreakerWithoutAJournal(t *testing.T) {
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
			pass, err := guard.Enter(ctx)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			guard.Failed(ctx, pass, noAnswer)
			guard.Worked(ctx, pass)
			if !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), `"dependency":"`+b.dataset+`"`) {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}

// counting counts requests, and refuses some.
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

// TestToldOnce: of many that want to tell, one may; a teller that dies leaves it
// to the next, and what is told stays told.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	o := b.outage(t)
	tellers := func(w breaker.Notice) int {
		var count atomic.Int64
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				mine, err := b.ClaimNotice(context.Background(), o, w)
				if err != nil {
					t.Error(err)
				}
				if mine {
					count.Add(1)
				}
			})
		}
		all.Wait()
		return int(count.Load())
	}
	if got := tellers(breaker.NoticeStarted); got != 1 {
		t.Errorf("%d tell at once", got)
	}
	b.advance(time.Minute)
	if got := tellers(breaker.NoticeStarted); got != 1 {
		t.Errorf("%d tell after the first one died", got)
	}
	if err := b.RecordNotice(t.Context(), o, breaker.NoticeStarted); err != nil {
		t.Fatal(err)
	}
	if got := tellers(breaker.NoticeStarted); got != 0 {
		t.Errorf("%d tell again", got)
	}
	if b.outage(t).Notice != breaker.NoticeStarted {
		t.Error("it isn't noted")
	}
	b.advance(5 * time.Second)
	guard.Worked(t.Context(), enter(t, guard))
	if got := tellers(breaker.NoticeEnded); got != 0 {
		t.Errorf("%d tell of an outage that has changed since they read it", got)
	}
}

// ended is an outage of five seconds, of which people were told a word, or
// nothing.
func (b *fixture) ended(t *testing.T, guard *breaker.Breaker, told breaker.Notice) breaker.Outage {
	t.Helper()
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	outage := b.outage(t)
	b.advance(5 * time.Second)
	guard.Worked(t.Context(), enter(t, guard))
	if told != "" {
		if err := b.RecordNotice(t.Context(), outage, told); err != nil {
			t.Fatal(err)
		}
	}
	return outage
}

// TestOutageGoesOn: one that ended and comes back before people heard of its end
// is the same; after they heard, it is a new one.
func TestOutageGoesOn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		told breaker.Notice
		same bool
	}{{"", false}, {breaker.NoticeStarted, true}, {breaker.NoticeEnded, false}} {
		t.Run(fmt.Sprintf("told %q", test.told), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			guard := b.breaker()
			first := b.ended(t, guard, test.told)
			b.advance(time.Minute)
			guard.Failed(t.Context(), enter(t, guard), noAnswer)
			next := b.outage(t)
			same := next.ID == first.ID && next.Since.Equal(first.Since) && next.Notice == test.told
			if !next.Open || !next.Ended.IsZero() || same != test.same || !test.same && next.Notice != "" {
				t.Errorf("after %+v\ncame  %+v", first, next)
			}
		})
	}
}

// TestTheEndIsToldWhileALoginHangs: that login's failure doesn't take up the
// outage again of which people have heard that it is over.
func TestTheEndIsToldWhileALoginHangs(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	guard := b.breaker()
	first := b.ended(t, guard, breaker.NoticeStarted)
	hanging := enter(t, guard)
	if err := b.RecordNotice(t.Context(), first, breaker.NoticeEnded); err != nil {
		t.Fatal(err)
	}
	guard.Failed(t.Context(), hanging, noAnswer)
	if o := b.outage(t); o.Open || o.Notice != breaker.NoticeEnded {
		t.Errorf("the login of before left %+v", o)
	}
	guard.Failed(t.Context(), enter(t, guard), noAnswer)
	if o := b.outage(t); !o.Open || o.ID == first.ID || o.Notice != "" {
		t.Errorf("after %+v\ncame  %+v", first, o)
	}
}

// TestBreakerProperty runs callers, kills and silences in any order: nobody tries
// within a delay, two probes are a probe's time apart, and a dependency that is
// back is found within the longest delay.
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
				pass, err := guard.Enter(t.Context())
				if before.Open && err == nil {
					if b.clock().Before(before.Until) || b.clock().Sub(probed) < time.Minute && probed.After(before.Until) {
						rt.Fatalf("tried at %v within %+v, last probe %v", b.clock(), before, probed)
					}
					probed = b.clock()
				}
				if err == nil {
					pending = append(pending, pass)
				}
			case 2:
				if len(pending) > 0 {
					pass := pending[len(pending)-1]
					pending = pending[:len(pending)-1]
					if away {
						guard.Failed(t.Context(), pass, rapid.SampledFrom([]*fault.Fault{noAnswer, saidNo}).Draw(rt, "fault"))
					} else {
						guard.Worked(t.Context(), pass)
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
			rt.Fatal("it works and the breaker is open")
		}
	})
}
