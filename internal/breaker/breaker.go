package breaker

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// Breaker decides whether a caller may try a dependency. A caller asks Enter before a
// try, and reports the result with Worked or Failed. A closed breaker lets every caller
// try. The first failure opens the breaker for a delay. After the delay a single caller
// probes the dependency. A successful try closes the breaker, and a failed probe starts
// a longer delay.
//
// All copies of a function share the state through the store. If the store doesn't
// answer, the breaker lets every caller try.
type Breaker struct {
	Store Store
	// Dependency is the guarded service, from the list Dependencies.
	Dependency string
	// Backoff is the first delay after a failure. The delay doubles with each
	// failed probe, up to five minutes. A fault with an After starts with After
	// and doubles up to fifteen minutes.
	Backoff time.Duration
	// Now is the clock, the same as the store's.
	Now func() time.Time
}

// Store keeps the outages of all dependencies. Each write has a condition, and
// returns false if another caller was faster.
type Store interface {
	// Outage returns the current outage of a dependency, or the last one. The
	// read is strongly consistent.
	Outage(ctx context.Context, dependency string) (Outage, error)
	// BeginOutage stores next if was is still the last outage and hasn't changed since
	// the read.
	BeginOutage(ctx context.Context, was, next Outage) (bool, error)
	// ProlongOutage stores next and ends the probe, if the probe still belongs to
	// the caller.
	ProlongOutage(ctx context.Context, probe string, next Outage) (bool, error)
	// EndOutage stores the end of an open outage.
	EndOutage(ctx context.Context, o Outage) (bool, error)
	// ClaimProbe gives the probe of an outage to one caller until a deadline. The claim
	// fails during the outage's delay and during another probe.
	ClaimProbe(ctx context.Context, o Outage, probe string, until time.Time) (bool, error)
}

const (
	// maxOutageDelay is the longest delay for a dependency that doesn't answer.
	maxOutageDelay = 5 * time.Minute
	// maxRefusalDelay is the longest delay for a dependency that refuses a login.
	// Snowflake locks a user after repeated refused logins and unlocks the user
	// after fifteen minutes (docs.snowflake.com, user-guide/admin-user-management).
	maxRefusalDelay = 15 * time.Minute
	// probeTime is the time for which a probe excludes other callers. After a killed
	// probe the next caller may probe. Two probes at once do no harm.
	probeTime = time.Minute
)

// Permit is the permission to try the dependency once.
type Permit struct {
	outage Outage
	// probe is the name of the probe; empty for the permit of a closed breaker.
	probe string
	// withoutStore is true if the store didn't answer.
	withoutStore bool
}

// Enter returns a permit, or a fault while the breaker is open. The fault has the
// outage's code, and After is the rest of the delay.
//
// The read is consistent: an older state could miss a recent refusal, and each miss is
// another refused login.
func (b *Breaker) Enter(ctx context.Context) (Permit, error) {
	outage, err := b.Store.Outage(ctx, b.Dependency)
	if err != nil {
		b.warn(ctx, "breaker not read", err)
		return Permit{withoutStore: true}, nil
	}
	if !outage.Open {
		return Permit{outage: outage}, nil
	}
	now := b.Now()
	if left := outage.Until.Sub(now); left > 0 {
		return Permit{}, b.refuse(outage, left, "the next try is at "+outage.Until.UTC().Format(time.TimeOnly)+" UTC")
	}
	probe := rand.Text()
	claimed, err := b.Store.ClaimProbe(ctx, outage, probe, now.Add(probeTime))
	if err != nil {
		b.warn(ctx, "probe not claimed", err)
		return Permit{withoutStore: true}, nil
	}
	if !claimed {
		return Permit{}, b.refuse(outage, 0, "another caller tries now")
	}
	return Permit{outage: outage, probe: probe}, nil
}

// refuse returns the fault for a caller that must wait.
func (b *Breaker) refuse(o Outage, after time.Duration, detail string) error {
	f := fault.Dependency("wait for "+b.Dependency, o.Code, fmt.Errorf("outage since %s UTC (%s); %s",
		o.Since.UTC().Format(time.DateTime), o.Cause, detail))
	f.After = after
	return f
}

// Worked reports an answer of the dependency: an open breaker closes.
func (b *Breaker) Worked(ctx context.Context, p Permit) {
	if p.withoutStore || !p.outage.Open {
		return
	}
	closed, err := b.Store.EndOutage(ctx, p.outage)
	if err != nil {
		b.warn(ctx, "breaker not closed", err)
		return
	}
	if closed {
		telemetry.Logger(ctx).InfoContext(ctx, "breaker closed", telemetry.KeyDependency, b.Dependency,
			telemetry.KeyDuration, b.Now().Sub(p.outage.Since).Milliseconds())
	}
}

// Failed reports that the dependency didn't answer or refused: a closed breaker
// opens, and an open breaker stays open for a longer delay.
func (b *Breaker) Failed(ctx context.Context, p Permit, f *fault.Fault) {
	if p.withoutStore {
		return
	}
	failures := 1
	if p.outage.Open && p.outage.Code == f.Code {
		failures += p.outage.Failures
	}
	delay := b.delay(f, failures)
	next := Outage{
		Dependency: b.Dependency, Open: true, Failures: failures, Code: f.Code, Cause: f.Cause(), QueryID: f.QueryID,
		Until: b.Now().Add(delay),
	}
	stored, err := b.store(ctx, p, next)
	if err != nil {
		b.warn(ctx, "breaker not opened", err)
		return
	}
	if stored {
		telemetry.Logger(ctx).WarnContext(ctx, "breaker open", telemetry.KeyDependency, b.Dependency, telemetry.KeyCode, string(f.Code),
			telemetry.KeyCount, failures, telemetry.KeyDelay, delay.Seconds(), telemetry.KeyError, f.Error())
	}
}

// store stores a failure. An outage continues if people have a notice of the start and
// none of the end. A flickering dependency then causes one pair of mails.
func (b *Breaker) store(ctx context.Context, p Permit, next Outage) (bool, error) {
	was := p.outage
	if was.Open {
		return b.Store.ProlongOutage(ctx, p.probe, next)
	}
	next.ID, next.Since = rand.Text(), b.Now()
	if was.Notice == NoticeStarted {
		next.ID, next.Since, next.Notice = was.ID, was.Since, was.Notice
	}
	return b.Store.BeginOutage(ctx, was, next)
}

func (b *Breaker) delay(f *fault.Fault, failures int) time.Duration {
	delay, longest := b.Backoff, maxOutageDelay
	if f.After > 0 {
		delay, longest = f.After, maxRefusalDelay
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
