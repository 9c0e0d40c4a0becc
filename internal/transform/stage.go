package transform

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Journal is the part of the journal used by the stage.
type Journal interface {
	// Start claims an object until the given time. The attempt is counted before it
	// starts, so that a killed attempt counts too. Start returns false if another
	// message has the claim, or if the object is past this state.
	Start(ctx context.Context, w work.Work, owner string, until time.Time) (journal.Entry, bool, error)
	// Release gives a claim back and subtracts its attempt, for faults that never
	// count.
	Release(ctx context.Context, id object.ID, owner string) error
}

// Glue transforms objects too large for the Lambda function.
type Glue interface {
	// Send asks for a Glue run with the object.
	Send(ctx context.Context, w work.Work) error
}

// Stage handles the messages of the transform queue.
type Stage struct {
	Contracts contract.Set
	Journal   Journal
	Engine    *Engine
	// Glue is nil without a Glue job.
	Glue Glue
	// Attempts is the maximum number of starts of an object.
	Attempts int
	Now      func() time.Time
	// NewID returns a unique text for an attempt.
	NewID func() string
}

// Handle transforms the object of the message. A refused object is no error: route
// reads its receipt and reports the permanent fault.
func (s *Stage) Handle(ctx context.Context, m batch.Message) error {
	w, err := work.Decode(m.Body, work.Transform)
	if err != nil {
		return fault.Permanentf("decode message", fault.Undecodable, "%w", err)
	}
	if err := s.handle(ctx, m, w); err != nil {
		return fault.ForObject(err, string(w.Object.ID()), w.Generation, w.Dataset, w.Object.URI())
	}
	return nil
}

func (s *Stage) handle(ctx context.Context, m batch.Message, w work.Work) error {
	c := s.Contracts.ByDataset(w.Dataset)
	if c == nil {
		return fault.Permanentf("find contract", fault.NoDataset, "no contract of this deployment is named %s", w.Dataset)
	}
	mayUseGlue := s.glueAllowed(w, c)
	if mayUseGlue && needsGlue(w, c, s.remainingTime(ctx)) {
		return s.Glue.Send(ctx, w)
	}
	entry, claimed, err := s.Journal.Start(ctx, w, m.ID, batch.InvocationEnd(ctx, s.Now()))
	if err != nil {
		return fmt.Errorf("claim object: %w", err)
	}
	log := telemetry.Logger(ctx).With(telemetry.Object(w.Object, w.Dataset)...).With(telemetry.KeyAttempt, entry.Attempts)
	if !claimed {
		log.InfoContext(ctx, "object not claimed", telemetry.KeyState, string(entry.State))
		return nil
	}
	if mayUseGlue && entry.Attempts > 1 { // killed before, or out of time
		return s.handOver(ctx, m, w)
	}
	if entry.Attempts > s.Attempts {
		return fault.Permanentf("transform object", fault.Crashed, "the object was started %d times and never finished", entry.Attempts-1)
	}
	receipt, err := s.Engine.Transform(ctx, Job{Work: w, Contract: c, Attempt: object.AttemptName(w.Generation, entry.Attempts, s.NewID()), MayStop: mayUseGlue})
	if mayUseGlue && fault.Is(err, fault.OutOfTime) {
		return s.handOver(ctx, m, w)
	}
	if err != nil {
		return s.attemptFault(ctx, m, w, entry, err)
	}
	s.log(ctx, log, receipt)
	return nil
}

// handOver sends a claimed object to Glue. The message must come before the release of
// the claim. Otherwise a failure in between would leave the object without both.
func (s *Stage) handOver(ctx context.Context, m batch.Message, w work.Work) error {
	if err := s.Glue.Send(ctx, w); err != nil {
		return err
	}
	return s.Journal.Release(ctx, w.Object.ID(), m.ID)
}

// remainingTime is the remaining time of this invocation.
func (s *Stage) remainingTime(ctx context.Context) time.Duration {
	return batch.InvocationEnd(ctx, s.Now()).Sub(s.Now())
}

// attemptFault adds the number of the attempt to the fault. If the fault never counts,
// attemptFault releases the claim.
func (s *Stage) attemptFault(ctx context.Context, m batch.Message, w work.Work, entry journal.Entry, err error) error {
	f := *fault.As(err)
	f.Attempt = entry.Attempts
	if f.Disposition != fault.RetryAfter {
		return &f
	}
	if err := s.Journal.Release(ctx, w.Object.ID(), m.ID); err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "claim not released", telemetry.KeyObject, string(w.Object.ID()), telemetry.KeyError, err.Error())
	}
	return &f
}

func (s *Stage) log(ctx context.Context, log *slog.Logger, r work.Receipt) {
	log.InfoContext(ctx, "object transformed", telemetry.KeyOutcome, string(r.Outcome), telemetry.KeyCode, r.Code,
		telemetry.KeyRows, r.RowsRead, telemetry.KeyWritten, r.RowsWritten, telemetry.KeyRejected, r.RowsRejected,
		telemetry.KeyDuration, r.FinishedAt.Sub(r.StartedAt).Milliseconds())
}
