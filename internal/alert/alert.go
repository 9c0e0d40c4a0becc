// Package alert is the stage that sends mails. The dead-letter queues report failures. A
// tick looks for waits, outages, missing and unusual data, and resumes ingestion runs.
//
// alert doesn't change the state of an object, with one exception: if a function crashed
// before its write to the journal, alert records the failure there.
//
// # Notices
//
// A cause is a dataset with a fault code. The first failure of a cause opens a notice in
// the journal and becomes a mail at once. The notice collects further failures: each
// digest is one mail about all failures since the last mail. The first digest follows
// after [Digester.FirstDigest], and each further interval is twice as long, at most a
// day. After a day without a failure the next failure is mailed at once again.
//
// Objects that failed are counted in the journal's index, so a dead letter that arrives
// twice counts once. Failures without an object wait in the notice, with the ids of
// their messages.
//
// A mail has one sender: a claim of the notice excludes others for a minute. A function
// that is killed between mail and record causes one repeated mail.
//
// If no object of the cause is failed any more, one mail reports the recovery, and the
// notice closes. A notice about failures without an object closes without a mail.
//
// # The hourly limit
//
// [Mailer] sends at most a number of mails in each hour of UTC. The contents of a mail
// above the limit stay in a notice and follow after the hour. An announcement of new
// columns returns to its queue instead.
package alert

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Journal reads the entries of objects, and records the failures that no other stage
// could record.
type Journal interface {
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Newest(ctx context.Context, bucket, key string) (journal.Entry, error)
	Receive(ctx context.Context, o object.Object, dataset string) (journal.Entry, error)
	Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error)
	ReportedColumns
}

// Alerter sends mails about dead letters.
type Alerter struct {
	Journal Journal
	Notices Notices
	Mailer  Mailer
	// Contracts are the contracts of the datasets. A mail about new columns has lines for
	// the contract.
	Contracts contract.Set
	// FirstDigest is the time from the first mail about a cause to the first digest.
	FirstDigest time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Handle sends the first mail about each cause of a batch of dead letters, and leaves
// other failures to a digest. A new column gets one mail, however many batches report the
// column. A message is done after its failures are in a mail, in the journal's index or in
// a notice. If SNS or the journal is unavailable, the message returns, and the delivery
// doesn't count as an attempt.
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
	mailed := false
	for _, g := range all {
		sent, err := a.report(ctx, g)
		mailed = mailed || sent
		if err != nil {
			for _, id := range g.messages {
				failed[id] = fault.ForObject(err, "", 0, g.dataset, "")
			}
		}
	}
	if mailed {
		a.Mailer.Webhook.Deliver(ctx)
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
