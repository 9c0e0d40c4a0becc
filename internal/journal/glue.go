package journal

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// maxGlueRunTime is the longest time of a Glue run, and so of a run's claim: seven days
// (aws:glue/latest/dg, add-job). After an earlier end of the run, a receipt, a failure
// or Reassign changes the claim.
const maxGlueRunTime = 7 * 24 * time.Hour

// Assign records the manifest of a claimed object. The record comes before the start of
// a run, so that a killed function doesn't lead to a second run. The result is false if
// the owner no longer has the claim.
func (t *Table) Assign(ctx context.Context, id object.ID, owner, manifest string) (bool, error) {
	change := newChange(Transforming).from(Transforming).
		set("manifest", text(manifest)).
		clear("run").
		where("#owner = :owner", "owner").
		bind(":owner", text(owner))
	_, assigned, err := t.apply(ctx, id, "", change)
	return assigned, err
}

// Reassign moves an object to another manifest, after the run of the first manifest
// ended without a receipt of the object. Reassign counts an attempt, and the new
// manifest owns the claim until a run starts. The result is false if the object is no
// longer in the first manifest.
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

// SetRun records the run of a manifest, and makes the run the owner of the claim. From
// then on no message can claim the object for seven days. SetRun does nothing if the
// object is no longer in the manifest.
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
