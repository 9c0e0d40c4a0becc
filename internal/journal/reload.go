package journal

import (
	"context"
	"fmt"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Reload is what became of an operator's reload of one object.
type Reload struct {
	// Generation is the object's from now on.
	Generation int
	// Work is what the caller must send; nil if there is nothing to send.
	Work *work.Work
	// UnderWay tells that the object was being reloaded before: no generation was
	// added. Its message may not have been sent, so there may be Work all the same.
	UnderWay bool
	// Refused says why the object can't be reloaded; empty if it can.
	Refused string
}

// Reload puts a loaded or failed object back to received, one generation on, for
// its transform under the contract that is deployed now. What is in the table
// stays there until the new generation is loaded. An object that is on its way as
// a reload already gets no further generation.
func (t *Table) Reload(ctx context.Context, id object.ID) (Reload, error) {
	entry, err := t.Get(ctx, id)
	if err != nil {
		return Reload{}, err
	}
	plan := entry.PlanReload()
	if plan.Refused != "" || plan.UnderWay {
		return plan, nil
	}
	same := "#generation = :before"
	if entry.Generation == 0 {
		same += " OR attribute_not_exists(#generation)"
	}
	change := newChange(Received).from(Loaded, Failed).
		set("generation", number(int64(plan.Generation))).
		count("reloads").
		where(same).
		bind(":before", number(int64(entry.Generation))).
		clear("attempts", "owner", "lease", "manifest", "run", "receipt_bucket", "receipt_key", "engine",
			"rows_read", "rows_written", "rows_rejected", "stage", "code", "cause", "hint", "message", "queue").
		clear(attributesOfSweep...)
	after, moved, err := t.apply(ctx, id, entry.Dataset, change)
	switch {
	case err != nil:
		return Reload{}, err
	case !moved:
		return after.unchanged(), nil
	}
	return plan, nil
}

// PlanReload tells what a reload of the object would do now.
func (e Entry) PlanReload() Reload {
	if !e.reloadable() {
		return e.unchanged()
	}
	e.Generation++
	return Reload{Generation: e.Generation, Work: e.transform()}
}

func (e Entry) reloadable() bool { return e.State == Loaded || e.State == Failed && e.Dataset != "" }

// unchanged tells of an object to which no generation was added.
func (e Entry) unchanged() Reload {
	r := Reload{Generation: e.Generation}
	switch {
	case e.State == Superseded:
		r.Refused = fmt.Sprintf("it is superseded: the rows of %s took the place of its own", e.SupersededBy)
	case e.State == Ignored:
		r.Refused = "it is ignored: " + e.Reason
	case e.Dataset == "":
		r.Refused = "no contract claimed it: once one does, redrive it"
	case e.reloadable():
		r.Refused = fmt.Sprintf("it became %s meanwhile: look again", e.State)
	case e.Generation == 0:
		r.Refused = fmt.Sprintf("it is %s, on its way for the first time", e.State)
	case e.State == Received:
		r.UnderWay, r.Work = true, e.transform()
	default:
		r.UnderWay = true
	}
	return r
}

func (e Entry) transform() *work.Work {
	return &work.Work{Stage: work.Transform, Dataset: e.Dataset, Object: e.Object, Generation: e.Generation}
}

// Restore makes the entry of an object that the ledger has and the journal lost.
// It leaves one that is there as it is.
func (t *Table) Restore(ctx context.Context, o object.Object, dataset string, l Load) error {
	change := newChange(Loaded).
		set("dataset", text(dataset)).
		set("generation", number(int64(l.Generation))).
		set("load_id", text(l.LoadID)).
		set("query_id", text(l.QueryID)).
		set("rows_loaded", number(l.Rows))
	if _, err := t.create(ctx, o, change); err != nil {
		return err
	}
	return t.updateNewest(ctx, o)
}
