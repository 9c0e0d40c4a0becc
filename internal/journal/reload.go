package journal

import (
	"context"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Reload is the result of an operator's reload of one object.
type Reload struct {
	// Generation is the generation of the object after the reload.
	Generation int
	// Work is the message that the caller must send; nil for none.
	Work *work.Work
	// Mark is the mark for Table.Sent after the send.
	Mark string
	// UnderWay means that an earlier or a simultaneous reload moved the object, and that
	// no generation was added. Work is set if the other command never sent the message.
	UnderWay bool
	// Refused is the reason for a refused reload; empty if the reload is possible.
	Refused string
}

// Reload puts a loaded, failed or dismissed object back to Received and adds a
// generation. The next transform uses the contract of the current deployment. The
// earlier rows stay in the Snowflake table until the load of the new generation. An
// object in another reload gets no further generation. The caller must send Reload.Work
// and then call Sent.
func (t *Table) Reload(ctx context.Context, id object.ID) (Reload, error) {
	for range maxMoves {
		entry, mark, err := t.getMarked(ctx, id)
		if err != nil {
			return Reload{}, err
		}
		plan := entry.PlanReload()
		if plan.Refused != "" || plan.UnderWay {
			if plan.Work != nil {
				plan.Mark = mark
			}
			return plan, nil
		}
		change := entry.reload(plan.Generation)
		after, moved, err := t.apply(ctx, id, entry.Dataset, change)
		switch {
		case err != nil:
			return Reload{}, err
		case moved:
			plan.Mark = change.mark()
			return plan, nil
		case after.Generation > entry.Generation:
			return Reload{Generation: after.Generation, UnderWay: true}, nil
		}
	}
	return Reload{}, fault.Dependency("reload object", fault.JournalAway, fmt.Errorf("the entry of %s changed during each of %d tries", id, maxMoves))
}

// reload returns the change of the entry to the generation.
func (e Entry) reload(generation int) *change {
	sameGeneration := "#generation = :before"
	if e.Generation == 0 {
		sameGeneration += " OR attribute_not_exists(#generation)"
	}
	return newChange(Received).from(Loaded, Failed, Dismissed).
		set("generation", number(int64(generation))).
		count("reloads").
		markUnsent("").
		where(sameGeneration).
		bind(":before", number(int64(e.Generation))).
		clear("attempts", "owner", "lease", "manifest", "run", "receipt_bucket", "receipt_key", "engine",
			"rows_read", "rows_written", "rows_rejected", "rejects_by_rule", "stage", "code", "cause", "hint", "message", "queue").
		clear(attributesOfDismissal...).
		clear(attributesOfSweep...)
}

// PlanReload returns the result of a reload now, and changes nothing.
func (e Entry) PlanReload() Reload {
	if !e.reloadable() {
		return e.unchanged()
	}
	e.Generation++
	return Reload{Generation: e.Generation, Work: e.transform()}
}

func (e Entry) reloadable() bool {
	return e.State == Loaded || (e.State == Failed || e.State == Dismissed) && e.Dataset != ""
}

// unchanged is the result for an object without a new generation.
func (e Entry) unchanged() Reload {
	r := Reload{Generation: e.Generation}
	switch {
	case e.State == Superseded:
		r.Refused = fmt.Sprintf("the object is superseded: the rows of %s replaced the object's rows", e.SupersededBy)
	case e.State == Withdrawn:
		r.Refused = "the object is withdrawn: put the file again"
	case e.State == Ignored:
		r.Refused = "the object is ignored: " + e.Reason
	case e.Dataset == "":
		r.Refused = "the object has no contract: add a contract, then redrive the object"
	case e.Generation == 0:
		r.Refused = fmt.Sprintf("the object is %s, before the first load", e.State)
	case e.State == Received && e.Unsent:
		r.UnderWay, r.Work = true, e.transform()
	default:
		r.UnderWay = true
	}
	return r
}

func (e Entry) transform() *work.Work {
	return &work.Work{Stage: work.Transform, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}
}

// Restore makes a loaded entry for an object that the ledger has and the journal lost.
// An existing entry doesn't change.
func (t *Table) Restore(ctx context.Context, o object.Object, dataset string, l Load) error {
	change := newChange(Loaded).
		set("dataset", text(dataset)).
		set("generation", number(int64(l.Generation))).
		set("load_id", text(l.LoadID)).
		set("query_id", text(l.QueryID)).
		set("rows_loaded", number(l.Rows)).
		set("duplicate_of", text(string(l.DuplicateOf)))
	if _, err := t.create(ctx, o, change); err != nil {
		return err
	}
	return t.updateNewest(ctx, o)
}
