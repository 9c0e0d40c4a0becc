package journal

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Receive creates the object's entry as received and returns it, or returns the
// entry that is there. An entry without a dataset takes the one given: its key
// was unclaimed when it came first.
func (t *Table) Receive(ctx context.Context, o object.Object, dataset string) (Entry, error) {
	entry, err := t.create(ctx, o, newChange(Received).set("dataset", text(dataset)))
	if err != nil {
		return Entry{}, err
	}
	if entry.Dataset == "" && dataset != "" && entry.State == Received {
		change := newChange(Received).from(Received).set("dataset", text(dataset))
		if entry, _, err = t.apply(ctx, o.ID(), dataset, change); err != nil {
			return Entry{}, err
		}
	}
	return entry, t.updateNewest(ctx, o)
}

// Ignore records an object that firn leaves alone on purpose, and why.
func (t *Table) Ignore(ctx context.Context, o object.Object, reason string) error {
	if _, err := t.create(ctx, o, newChange(Ignored).set("reason", text(reason))); err != nil {
		return err
	}
	return t.updateNewest(ctx, o)
}

// Start claims the object for a transform until the given time and counts the
// attempt before it begins, so that a killed attempt counts. The owner is the
// message that asks: its own redelivery may claim again, another one only after
// the time is over. It returns false if the object is somebody else's, past this
// state, or was reloaded since the work was asked for; the entry then says which.
func (t *Table) Start(ctx context.Context, w work.Work, owner string, until time.Time) (Entry, bool, error) {
	change := newChange(Transforming).from(Received, Transforming).
		set("owner", text(owner)).
		set("lease", number(until.UnixMilli())).
		count("attempts").
		ofGeneration(w.Generation).
		where("attribute_not_exists(#owner) OR #owner = :owner OR #lease < :now", "owner", "lease").
		bind(":now", number(t.Now().UnixMilli()))
	return t.apply(ctx, w.Object.ID(), w.Dataset, change)
}

// Release gives a claim back without counting its attempt: a dependency was
// away, and that is no fault of the object. It does nothing if the claim is
// somebody else's by now.
func (t *Table) Release(ctx context.Context, id object.ID, owner string) error {
	change := newChange(Received).from(Transforming).
		subtract("attempts").
		where("#owner = :owner", "owner").
		bind(":owner", text(owner)).
		clear("owner", "lease", "manifest", "run")
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// Transformed records an accepted receipt. A failed object moves forward only
// by a receipt that it didn't have when it failed; one that is further on, has a
// receipt already, or was reloaded since, stays as it is.
func (t *Table) Transformed(ctx context.Context, r work.Receipt, at work.Location) (Entry, error) {
	change := newChange(Transformed).from(Received, Transforming, Failed).
		set("receipt_bucket", text(at.Bucket)).
		set("receipt_key", text(at.Key)).
		set("engine", text(r.Engine)).
		set("rows_read", number(r.RowsRead)).
		set("rows_written", number(r.RowsWritten)).
		set("rows_rejected", number(r.RowsRejected)).
		ofGeneration(r.Generation).
		where("#state <> :failed OR attribute_not_exists(#receipt_key) OR #receipt_key <> :receipt_key", "state", "receipt_key").
		bind(":failed", text(string(Failed))).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue").
		clear(attributesOfSweep...)
	entry, _, err := t.apply(ctx, r.ObjectID, r.Dataset, change)
	return entry, err
}

// Loaded records that the ledger has the object, in a generation. An entry of a
// later generation stays as it is: its own load is still to come.
func (t *Table) Loaded(ctx context.Context, id object.ID, l Load) error {
	change := newChange(Loaded).from(Received, Transforming, Transformed, Failed).
		set("load_id", text(l.LoadID)).
		set("query_id", text(l.QueryID)).
		set("rows_loaded", number(l.Rows)).
		ofGeneration(l.Generation).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue")
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// Superseded records that a newer version of the same key has taken the
// object's place; its rows, if it had any, are gone.
func (t *Table) Superseded(ctx context.Context, id, by object.ID) error {
	change := newChange(Superseded).from(Received, Transforming, Transformed, Failed, Loaded).
		set("superseded_by", text(string(by))).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue")
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// Fail records a permanent fault with the message that met it. It reports
// false for an object whose state is final: a late duplicate of one that is
// loaded has nothing to tell. A fault without an object is that of an ingestion
// run, and recorded beside its checkpoint; Glue's runs are not in the journal.
func (t *Table) Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error) {
	if f.ObjectID == "" {
		if stage != string(work.Ingest) {
			return true, nil
		}
		return true, t.failRun(ctx, f)
	}
	change := newChange(Failed).from(Received, Transforming, Transformed, Failed).
		set("stage", text(stage)).
		set("code", text(string(f.Code))).
		set("cause", text(truncate(f.Cause()))).
		set("hint", text(f.Advice())).
		set("query_id", text(f.QueryID)).
		set("message", text(message)).
		set("queue", text(queue)).
		clear("owner", "lease")
	_, recorded, err := t.apply(ctx, object.ID(f.ObjectID), f.Dataset, change)
	if errors.Is(err, ErrNotFound) {
		return true, nil // nothing to record it on: the dead letter alone must tell
	}
	return recorded, err
}

// truncate keeps a cause far below DynamoDB's 400 KB an item, and cuts it between
// two characters.
func truncate(cause string) string {
	const longest = 4 << 10
	if len(cause) <= longest {
		return cause
	}
	end := longest
	for end > 0 && !utf8.RuneStart(cause[end]) {
		end--
	}
	return cause[:end]
}
