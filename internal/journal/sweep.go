package journal

import (
	"context"
	"errors"
	"time"
)

// attributesOfSweep are what Look writes; whatever moves the object on clears
// them.
var attributesOfSweep = []string{"looks", "looked_at", "looker"}

// ClaimForSweep claims an object that stands still for a sweep and counts the look, if
// the entry is still as it was read and nobody has looked since before. The
// looker is the message that asks: its own redelivery claims again, without
// being counted. It returns false if the object has moved on or another sweep
// has it; the entry is what is there then.
func (t *Table) ClaimForSweep(ctx context.Context, e Entry, looker string, before time.Time) (Entry, bool, error) {
	still := func() *change {
		since := "at_" + string(e.State)
		return newChange("").from(e.State).
			set("looked_at", instant(t.Now())).
			where("#"+since+" = :since", since).
			bind(":since", text(stamp(e.Times[e.State])))
	}
	first := still().set("looker", text(looker)).count("looks").
		where("attribute_not_exists(#looked_at) OR #looked_at <= :before").
		bind(":before", instant(before))
	after, claimed, err := t.apply(ctx, e.ID, "", first)
	if err != nil || claimed {
		return after, claimed, err
	}
	again := still().
		where("#looker = :looker", "looker").
		bind(":looker", text(looker))
	return t.apply(ctx, e.ID, "", again)
}

// sweepKey is the key of the item that says how far sweeps have come.
const sweepKey = "sweep"

// SweptUntil is the time before which every version in the landing bucket is known to
// the journal; the zero time if no sweep has come to its end yet.
func (t *Table) SweptUntil(ctx context.Context) (time.Time, error) {
	attributes, err := t.get(ctx, sweepKey)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	i := &item{attributes: attributes}
	return i.instant("swept"), i.err
}

// SetSweptUntil moves that time forward, never back.
func (t *Table) SetSweptUntil(ctx context.Context, until time.Time) error {
	_, err := t.write(ctx, sweepKey, newChange("").
		set("swept", instant(until)).
		where("attribute_not_exists(#swept) OR #swept < :swept"))
	return err
}
