package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// RunState is the state of an ingestion run.
type RunState string

// The states of a run. Only RunFinished is final.
const (
	// RunOrdered: a message asks ingest for the run, and no invocation has begun.
	RunOrdered RunState = "ordered"
	// RunRunning: ingest has begun the run. A function or the queue has a message of the
	// run.
	RunRunning RunState = "running"
	// RunWaiting: the run waits for its next try, and no queue has a message of the run.
	RunWaiting RunState = "waiting"
	// RunFinished: all records of the run are in the landing bucket.
	RunFinished RunState = "finished"
	// RunFailed: a permanent fault stopped the run. Another order starts the run again at
	// its checkpoint.
	RunFailed RunState = "failed"
)

// RunName names an ingestion run. A dataset has one run for each id.
type RunName struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// ID is the id of the run, from the run's time interval.
	ID string `json:"run_id"`
}

// FullName returns <dataset>/<run id>.
func (n RunName) FullName() string { return n.Dataset + "/" + n.ID }

// Run is the journal's record of one ingestion run.
type Run struct {
	RunName

	State RunState `json:"state"`
	// Ordered is the time of the last order: by an operator, by the first message of the
	// run, or by alert after a wait.
	Ordered time.Time `json:"ordered_at,omitzero"`
	// Progressed is the time of the last progress: the first order, an order after a
	// failure, or a checkpoint. A further try is no progress.
	Progressed time.Time `json:"progressed_at,omitzero"`
	// Finished and Failed are the times of these states; the zero time in another state.
	Finished time.Time `json:"finished_at,omitzero"`
	Failed   time.Time `json:"failed_at,omitzero"`
	// Pages and Rows count the fetched pages and the rows in the landing bucket, of the
	// current pass.
	Pages int   `json:"pages"`
	Rows  int64 `json:"rows"`
	// Delay describes the last try since the last progress that will be repeated; nil for
	// none.
	Delay *Delay `json:"delay,omitempty"`
	// Code, Cause and Hint are the fault of a failed run, and Stage is its stage.
	Stage string `json:"stage,omitempty"`
	Code  string `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Message is the body of the message that asks ingest for the run. Message is empty
	// for a run that failed before its first order in the journal.
	Message string `json:"-"`
	// SweepCount counts the sweeps that found the run without activity since the last
	// progress or delay. LastSweepAt is the time of the last such sweep.
	SweepCount  int       `json:"looks,omitempty"`
	LastSweepAt time.Time `json:"looked_at,omitzero"`
	// Sweeper is the id of the message with the last claim for a sweep.
	Sweeper string `json:"-"`

	checkpoint string
	// resumingUntil is the end of the claim of ClaimResume; the zero time without a claim.
	resumingUntil time.Time
}

// LastActivity is the time of the last sign of life: the last order, the last progress
// or the last failed try.
func (r Run) LastActivity() time.Time {
	last := r.Progressed
	if r.Ordered.After(last) {
		last = r.Ordered
	}
	if r.Delay != nil && r.Delay.Last.After(last) {
		last = r.Delay.Last
	}
	return last
}

// WaitCode returns the cause of the wait of a run without an end: the code of the last
// failed try, not_tried if no function has tried the run for long, and empty for a run on
// its usual way. A run that waits for its next try is not silent.
func (r Run) WaitCode(at time.Time) fault.Code {
	last := r.LastActivity()
	if r.State == RunWaiting && r.Delay.Next.After(last) {
		last = r.Delay.Next
	}
	return waitCode(r.Delay, at.Sub(last), silence)
}

// WaitsTooLong reports whether the run has had no progress for longer than the time after
// which a mail reports the wait.
func (r Run) WaitsTooLong(at time.Time) bool {
	return lastsTooLong(r.WaitCode(at), at.Sub(r.Progressed))
}

// hasMessage reports whether a queue or a function has a message of the run, unless the
// message was lost.
func (r Run) hasMessage() bool { return r.State == RunOrdered || r.State == RunRunning }

// restart forgets a failure, and the delay and the sweeps before the failure.
func (r *Run) restart(now time.Time) {
	r.Progressed = now
	r.clearFault()
	r.clearDelay()
}

func (r *Run) clearFault() {
	r.Failed, r.Stage, r.Code, r.Cause, r.Hint = time.Time{}, "", "", "", ""
}

// clearDelay removes the delay, the claims for the end of a wait and the sweeps.
func (r *Run) clearDelay() {
	r.Delay, r.resumingUntil = nil, time.Time{}
	r.clearSweeps()
}

func (r *Run) clearSweeps() { r.SweepCount, r.LastSweepAt, r.Sweeper = 0, time.Time{}, "" }

// RunOrder is the order of a run.
type RunOrder struct {
	RunName

	// Message is the body of the message that asks ingest for the run.
	Message string
}

// OrderRun records the order of a run, before the caller sends the message. The result
// is the run after the order.
//
//   - A new run becomes ordered. A failed run becomes ordered and resumes at its
//     checkpoint.
//   - A waiting run becomes ordered: the message ends the wait.
//   - An ordered or running run keeps its state. The new message replaces a lost
//     message, and a second message does no harm.
//   - A finished run doesn't change, and the caller must send no message.
func (t *Table) OrderRun(ctx context.Context, o RunOrder) (Run, error) {
	run, _, err := t.changeRun(ctx, o.RunName, func(r *Run) bool {
		now := t.Now()
		switch r.State {
		case RunFinished:
			return false
		case "", RunFailed:
			r.restart(now)
		case RunOrdered, RunRunning, RunWaiting:
		}
		if r.State != RunRunning {
			r.State = RunOrdered
		}
		r.Ordered, r.Message, r.resumingUntil = now, o.Message, time.Time{}
		return true
	})
	return run, err
}

// StartRun begins a try at a run, and makes the run running. A run without an order in
// the journal, for example of a schedule, is ordered at the same time. StartRun returns
// false for a finished run and for a waiting run whose wait isn't over. The returned run
// shows the reason.
func (t *Table) StartRun(ctx context.Context, o RunOrder) (Run, bool, error) {
	return t.changeRun(ctx, o.RunName, func(r *Run) bool {
		now := t.Now()
		switch r.State {
		case RunFinished:
			return false
		case RunWaiting:
			// alert claims the run before the send, so a claim also ends the wait.
			if now.Before(r.Delay.Next) && r.resumingUntil.IsZero() {
				return false
			}
		case "", RunFailed:
			r.restart(now)
			r.Ordered = now
		case RunOrdered, RunRunning:
		}
		r.State, r.Message, r.resumingUntil = RunRunning, o.Message, time.Time{}
		return true
	})
}

// RunProgress is the progress of a run at a checkpoint.
type RunProgress struct {
	// Pages and Rows count the fetched pages and the rows in the landing bucket, of the
	// current pass.
	Pages int
	Rows  int64
	// Finished reports whether the run has ended.
	Finished bool
}

// Checkpoint reads the run's checkpoint into the value behind the pointer into. The
// result is false for a run without a checkpoint.
func (t *Table) Checkpoint(ctx context.Context, name RunName, into any) (bool, error) {
	run, _, err := t.readRun(ctx, name)
	if err != nil || run.checkpoint == "" {
		return false, err
	}
	if err := json.Unmarshal([]byte(run.checkpoint), into); err != nil {
		return false, fmt.Errorf("checkpoint of run %s: %w", name.FullName(), err)
	}
	return true, nil
}

// SaveCheckpoint replaces the run's checkpoint. The run is running or finished. A
// checkpoint is progress, so an earlier fault or delay of the run is removed. A finished
// run stays finished: the checkpoint of a slow duplicate changes nothing.
func (t *Table) SaveCheckpoint(ctx context.Context, name RunName, value any, p RunProgress) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("checkpoint of run %s: %w", name.FullName(), err)
	}
	_, _, err = t.changeRun(ctx, name, func(r *Run) bool {
		if r.State == RunFinished && !p.Finished {
			return false
		}
		now := t.Now()
		r.restart(now)
		r.State, r.Finished = RunRunning, time.Time{}
		if p.Finished {
			r.State, r.Finished = RunFinished, now
		}
		r.checkpoint, r.Pages, r.Rows = string(body), p.Pages, p.Rows
		return true
	})
	return err
}

// DelayRun ends a try at a run with a wait in the journal: the run becomes waiting until
// d.Next, and the caller may delete the message. Sweeps count from 0 again. DelayRun
// changes nothing in a finished or failed run.
func (t *Table) DelayRun(ctx context.Context, name RunName, d Delay) error {
	_, _, err := t.changeRun(ctx, name, func(r *Run) bool {
		if r.State == RunFinished || r.State == RunFailed {
			return false
		}
		r.clearDelay()
		d.Cause = truncate(d.Cause)
		r.State, r.Delay = RunWaiting, &d
		return true
	})
	return err
}

// delayedRun records a try at a run whose message comes back. The state doesn't change,
// because the queue keeps the message.
func (t *Table) delayedRun(ctx context.Context, f *fault.Fault, stage string, after time.Duration) error {
	_, _, err := t.changeRun(ctx, RunName{f.Dataset, f.RunID}, func(r *Run) bool {
		if !r.hasMessage() {
			return false
		}
		tries := 1
		if r.Delay != nil {
			tries += r.Delay.Tries
		}
		r.clearDelay()
		now := t.Now()
		r.Delay = &Delay{
			Stage: stage, Code: f.Code, Cause: truncate(f.Cause()), Hint: f.Advice(), Tries: tries,
			Last: now, Next: now.Add(after),
		}
		return true
	})
	return err
}

// failRun records the fault of a run, and keeps the run's checkpoint. It returns false
// for a finished run: a late duplicate of a message is no failure.
func (t *Table) failRun(ctx context.Context, f *fault.Fault, stage string) (bool, error) {
	run, _, err := t.changeRun(ctx, RunName{f.Dataset, f.RunID}, func(r *Run) bool {
		if r.State == RunFinished {
			return false
		}
		r.State, r.Failed, r.Delay, r.resumingUntil = RunFailed, t.Now(), nil, time.Time{}
		r.Stage, r.Code, r.Cause, r.Hint = stage, string(f.Code), truncate(f.Cause()), f.Advice()
		return true
	})
	return run.State == RunFailed, err
}

// ClaimResume gives the send of the next message of a waiting run to one caller, for a
// minute. The result is false during another claim, before the end of the wait, and for a
// run in another state. After a failed send the claim lasts until the end of the minute.
// Then the next caller sends the message.
func (t *Table) ClaimResume(ctx context.Context, name RunName) (bool, error) {
	_, claimed, err := t.changeRun(ctx, name, func(r *Run) bool {
		now := t.Now()
		if r.State != RunWaiting || now.Before(r.Delay.Next) || now.Before(r.resumingUntil) {
			return false
		}
		r.resumingUntil = now.Add(claimTime)
		return true
	})
	return claimed, err
}

// RecordResume records the sent message of a claimed run: the run is ordered.
// RecordResume changes nothing in a run that doesn't wait any more, for example because
// ingest has begun the run already.
func (t *Table) RecordResume(ctx context.Context, name RunName) error {
	_, _, err := t.changeRun(ctx, name, func(r *Run) bool {
		if r.State != RunWaiting || r.resumingUntil.IsZero() {
			return false
		}
		r.State, r.Ordered, r.resumingUntil = RunOrdered, t.Now(), time.Time{}
		return true
	})
	return err
}

// ClaimRunForSweep claims a run without activity since before the time for a sweep, and
// counts the sweep. The claimant is the id of the sweep's message. The same message may
// claim again after a redelivery, without a second count. ClaimRunForSweep returns false
// for a run with activity, for a run that another sweep claimed since the time, and for
// a run that is neither ordered nor running. The returned run is the current run.
func (t *Table) ClaimRunForSweep(ctx context.Context, name RunName, claimant string, before time.Time) (Run, bool, error) {
	again := false
	run, claimed, err := t.changeRun(ctx, name, func(r *Run) bool {
		idle := r.hasMessage() && r.LastActivity().Before(before)
		if again = idle && r.Sweeper == claimant; again {
			return false
		}
		if !idle || r.LastSweepAt.After(before) {
			return false
		}
		r.SweepCount, r.LastSweepAt, r.Sweeper = r.SweepCount+1, t.Now(), claimant
		return true
	})
	return run, claimed || again, err
}
