package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// lostObject is an object of a message that no function completed.
type lostObject struct {
	stage   work.Stage
	id      object.ID
	object  object.Object // empty if the message has only the id
	dataset string
	// generation is the generation of the work or of the receipt.
	generation int
	// receipt reports whether the message announced a receipt instead of a landing
	// object.
	receipt bool
}

// readUnreported reads a dead letter that SQS moved without a fault. Each function with
// the message crashed before its report: out of memory, out of time, or a failed start.
// readUnreported first records the failure in the journal, so that a redrive can find
// the object.
func (a *Alerter) readUnreported(ctx context.Context, m batch.Message) ([]failure, error) {
	if f, found := lostWithdrawal(m); found {
		return []failure{f}, nil
	}
	objects, named := lostObjectsOf(m.Body)
	if !named {
		return []failure{unknownFailure(m)}, nil
	}
	var failures []failure
	for _, lost := range objects {
		f, err := a.recordLost(ctx, m, lost)
		if err != nil {
			return nil, fault.ForObject(err, string(lost.id), lost.generation, lost.dataset, lost.object.URI())
		}
		if f != nil {
			failures = append(failures, *f)
		}
	}
	return failures, nil
}

// lostWithdrawal returns the failure of a withdrawal that no function completed. It has
// no object id, because the journal rightly has the object as loaded.
func lostWithdrawal(m batch.Message) (failure, bool) {
	w, err := work.Decode(m.Body, work.Load)
	if err != nil || w.Withdraw == nil {
		return failure{}, false
	}
	return failure{
		messageID: m.ID, stage: string(work.Load), code: string(fault.NotWithdrawn), dataset: w.Dataset, hint: fault.NotWithdrawn.Hint(),
		cause:   fmt.Sprintf("the load function received the message %d times and ended each time without a report", m.Receives),
		subject: w.Object.URI(), at: m.Sent, body: m.Body,
	}, true
}

// lostObjectsOf returns the objects in a message. It returns false if the message is
// neither work nor an S3 event.
func lostObjectsOf(body string) ([]lostObject, bool) {
	for _, stage := range []work.Stage{work.Transform, work.Load} {
		if w, err := work.Decode(body, stage); err == nil {
			return []lostObject{{stage: stage, id: w.Object.ID(), object: w.Object, dataset: w.Dataset, generation: w.Generation}}, true
		}
	}
	notices, err := event.Decode(body)
	if err != nil {
		return nil, false
	}
	var objects []lostObject
	for _, n := range notices {
		if n.IsRemoval() { // the next sweep announces the deletion again
			continue
		}
		if attempt, found := n.Attempt(); found {
			objects = append(objects, lostObject{stage: work.Route, id: attempt.Object, dataset: attempt.Dataset, generation: attempt.Generation(), receipt: true})
			continue
		}
		objects = append(objects, lostObject{stage: work.Route, id: n.Object.ID(), object: n.Object})
	}
	return objects, true
}

// recordLost records the failure of the object in the journal and returns the failure.
// It returns nil if the object has passed the crashed stage.
func (a *Alerter) recordLost(ctx context.Context, m batch.Message, lost lostObject) (*failure, error) {
	entry, err := a.entryOfLost(ctx, lost)
	if err != nil {
		return nil, err
	}
	if lost.receipt {
		lost.object = entry.Object
	}
	crash := &fault.Fault{
		Op: "handle message", Code: fault.Crashed, Disposition: fault.Permanent,
		ObjectID: string(lost.id), Generation: lost.generation, Dataset: lost.dataset, Subject: lost.object.URI(),
		Err: fmt.Errorf("the %s function received the message %d times and ended each time without a report", lost.stage, m.Receives),
	}
	recorded := !needsNothing(entry, lost)
	if recorded && entry.State == journal.Failed { // the stage recorded the failure, but its dead letter was lost
		crash.Code, crash.Hint, crash.Err = fault.Code(entry.Code), entry.Hint, errors.New(entry.Cause)
		lost.stage = work.Stage(entry.Stage)
	} else if recorded {
		if recorded, err = a.Journal.Fail(ctx, crash, string(lost.stage), m.Queue, m.Body); err != nil {
			return nil, err
		}
	}
	if !recorded {
		telemetry.Logger(ctx).InfoContext(ctx, "dead letter dropped: object has moved on",
			telemetry.KeyObject, string(lost.id), telemetry.KeyState, string(entry.State))
		return nil, nil
	}
	f := &failure{
		messageID: m.ID, stage: string(lost.stage), code: string(crash.Code), dataset: lost.dataset, cause: crash.Cause(),
		hint: crash.Advice(), objectID: string(lost.id), object: lost.object, at: m.Sent, body: m.Body,
	}
	a.addJournalState(ctx, f)
	return f, nil
}

// entryOfLost returns the object's entry. If route crashed before the first entry,
// entryOfLost creates the entry, because the failure and a redrive need the entry.
func (a *Alerter) entryOfLost(ctx context.Context, lost lostObject) (journal.Entry, error) {
	entry, err := a.Journal.Get(ctx, lost.id)
	if errors.Is(err, journal.ErrNotFound) {
		if lost.receipt { // no entry can be created without the landing object
			return journal.Entry{}, nil
		}
		return a.Journal.Receive(ctx, lost.object, lost.dataset)
	}
	return entry, err
}

// needsNothing reports whether the object needs no further work of the crashed stage:
// the object is in a later state, or was reloaded since.
func needsNothing(entry journal.Entry, lost lostObject) bool {
	if entry.Generation > lost.generation {
		return true
	}
	landing := lost.stage == work.Route && !lost.receipt
	switch entry.State {
	case journal.Loaded, journal.Superseded, journal.Ignored:
		return true
	case journal.Transformed:
		return landing || lost.stage == work.Transform
	case journal.Transforming:
		return landing
	default:
		return false
	}
}

// unknownFailure returns the failure of a dead letter without an object: an ingestion
// run, or a message that no stage can read.
func unknownFailure(m batch.Message) failure {
	code := fault.Undecodable
	cause := "the message is neither work nor an S3 event, and no stage reported a fault"
	var request struct {
		Dataset string `json:"dataset"`
	}
	if json.Unmarshal([]byte(m.Body), &request) == nil && request.Dataset != "" {
		code = fault.Crashed
		cause = fmt.Sprintf("the function received the message %d times and ended each time without a report", m.Receives)
	}
	return failure{
		messageID: m.ID, code: string(code), dataset: request.Dataset, cause: cause, hint: code.Hint(),
		at: m.Sent, body: m.Body,
	}
}
