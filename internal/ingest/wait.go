package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

const (
	defaultBackoff = 5 * time.Second
	// maxBackoff is the longest wait without Retry-After, so a source that is back gets
	// its run within an hour.
	maxBackoff     = time.Hour
	defaultMaxWait = 6 * time.Hour
	// shortWait is the limit of a wait in the queue. A longer wait is in the journal: the
	// queue would delete the message after four days, and after a thousand receives.
	shortWait = 2 * time.Minute
)

// misconfigurations are the codes of certain answers: another try rarely helps.
var misconfigurations = []fault.Code{fault.SourceUnknownHost, fault.SourceUntrusted}

// A run fails after this number of tries in a row with the same misconfiguration, if the
// tries took this time at least. A change of the source's DNS can take minutes.
const (
	maxMisconfiguredTries = 3
	minMisconfiguredTime  = 15 * time.Minute
	// misconfiguredWait is the time between these tries.
	misconfiguredWait = 5 * time.Minute
)

// settle decides about the next try after a fault of a run. The result nil means that
// the run waits in the journal and that the message is done. Any other fault is the
// consumer's: the message comes back, or the run fails.
//
// The number of tries has no limit during an outage. A misconfiguration becomes
// permanent.
func (r *run) settle(ctx context.Context, m batch.Message, f *fault.Fault) error {
	if f.Disposition != fault.RetryAfter || f.Code == fault.JournalAway { // the journal can't record the wait
		return f
	}
	d := r.nextDelay(f)
	if slices.Contains(misconfigurations, f.Code) {
		if d.Repeats >= maxMisconfiguredTries && d.Last.Sub(d.Since) >= minMisconfiguredTime {
			return permanent(f, d)
		}
		d.Next = d.Last.Add(misconfiguredWait)
	}
	if d.Next.Sub(d.Last) < shortWait && r.backoff(m.Receives) < shortWait {
		return f
	}
	if err := r.Runs.DelayRun(ctx, r.name(), d); err != nil {
		r.log.WarnContext(ctx, "wait not recorded", telemetry.KeyError, fault.Cleaned(err, "").Error())
		return f
	}
	telemetry.Logger(ctx).WarnContext(ctx, "run waits", append(telemetry.Fault(f),
		telemetry.KeyRunID, r.request.RunID(), telemetry.KeyAttempt, d.Tries, telemetry.KeyDelay, d.Next.Sub(d.Last).Seconds())...)
	return nil
}

// nextDelay returns the delay after a failed try.
func (r *run) nextDelay(f *fault.Fault) journal.Delay {
	now := r.Now().UTC()
	d := journal.Delay{
		Stage: string(work.Ingest), Code: f.Code, Cause: f.Cause(), Hint: f.Advice(),
		Tries: 1, Last: now, Repeats: 1, Since: now,
	}
	if before := r.delay; before != nil {
		d.Tries += before.Tries
		if before.Code == f.Code && !before.Since.IsZero() {
			d.Repeats, d.Since = before.Repeats+1, before.Since
		}
	}
	d.Next = now.Add(max(r.backoff(d.Tries), min(f.After, r.maxWait())))
	return d
}

// permanent returns the fault of the last try with a misconfiguration.
func permanent(f *fault.Fault, d journal.Delay) *fault.Fault {
	last := *f
	last.Disposition = fault.Permanent
	last.Err = fmt.Errorf("%w (%d tries since %s UTC)", f.Err, d.Repeats, d.Since.UTC().Format(time.DateTime))
	return &last
}

// backoff returns the delay after a number of failed tries.
func (s *Stage) backoff(tries int) time.Duration {
	return batch.Backoff(cmp.Or(s.Backoff, defaultBackoff), maxBackoff, tries)
}

func (s *Stage) maxWait() time.Duration {
	if s.MaxWait == 0 {
		return defaultMaxWait
	}
	return s.MaxWait
}
