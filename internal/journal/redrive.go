package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/firn-data/firn/internal/event"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Redrive is the result of a redrive of one object.
type Redrive struct {
	// Before is the entry before the redrive.
	Before Entry
	// Stage is the stage whose queue gets the message; empty without a message.
	Stage work.Stage
	// Body is the body of the message that the caller must send; empty for none. Then
	// another command moved the object before, or the object needs no redrive.
	Body string
	// Mark is the mark for Table.Sent after the send.
	Mark string
}

// maxMoves is the number of tries to change an entry that another command changes at the
// same time.
const maxMoves = 3

// Redrive puts a failed or dismissed object back to Received, or to Transformed if only
// the load must run again. The attempts count from 0. The caller must send the message
// and then call Sent.
//
// A redrive of an object in any other state changes nothing. The result has the message
// again if an earlier command moved the object and never sent the message.
func (t *Table) Redrive(ctx context.Context, id object.ID) (Redrive, error) {
	for range maxMoves {
		entry, mark, err := t.getMarked(ctx, id)
		if err != nil {
			return Redrive{}, err
		}
		redrive := Redrive{Before: entry}
		if entry.State != Failed && entry.State != Dismissed {
			if entry.Unsent {
				redrive.address(entry, mark)
			}
			return redrive, nil
		}
		redrive.address(entry, "")
		change := redrive.change()
		_, moved, err := t.apply(ctx, id, entry.Dataset, change)
		if err != nil {
			return Redrive{}, err
		}
		if moved {
			redrive.Mark = change.mark()
			return redrive, nil
		}
	}
	return Redrive{}, fault.Dependency("redrive object", fault.JournalAway, fmt.Errorf("the entry of %s changed during each of %d tries", id, maxMoves))
}

// change returns the change of a failed or dismissed object.
func (r *Redrive) change() *change {
	state := Received
	if r.Stage == work.Load {
		state = Transformed
	}
	return newChange(state).from(Failed, Dismissed).
		count("redrives").
		markUnsent(r.Before.Code).
		clear("attempts", "owner", "lease", "manifest", "run", "stage", "code", "cause", "hint").
		clear(attributesOfDismissal...).
		clear(attributesOfSweep...)
}

// soundReceipt are the codes of failed loads whose cause isn't the receipt or its files.
// After any other code, the same receipt would give the same fault.
var soundReceipt = []fault.Code{
	fault.NoDelivery, fault.DuplicateContent, fault.LedgerBroken, fault.StatementTimeout, fault.TableMissing,
	fault.Stuck, fault.Exhausted, fault.Crashed, fault.Unexpected,
}

// address sets the message of the next try. A failed load with a sound receipt goes to
// load. Any other object goes to transform. An object without a dataset goes to route,
// with the original message. An object that was dismissed before a failure has no such
// message: an event like S3's replaces the message.
func (r *Redrive) address(e Entry, mark string) {
	loadFailed := e.Stage == string(work.Load) && slices.Contains(soundReceipt, fault.Code(e.Code))
	again := work.Work{Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}
	r.Mark = mark
	switch {
	case e.Dataset == "":
		r.Stage, r.Body = work.Route, cmp.Or(e.Message, event.Announce(e.Object, e.Times[Received]))
		return
	case e.Receipt != nil && (loadFailed || e.State == Transformed):
		again.Stage, again.Receipt = work.Load, e.Receipt
	default:
		again.Stage = work.Transform
	}
	r.Stage, r.Body = again.Stage, again.Encode()
}
