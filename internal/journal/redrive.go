package journal

import (
	"context"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Redrive is what an operator's redrive must send.
type Redrive struct {
	// Stage is the one whose queue takes the message.
	Stage work.Stage
	// Body is the message.
	Body string
}

// Redrive puts a failed object back to where its failure can be mended, and
// returns the message that the caller must send. Its attempts begin anew. An
// object that was redriven but whose message may not have been sent (the
// operator's command was killed in between) gives its message again. Any other
// state is an error.
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
		return Redrive{}, fmt.Errorf("redrive %s: it is %s, not failed", entry.Object.URI(), entry.State)
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
		err = fmt.Errorf("redrive %s: its state changed meanwhile, look again", entry.Object.URI())
	}
	return redrive, err
}

// redriveOf decides where a failed object starts again: a load whose receipt
// is sound at the load, all else at the transform, since the same receipt
// would give the same answer. A key that nobody claimed goes through route.
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
