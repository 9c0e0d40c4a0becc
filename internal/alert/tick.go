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

// Outages is the part of the journal that alert reads outages from and records
// notices in.
type Outages interface {
	Outage(ctx context.Context, dependency string) (breaker.Outage, error)
	// Waiting returns the dataset's objects that wait for their load, at most
	// limit.
	Waiting(ctx context.Context, dataset string, limit int) ([]journal.Entry, error)
	// ClaimNotice returns false if another caller has the claim, or if the outage
	// has changed.
	ClaimNotice(ctx context.Context, o breaker.Outage, n breaker.Notice) (bool, error)
	RecordNotice(ctx context.Context, o breaker.Outage, n breaker.Notice) error
}

// Watcher sends two mails for each outage: one while the outage lasts, and one
// after its end. The stage with the failed call records the outage in the journal,
// and the watcher only reads it.
type Watcher struct {
	Outages Outages
	Mailer  Mailer
	// Datasets are those whose waiting objects a mail counts.
	Datasets []string
	// MinDuration is the age at which an outage gets a mail. A shorter outage, or an
	// outage between two ticks, gets none.
	MinDuration time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Tick looks once at every dependency, whatever the number of messages that ask
// for it. It is a batch.Handler; while the journal or SNS is away the messages come
// back.
func (w *Watcher) Tick(ctx context.Context, messages []batch.Message) map[string]error {
	failed := make(map[string]error)
	var ticks []batch.Message
	for _, m := range messages {
		if isTick(m) {
			ticks = append(ticks, m)
			continue
		}
		failed[m.ID] = fault.Permanentf("look for what is away", fault.Undecodable, "it is no tick")
	}
	if len(ticks) == 0 {
		return failed
	}
	if err := w.checkAll(ctx); err != nil {
		for _, m := range ticks {
			failed[m.ID] = err
		}
	}
	return failed
}

// isTick reports whether a schedule sent the message: {"tick": <when>}.
func isTick(m batch.Message) bool {
	var tick struct {
		At time.Time `json:"tick"`
	}
	return json.Unmarshal([]byte(m.Body), &tick) == nil && !tick.At.IsZero()
}

func (w *Watcher) checkAll(ctx context.Context) error {
	var faults []error
	for _, dependency := range breaker.Dependencies {
		faults = append(faults, w.checkDependency(ctx, dependency))
	}
	return errors.Join(faults...)
}

func (w *Watcher) checkDependency(ctx context.Context, dependency string) error {
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
	if err := w.Mailer.send(ctx, composeOutage(outage, w.waiting(ctx))); err != nil {
		return err
	}
	telemetry.Logger(ctx).InfoContext(ctx, "outage notice sent", telemetry.KeyDependency, dependency,
		telemetry.KeyState, string(notice), telemetry.KeyCode, string(outage.Code))
	return w.Outages.RecordNotice(ctx, outage, notice)
}

// dueNotice returns the notice to send for an outage now; empty for none.
func (w *Watcher) dueNotice(o breaker.Outage) breaker.Notice {
	switch {
	case o.Open && o.Notice != breaker.NoticeStarted && w.Now().Sub(o.Since) >= w.MinDuration:
		return breaker.NoticeStarted
	case !o.Open && o.Notice == breaker.NoticeStarted:
		return breaker.NoticeEnded
	default:
		return ""
	}
}

// waitingObjects counts what waits of a dataset for its load.
type waitingObjects struct {
	Dataset string `json:"dataset"`
	Objects int    `json:"objects"`
}

// maxCountedWaiting bounds what is counted of one dataset: more are "1000 or more".
const maxCountedWaiting = 1000

// waiting counts what waits. A dataset that can't be counted is left out: a
// shorter mail is better than none.
func (w *Watcher) waiting(ctx context.Context) []waitingObjects {
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
