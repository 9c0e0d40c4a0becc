package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// Breaker keeps callers from a dependency that is away. It is closed as a rule;
// the first failure opens it, and while it is open nobody tries the dependency,
// until its delay is over: then exactly one caller probes. What works closes it.
//
// Its state is one item of the journal's table, so that all copies of a
// function share it. A journal that doesn't answer stops nobody: the dependency
// is tried as if there were no breaker.
type Breaker struct {
	Table *Table
	// Dependency names what is guarded, and the item: one of Dependencies.
	Dependency string
	// Backoff is the first delay after a failure; it doubles with each failed
	// probe, up to five minutes. A fault that says After begins with that and
	// doubles up to fifteen.
	Backoff time.Duration
}

const (
	// longestAway bounds the delay of what doesn't answer.
	longestAway = 5 * time.Minute
	// longestRefused bounds the delay of what said no: a user that refused
	// logins locked is free again after as long (docs.snowflake.com,
	// user-guide/admin-user-management), so the lock costs nothing more.
	longestRefused = 15 * time.Minute
	// longestProbe is how long a probe holds others off. A killed prober wedges
	// nothing: the next one takes over. Two probes at once do no harm.
	longestProbe = time.Minute
)

// Pass is the leave to try the dependency once.
type Pass struct {
	outage Outage
	// probe names the prober; empty for a pass of a closed breaker.
	probe string
	// blind is whether the journal didn't answer.
	blind bool
}

// Enter returns a pass, or, while the breaker is open, a dependency's fault with
// the code of the outage, to come back after its delay. The read is a consistent
// one: what it would miss else is a refusal of a moment ago, and each miss is one
// more refused login.
func (b *Breaker) Enter(ctx context.Context) (Pass, error) {
	outage, err := b.Table.Outage(ctx, b.Dependency)
	if err != nil {
		b.warn(ctx, "breaker not read", err)
		return Pass{blind: true}, nil
	}
	if !outage.Open {
		return Pass{outage: outage}, nil
	}
	if left := outage.Until.Sub(b.Table.Now()); left > 0 {
		return Pass{}, b.refuse(outage, left, "the next try is at "+outage.Until.UTC().Format(time.TimeOnly)+" UTC")
	}
	probe := rand.Text()
	claimed, err := b.Table.claimProbe(ctx, outage, probe)
	if err != nil {
		b.warn(ctx, "probe not claimed", err)
		return Pass{blind: true}, nil
	}
	if !claimed {
		return Pass{}, b.refuse(outage, 0, "another try is under way")
	}
	return Pass{outage: outage, probe: probe}, nil
}

// refuse is the fault of a caller that has to wait.
func (b *Breaker) refuse(o Outage, after time.Duration, words string) error {
	f := fault.Dependency("wait for "+b.Dependency, o.Code, fmt.Errorf("away since %s UTC (%s); %s",
		o.Since.UTC().Format(time.DateTime), o.Cause, words))
	f.After = after
	return f
}

// Worked tells that the dependency answered as it should: an open breaker
// closes.
func (b *Breaker) Worked(ctx context.Context, p Pass) {
	if p.blind || !p.outage.Open {
		return
	}
	closed, err := b.Table.endOutage(ctx, p.outage)
	if err != nil {
		b.warn(ctx, "breaker not closed", err)
		return
	}
	if closed {
		telemetry.Logger(ctx).InfoContext(ctx, "breaker closed", telemetry.KeyDependency, b.Dependency,
			telemetry.KeyDuration, b.Table.Now().Sub(p.outage.Since).Milliseconds())
	}
}

// Failed tells that the dependency is away: a closed breaker opens, an open one
// stays so for longer.
func (b *Breaker) Failed(ctx context.Context, p Pass, f *fault.Fault) {
	if p.blind {
		return
	}
	failures := 1
	if p.outage.Open && p.outage.Code == f.Code {
		failures += p.outage.Failures
	}
	delay := b.delay(f, failures)
	next := Outage{
		Dependency: b.Dependency, Open: true, Failures: failures, Code: f.Code, Cause: f.Cause(), QueryID: f.QueryID,
		Until: b.Table.Now().Add(delay),
	}
	wrote, err := b.write(ctx, p, next)
	if err != nil {
		b.warn(ctx, "breaker not opened", err)
		return
	}
	if wrote {
		telemetry.Logger(ctx).WarnContext(ctx, "breaker open", telemetry.KeyDependency, b.Dependency, telemetry.KeyCode, string(f.Code),
			telemetry.KeyCount, failures, telemetry.KeyDelay, delay.Seconds(), telemetry.KeyError, f.Error())
	}
}

func (b *Breaker) write(ctx context.Context, p Pass, next Outage) (bool, error) {
	if p.outage.Open {
		return b.Table.prolongOutage(ctx, p.probe, next)
	}
	return b.Table.beginOutage(ctx, p.outage, next)
}

func (b *Breaker) delay(f *fault.Fault, failures int) time.Duration {
	delay, longest := b.Backoff, longestAway
	if f.After > 0 {
		delay, longest = f.After, longestRefused
	}
	for range failures - 1 {
		if delay *= 2; delay >= longest {
			break
		}
	}
	return min(delay, longest)
}

func (b *Breaker) warn(ctx context.Context, message string, err error) {
	telemetry.Logger(ctx).WarnContext(ctx, message, telemetry.KeyDependency, b.Dependency, telemetry.KeyError, err.Error())
}
