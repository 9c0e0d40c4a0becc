package alert

import (
	"context"
	"errors"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/sqsbatch"
	"github.com/firn-data/firn/internal/telemetry"
)

// WaitingRuns is the resumer's part of the journal.
type WaitingRuns interface {
	// EachDueRun calls do with each run whose wait is over, until do returns false.
	EachDueRun(ctx context.Context, do func(journal.Run) bool) error
	// ClaimResume returns false if another caller has the claim, or if the run doesn't
	// wait any more.
	ClaimResume(ctx context.Context, name journal.RunName) (bool, error)
	// RecordResume records the sent message of a claimed run.
	RecordResume(ctx context.Context, name journal.RunName) error
}

// Resumer sends the next message of each ingestion run whose wait is over. A waiting run
// has no message in a queue.
type Resumer struct {
	Runs   WaitingRuns
	Sender sqsbatch.Client
	// IngestURL is the URL of the ingest queue.
	IngestURL string
}

// maxResumedRuns is the largest number of runs that one tick resumes, so that a tick
// ends within the function's timeout. The next tick resumes the others.
const maxResumedRuns = 100

// Resume sends the messages. Two ticks at the same time send one message for each run.
// The claim of an unsent message ends after a minute, so a later tick sends the message.
func (r *Resumer) Resume(ctx context.Context) error {
	due, err := r.claimDue(ctx)
	messages := make([]sqsbatch.Message, len(due))
	for i, run := range due {
		messages[i] = sqsbatch.Message{Body: run.Message}
	}
	faults := []error{err}
	for i, err := range sqsbatch.Send(ctx, r.Sender, r.IngestURL, messages) {
		run := due[i]
		if err != nil {
			faults = append(faults, fault.AWS("resume run "+run.FullName(), fault.QueueAway, err))
			continue
		}
		telemetry.Logger(ctx).InfoContext(ctx, "run resumes after its wait", telemetry.KeyDataset, run.Dataset, telemetry.KeyRunID, run.ID)
		faults = append(faults, r.Runs.RecordResume(ctx, run.RunName))
	}
	return errors.Join(faults...)
}

// claimDue claims the runs whose wait is over. After an error the result has the runs
// with a claim.
func (r *Resumer) claimDue(ctx context.Context) ([]journal.Run, error) {
	var due []journal.Run
	var claimErr error
	err := r.Runs.EachDueRun(ctx, func(run journal.Run) bool {
		mine, err := r.Runs.ClaimResume(ctx, run.RunName)
		if mine {
			due = append(due, run)
		}
		claimErr = err
		return err == nil && len(due) < maxResumedRuns
	})
	return due, errors.Join(err, claimErr)
}
