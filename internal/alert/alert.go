// Package alert is the stage that reads the dead-letter queues and publishes one mail
// for each dataset and fault code. alert doesn't change the state of an object, with
// one exception: if a function crashed before its write to the journal, alert records
// the failure there.
package alert

import (
	"context"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Journal reads the entries of objects, and records the failures that no other stage
// could record.
type Journal interface {
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Newest(ctx context.Context, bucket, key string) (journal.Entry, error)
	Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error)
	Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error)
}

// Alerter publishes mails about dead letters.
type Alerter struct {
	Journal Journal
	Mailer  Mailer
}

// Handle publishes one mail for each dataset and code of a batch of dead letters. A
// message is done after all mails about the message are published. If SNS is
// unavailable, the message returns, and the delivery doesn't count as an attempt.
func (a *Alerter) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	var all groups
	seen := make(map[string]bool)
	failed := batch.Each(func(ctx context.Context, m batch.Message) error {
		if seen[m.ID] {
			return nil
		}
		seen[m.ID] = true
		failures, err := a.read(ctx, m)
		if err == nil {
			all.add(failures...)
		}
		return err
	})(ctx, messages)
	for _, g := range all {
		if err := a.publish(ctx, g); err != nil {
			for _, id := range g.messages {
				failed[id] = err
			}
		}
	}
	return failed
}

// read returns the failures of a dead letter: none if the object or the run has
// succeeded since.
func (a *Alerter) read(ctx context.Context, m batch.Message) ([]failure, error) {
	letter, sent := work.DecodeDeadLetter(m.Attributes)
	if !sent {
		return a.readUnreported(ctx, m)
	}
	f := reported(m, letter)
	a.addJournalState(ctx, &f)
	return []failure{f}, nil
}

func (a *Alerter) publish(ctx context.Context, g *group) error {
	log := telemetry.Logger(ctx).With(
		telemetry.KeyDataset, g.dataset, telemetry.KeyCode, g.code, telemetry.KeyCount, len(g.failures))
	if err := a.Mailer.send(ctx, compose(g)); err != nil {
		return fault.ForObject(err, "", 0, g.dataset, "")
	}
	log.InfoContext(ctx, "alert published")
	return nil
}
