package journal

import (
	"cmp"
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Receive creates an entry in the state Received, and returns the entry. For a known
// object Receive returns the existing entry unchanged, with one exception: an entry in
// Received without a dataset gets the given dataset. Such an object had no contract at
// the first event. Receive also updates the newest version of the key.
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

// Ignore records an object that firn doesn't process on purpose, with the reason. For a
// known object the entry doesn't change.
func (t *Table) Ignore(ctx context.Context, o object.Object, reason string) error {
	if _, err := t.create(ctx, o, newChange(Ignored).set("reason", text(reason))); err != nil {
		return err
	}
	return t.updateNewest(ctx, o)
}

// Start claims the object for a transform until the given time and counts an attempt.
// The count comes before the transform, so a killed attempt counts too. The owner is
// the id of the message. The same message may claim again at once, after a redelivery.
// Another message may claim only after the deadline of the claim.
//
// Start returns false if another owner has the claim, or if the state is neither
// Received nor Transforming. Start also returns false if the entry has a later
// generation than the work. The returned entry shows the reason.
func (t *Table) Start(ctx context.Context, w work.Work, owner string, until time.Time) (Entry, bool, error) {
	change := newChange(Transforming).asRetry().from(Received, Transforming).
		set("owner", text(owner)).
		set("lease", number(until.UnixMilli())).
		count("attempts").
		ofGeneration(w.Generation).
		where("attribute_not_exists(#owner) OR #owner = :owner OR #lease < :now", "owner", "lease").
		bind(":now", number(t.Now().UnixMilli()))
	return t.apply(ctx, w.Object.ID(), w.Dataset, change)
}

// Release ends a claim and subtracts the attempt, because an outage of a dependency is
// no attempt at the object. The object is received again. Release does nothing if the
// owner no longer has the claim.
func (t *Table) Release(ctx context.Context, id object.ID, owner string) error {
	change := newChange(Received).asRetry().from(Transforming).
		subtract("attempts").
		where("#owner = :owner", "owner").
		bind(":owner", text(owner)).
		clear("owner", "lease", "manifest", "run")
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// Transformed records an accepted receipt, ends the claim and removes the fault. A
// failed object needs a receipt other than the entry's. Transformed changes nothing in
// the state Transformed, in a final state, or if the entry has a later generation than
// the receipt.
func (t *Table) Transformed(ctx context.Context, r work.Receipt, at work.Location) (Entry, error) {
	change := newChange(Transformed).from(Received, Transforming, Failed).
		set("receipt_bucket", text(at.Bucket)).
		set("receipt_key", text(at.Key)).
		set("engine", text(r.Engine)).
		set("rows_read", number(r.RowsRead)).
		set("rows_written", number(r.RowsWritten)).
		set("rows_rejected", number(r.RowsRejected)).
		set("rejects_by_rule", text(rulesText(r.RejectsByRule))).
		ofGeneration(r.Generation).
		where("#state <> :failed OR attribute_not_exists(#receipt_key) OR #receipt_key <> :receipt_key", "state", "receipt_key").
		bind(":failed", text(string(Failed))).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue").
		clear(attributesOfSweep...)
	entry, _, err := t.apply(ctx, r.ObjectID, r.Dataset, change)
	return entry, err
}

// Loaded records that the ledger has the object's rows of a generation. An entry of a
// later generation doesn't change, because the load of the later generation is yet to
// come. Loaded changes nothing in a final state other than Dismissed. The ledger proves
// the load, so the entry needs no earlier receipt. Loaded writes the metric Latency: the
// time since the arrival, the redrive or the reload.
func (t *Table) Loaded(ctx context.Context, id object.ID, l Load) error {
	change := newChange(Loaded).from(Received, Transforming, Transformed, Failed, Dismissed).
		set("load_id", text(l.LoadID)).
		set("query_id", text(l.QueryID)).
		set("rows_loaded", number(l.Rows)).
		set("duplicate_of", text(string(l.DuplicateOf))).
		ofGeneration(l.Generation).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue").
		clear(attributesOfDismissal...)
	entry, loaded, err := t.apply(ctx, id, "", change)
	if arrived := entry.Times[Received]; loaded && !arrived.IsZero() {
		telemetry.Put(ctx, map[telemetry.Metric]float64{telemetry.Latency: entry.Times[Loaded].Sub(arrived).Seconds()})
	}
	return err
}

// Superseded records that a newer version of the same key replaced the object. The
// Snowflake table has no rows of the object any more.
//
// Superseded compares no generations. Load decides between versions of a key by the
// ledger, under the dataset's lock, and the decision is about all generations: the ledger
// keeps the newer version or a still newer one. So a reload of the object would end as
// superseded too.
func (t *Table) Superseded(ctx context.Context, id, by object.ID) error {
	change := newChange(Superseded).from(Received, Transforming, Transformed, Failed, Dismissed, Loaded).
		set("superseded_by", text(string(by))).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue").
		clear(attributesOfDismissal...)
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// Withdrawn records that the Snowflake table has no rows of the object any more, and
// that no load may bring the rows back. The entry loses its receipt, because the curated
// files are deleted. An object that was withdrawn before keeps the
// first reason. The state is the last one: only a new version of the key has rows again.
func (t *Table) Withdrawn(ctx context.Context, id object.ID, w Withdrawal) error {
	change := newChange(Withdrawn).from(Received, Transforming, Transformed, Failed, Dismissed, Loaded, Superseded).
		set("withdrawn_by", text(w.By)).
		set("reason", text(w.Reason)).
		set("load_id", text(w.LoadID)).
		set("rows_loaded", number(0)).
		clear("owner", "lease", "stage", "code", "cause", "hint", "message", "queue", "query_id", "receipt_bucket", "receipt_key", "dismissed_by")
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// Fail records a permanent fault, with the failed message and the name of the message's
// queue. The result says whether the caller must send a dead letter. The result is
// false for an object in a final state, and for a fault of an earlier generation than
// the entry's: a late duplicate of a message is no failure. An object without an entry
// gives true and makes no entry.
//
// A version whose key has a newer loaded version becomes superseded, and the result is
// false: the table has the newer rows, so nothing is missing.
//
// A fault without an object belongs to a run. The fault of an ingestion run goes into
// the run's item, and the result is false for a finished run. The journal doesn't record
// Glue runs.
func (t *Table) Fail(ctx context.Context, f *fault.Fault, stage, queue, message string) (bool, error) {
	if f.ObjectID == "" {
		if !ofIngestionRun(f, stage) {
			return true, nil
		}
		return t.failRun(ctx, f, stage)
	}
	entry, err := t.Get(ctx, object.ID(f.ObjectID))
	switch {
	case errors.Is(err, ErrNotFound):
		return true, nil // the dead letter is the only record
	case err != nil:
		return false, err
	case entry.State.Final():
		return false, nil
	}
	switch by, err := t.loadedSuccessor(ctx, entry); {
	case err != nil:
		return false, err
	case by != "":
		return false, t.Superseded(ctx, entry.ID, by)
	}
	if err := t.noteFailure(ctx, entry.Object); err != nil {
		return false, err
	}
	change := newChange(Failed).from(Received, Transforming, Transformed, Failed).
		set("stage", text(stage)).
		set("code", text(string(f.Code))).
		set("cause", text(truncate(f.Cause()))).
		set("hint", text(f.Advice())).
		set("query_id", text(f.QueryID)).
		set("message", text(message)).
		set("queue", text(queue)).
		ofGeneration(f.Generation).
		clear("owner", "lease")
	_, recorded, err := t.apply(ctx, entry.ID, cmp.Or(f.Dataset, entry.Dataset), change)
	return recorded, err
}

// ofIngestionRun reports whether a fault without an object belongs to an ingestion run.
func ofIngestionRun(f *fault.Fault, stage string) bool {
	return stage == string(work.Ingest) && f.Dataset != "" && f.RunID != ""
}

// truncate limits a cause to 4 KB, far below DynamoDB's limit of 400 KB an item. The
// cut is between two characters.
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
