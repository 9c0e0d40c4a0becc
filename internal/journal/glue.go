package journal

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// maxGlueRunTime is the longest that a Glue run may take, and so that a claim of one
// may last: seven days (aws:glue/latest/dg, add-job). What is given back before
// is given back by its run's end.
const maxGlueRunTime = 7 * 24 * time.Hour

// Assign notes the manifest that a claimed object is in, before a run is started
// for it: so that a kill between the two starts no second run. It returns false
// if the claim is somebody else's by now.
func (t *Table) Assign(ctx context.Context, id object.ID, owner, manifest string) (bool, error) {
	change := newChange(Transforming).from(Transforming).
		set("manifest", text(manifest)).
		clear("run").
		where("#owner = :owner", "owner").
		bind(":owner", text(owner))
	_, assigned, err := t.apply(ctx, id, "", change)
	return assigned, err
}

// Reassign moves an object from a manifest whose run ended without it to
// another, and counts the attempt. It returns false if the object has moved on.
func (t *Table) Reassign(ctx context.Context, id object.ID, from, to string) (bool, error) {
	change := newChange(Transforming).from(Transforming).
		set("manifest", text(to)).
		set("owner", text(to)).
		set("lease", number(t.Now().Add(maxGlueRunTime).UnixMilli())).
		count("attempts").
		clear("run").
		where("#manifest = :before", "manifest").
		bind(":before", text(from))
	_, moved, err := t.apply(ctx, id, "", change)
	return moved, err
}

// SetRun notes the run of a manifest: from now on its end alone gives the
// object back. It does nothing if the object has moved on.
func (t *Table) SetRun(ctx context.Context, id object.ID, manifest, run string) error {
	change := newChange(Transforming).from(Transforming).
		set("run", text(run)).
		set("owner", text(run)).
		set("lease", number(t.Now().Add(maxGlueRunTime).UnixMilli())).
		where("#manifest = :manifest", "manifest").
		bind(":manifest", text(manifest))
	_, _, err := t.apply(ctx, id, "", change)
	return err
}

// idDigits are the first digits of ids, by which the index "stuck" is sharded.
const idDigits = "0123456789abcdef"

// Stuck returns the objects that have been in the state since before the time,
// received or transforming or transformed, at most limit a shard of sixteen.
func (t *Table) Stuck(ctx context.Context, state State, before time.Time, limit int) ([]Entry, error) {
	var stuck []Entry
	for _, digit := range idDigits {
		entries, err := t.query(ctx, queryStuckIndex(state, string(digit), before), limit)
		if err != nil {
			return nil, err
		}
		stuck = append(stuck, entries...)
	}
	return stuck, nil
}
