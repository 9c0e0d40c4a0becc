package alert

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

// Outages reads outages from the journal and records their notices.
type Outages interface {
	Outage(ctx context.Context, dependency string) (breaker.Outage, error)
	// Waiting returns at most limit objects of the dataset that wait for their load.
	Waiting(ctx context.Context, dataset string, limit int) ([]journal.Entry, error)
	// ClaimNotice returns false if another caller has the claim, or if the outage
	// has changed.
	ClaimNotice(ctx context.Context, o breaker.Outage, n breaker.Notice) (bool, error)
	RecordNotice(ctx context.Context, o breaker.Outage, n breaker.Notice) error
}

// OutageWatcher sends two mails for each outage: one while the outage lasts, and one
// after its end. The stage with the failed call records the outage in the journal,
// and the watcher only reads it.
type OutageWatcher struct {
	Outages Outages
	Mailer  Mailer
	// Datasets are the datasets whose waiting objects are counted in a mail.
	Datasets []string
	// MinDuration is the age at which an outage gets a mail. A shorter outage, or an
	// outage between two ticks, gets none.
	MinDuration time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Check is one check of each tick.
type Check func(ctx context.Context) error

// Tick returns the handler of ticks. A batch runs each check once, for any number of
// ticks in the batch. A fault of one check doesn't stop the other checks. If the journal
// or SNS is unavailable, the messages return. A tick whose checks all succeed writes the
// metric Heartbeat.
func Tick(checks ...Check) batch.Handler {
	return func(ctx context.Context, messages []batch.Message) map[string]error {
		failed := make(map[string]error)
		var ticks []batch.Message
		for _, m := range messages {
			if isTick(m) {
				ticks = append(ticks, m)
				continue
			}
			failed[m.ID] = fault.Permanentf("handle tick", fault.Undecodable, "the message isn't a tick")
		}
		if len(ticks) == 0 {
			return failed
		}
		var faults []error
		for _, check := range checks {
			faults = append(faults, check(ctx))
		}
		if err := errors.Join(faults...); err != nil {
			for _, m := range ticks {
				failed[m.ID] = err
			}
			return failed
		}
		telemetry.Put(ctx, map[telemetry.Metric]float64{telemetry.Heartbeat: 1})
		return failed
	}
}

// isTick reports whether the message is a schedule's tick: {"tick": <time>}.
func isTick(m batch.Message) bool {
	var tick struct {
		At time.Time `json:"tick"`
	}
	return json.Unmarshal([]byte(m.Body), &tick) == nil && !tick.At.IsZero()
}

// Check sends the due mails about outages of every dependency.
func (w *OutageWatcher) Check(ctx context.Context) error {
	var faults []error
	for _, dependency := range breaker.Dependencies {
		faults = append(faults, w.checkDependency(ctx, dependency))
	}
	return errors.Join(faults...)
}

func (w *OutageWatcher) checkDependency(ctx context.Context, dependency string) error {
	outage, err := w.Outages.Outage(ctx, dependency)
	if err != nil {
		return err
	}
	notice := w.dueNotice(outage)
	if notice == "" {
		return nil
	}
	mine, err := w.Outages.ClaimNotice(ctx, outage, notice)
	if err != nil || !mine {
		return err
	}
	if err := w.Mailer.send(ctx, composeOutage(outage, w.waiting(ctx), w.Mailer.Site)); err != nil {
		return ignoreLater(err) // above the hourly limit, a later tick sends the mail
	}
	telemetry.Logger(ctx).InfoContext(ctx, "outage notice sent", telemetry.KeyDependency, dependency,
		telemetry.KeyState, string(notice), telemetry.KeyCode, string(outage.Code))
	return w.Outages.RecordNotice(ctx, outage, notice)
}

// dueNotice returns the notice to send for an outage at this time; empty for none.
func (w *OutageWatcher) dueNotice(o breaker.Outage) breaker.Notice {
	switch {
	case o.Open && o.Notice != breaker.NoticeStarted && w.Now().Sub(o.Since) >= w.MinDuration:
		return breaker.NoticeStarted
	case !o.Open && o.Notice == breaker.NoticeStarted:
		return breaker.NoticeEnded
	default:
		return ""
	}
}

// waitingObjects is the number of objects of a dataset that wait for their load.
type waitingObjects struct {
	Dataset string `json:"dataset"`
	Objects int    `json:"objects"`
}

// maxCountedWaiting is the limit of the count for one dataset. A mail shows a larger
// number as "1000 or more".
const maxCountedWaiting = 1000

// waiting returns the counts of all datasets with waiting objects. If a count fails,
// the mail leaves the dataset out: a shorter mail is better than no mail.
func (w *OutageWatcher) waiting(ctx context.Context) []waitingObjects {
	all := []waitingObjects{}
	for _, dataset := range w.Datasets {
		entries, err := w.Outages.Waiting(ctx, dataset, maxCountedWaiting)
		if err != nil {
			log := telemetry.Logger(ctx)
			log.WarnContext(ctx, "waiting objects not counted", append(telemetry.Fault(fault.As(err)), telemetry.KeyDataset, dataset)...)
			continue
		}
		if len(entries) > 0 {
			all = append(all, waitingObjects{Dataset: dataset, Objects: len(entries)})
		}
	}
	return all
}
