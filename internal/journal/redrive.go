package journal

import (
	"context"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Redrive is the message that the caller of Table.Redrive must send.
type Redrive struct {
	// Stage is the stage whose queue gets the message.
	Stage work.Stage
	// Body is the body of the message.
	Body string
}

// Redrive puts a failed object back to Received, or to Transformed if only the load
// must run again. The attempts count from 0. The caller must send the returned message.
//
// A second Redrive of a received or transformed object returns the same message again
// and changes nothing: the operator's command may have stopped before the send. Any
// other state is an error.
func (t *Table) Redrive(ctx context.Context, id object.ID) (Redrive, error) {
	entry, err := t.Get(ctx, id)
	if err != nil {
		return Redrive{}, err
	}
	redrive := redriveOf(entry)
	if entry.Redrives > 0 && (entry.State == Received || entry.State == Transformed) {
		return redrive, nil
	}
	if entry.State != Failed {
		return Redrive{}, fmt.Errorf("redrive %s: the object is %s, not failed", entry.Object.URI(), entry.State)
	}
	state := Received
	if redrive.Stage == work.Load {
		state = Transformed
	}
	change := newChange(state).from(Failed).
		count("redrives").
		clear("attempts", "owner", "lease", "manifest", "run", "stage", "code", "cause", "hint").
		clear(attributesOfSweep...)
	_, moved, err := t.apply(ctx, id, entry.Dataset, change)
	if err == nil && !moved {
		err = fmt.Errorf("redrive %s: the state changed during the redrive, check the object again", entry.Object.URI())
	}
	return redrive, err
}

// redriveOf decides the stage of the next try. A failed load with a sound receipt goes
// to load. Any other object goes to transform, because the same receipt would give the
// same fault. An object without a dataset goes to route, with the original message.
func redriveOf(e Entry) Redrive {
	loadFailed := e.Stage == string(work.Load) || e.State == Transformed
	receiptIsSound := loadFailed && e.Receipt != nil &&
		e.Code != string(fault.ReceiptMismatch) && e.Code != string(fault.ReceiptMissing)
	again := work.Work{Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}
	switch {
	case e.Dataset == "":
		return Redrive{Stage: work.Route, Body: e.Message}
	case receiptIsSound:
		again.Stage, again.Receipt = work.Load, e.Receipt
	default:
		again.Stage = work.Transform
	}
	return Redrive{Stage: again.Stage, Body: again.Encode()}
}
