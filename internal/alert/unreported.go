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

// lostObject is an object whose message was never acknowledged.
type lostObject struct {
	stage   work.Stage
	id      object.ID
	object  object.Object // empty where the message names the id only
	dataset string
	// generation is the work's, or the receipt's.
	generation int
	// receipt is whether the message announced a receipt, not a landing object.
	receipt bool
}

// readUnreported reads a dead letter that SQS moved by itself: each function
// that had it died (out of memory, out of time, a failed start) before it could
// say why. The journal is brought up to date first, so that the object can be
// redriven.
func (a *Alerter) readUnreported(ctx context.Context, m batch.Message) ([]failure, error) {
	casualties, named := lostObjectsOf(m.Body)
	if !named {
		return []failure{unknownFailure(m)}, nil
	}
	var failures []failure
	for _, c := range casualties {
		f, err := a.recordLost(ctx, m, c)
		if err != nil {
			return nil, fault.ForObject(err, string(c.id), c.dataset, c.object.URI())
		}
		if f != nil {
			failures = append(failures, *f)
		}
	}
	return failures, nil
}

// lostObjectsOf returns the objects that a message is about; false if it is
// neither work nor an event of S3.
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
	var casualties []lostObject
	for _, n := range notices {
		if attempt, found := n.Attempt(); found {
			casualties = append(casualties, lostObject{stage: work.Route, id: attempt.Object, dataset: attempt.Dataset, generation: attempt.Generation(), receipt: true})
			continue
		}
		casualties = append(casualties, lostObject{stage: work.Route, id: n.Object.ID(), object: n.Object})
	}
	return casualties, true
}

// recordLost writes that the object failed, and returns what to say of it: nil for
// an object that is past the stage that died.
func (a *Alerter) recordLost(ctx context.Context, m batch.Message, c lostObject) (*failure, error) {
	entry, err := a.entryOfLost(ctx, c)
	if err != nil {
		return nil, err
	}
	if c.receipt {
		c.object = entry.Object
	}
	crash := &fault.Fault{
		Op: "handle message", Code: fault.Crashed, Disposition: fault.Permanent,
		ObjectID: string(c.id), Dataset: c.dataset, Subject: c.object.URI(),
		Err: fmt.Errorf("the function %s had the message %d times and died each time before it could say why", c.stage, m.Receives),
	}
	recorded := !needsNothing(entry, c)
	if recorded && entry.State == journal.Failed { // recorded before, and its dead letter was lost
		crash.Code, crash.Hint, crash.Err = fault.Code(entry.Code), entry.Hint, errors.New(entry.Cause)
		c.stage = work.Stage(entry.Stage)
	} else if recorded {
		if recorded, err = a.Journal.Fail(ctx, crash, string(c.stage), m.Queue, m.Body); err != nil {
			return nil, err
		}
	}
	if !recorded {
		telemetry.Logger(ctx).InfoContext(ctx, "dead letter of an object that is further on",
			telemetry.KeyObject, string(c.id), telemetry.KeyState, string(entry.State))
		return nil, nil
	}
	f := &failure{
		messageID: m.ID, stage: string(c.stage), code: string(crash.Code), dataset: c.dataset, cause: crash.Cause(),
		hint: crash.Advice(), objectID: string(c.id), object: c.object, at: m.Sent, body: m.Body,
	}
	a.addJournalState(ctx, f)
	return f, nil
}

// entryOfLost returns the object's entry. Where route died first there is none, and
// it is made here: the failure needs a place, and a redrive its message.
func (a *Alerter) entryOfLost(ctx context.Context, c lostObject) (journal.Entry, error) {
	entry, err := a.Journal.Get(ctx, c.id)
	if errors.Is(err, journal.ErrNotFound) {
		if c.receipt { // of an object that nobody knows: there is nothing to write on
			return journal.Entry{}, nil
		}
		return a.Journal.Receive(ctx, c.object, c.dataset)
	}
	return entry, err
}

// needsNothing reports whether an object needs nothing more from the stage that died: it
// is further on, or was reloaded since.
func needsNothing(entry journal.Entry, c lostObject) bool {
	if entry.Generation > c.generation {
		return true
	}
	landing := c.stage == work.Route && !c.receipt
	switch entry.State {
	case journal.Loaded, journal.Superseded, journal.Ignored:
		return true
	case journal.Transformed:
		return landing || c.stage == work.Transform
	case journal.Transforming:
		return landing
	default:
		return false
	}
}

// unknownFailure is a dead letter that names no object: an ingestion run, or something
// that doesn't belong into the queue.
func unknownFailure(m batch.Message) failure {
	code := fault.Undecodable
	cause := "it is neither work nor an event of S3, and no stage said why it failed"
	var request struct {
		Dataset string `json:"dataset"`
	}
	if json.Unmarshal([]byte(m.Body), &request) == nil && request.Dataset != "" {
		code = fault.Crashed
		cause = fmt.Sprintf("the function had the message %d times and died each time before it could say why", m.Receives)
	}
	return failure{
		messageID: m.ID, code: string(code), dataset: request.Dataset, cause: cause, hint: code.Hint(),
		at: m.Sent, body: m.Body,
	}
}
