package journal

import (
	"context"
	"time"
)

// attributesOfSweep are the attributes that ClaimForSweep writes. A receipt, a delay, a
// redrive and a reload remove the attributes.
var attributesOfSweep = []string{"looks", "looked_at", "looker"}

// ClaimForSweep claims an object for a sweep, and counts the sweep. The claim needs an
// entry with the same state and the same time of the state as e, and no claim after the
// time before. The claimant is the id of the sweep's message. The same message may claim
// again after a redelivery, without a second count.
//
// ClaimForSweep returns false if the object has moved on or another sweep has the
// claim. The returned entry is the current entry. The state and the claim for a
// transform don't change.
func (t *Table) ClaimForSweep(ctx context.Context, e Entry, claimant string, before time.Time) (Entry, bool, error) {
	unchanged := func() *change {
		since := "at_" + string(e.State)
		return newChange("").from(e.State).
			set("looked_at", instant(t.Now())).
			where("#"+since+" = :since", since).
			bind(":since", text(stamp(e.Times[e.State])))
	}
	first := unchanged().set("looker", text(claimant)).count("looks").
		where("attribute_not_exists(#looked_at) OR #looked_at <= :before").
		bind(":before", instant(before))
	after, claimed, err := t.apply(ctx, e.ID, "", first)
	if err != nil || claimed {
		return after, claimed, err
	}
	again := unchanged().
		where("#looker = :claimant", "looker").
		bind(":claimant", text(claimant))
	return t.apply(ctx, e.ID, "", again)
}

// sweepKey is the key of the item with the progress of the sweeps.
const sweepKey = "sweep"

// SweptUntil is the time before which the sweeps have announced all versions in the
// landing bucket without an entry; the zero time before the end of the first sweep. An
// upload in parts can be missing, because S3 dates such a version by its start.
func (t *Table) SweptUntil(ctx context.Context) (time.Time, error) {
	i, err := t.find(ctx, sweepKey)
	if err != nil {
		return time.Time{}, err
	}
	return i.instant("swept"), i.err
}

// SetSweptUntil moves the time of SweptUntil forward, never back.
func (t *Table) SetSweptUntil(ctx context.Context, until time.Time) error {
	_, err := t.write(ctx, sweepKey, newChange("").
		set("swept", instant(until)).
		where("attribute_not_exists(#swept) OR #swept < :swept"))
	return err
}
