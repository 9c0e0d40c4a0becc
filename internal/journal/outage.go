package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
)

// Snowflake is the dependency of every load.
const Snowflake = "snowflake"

// Dependencies are those that have a breaker.
var Dependencies = []string{Snowflake}

// Outage is the current outage of a dependency, or its last one. The zero value
// is a dependency that was never away.
type Outage struct {
	Dependency string
	// ID tells this outage from others.
	ID string
	// Open is whether it lasts.
	Open bool
	// Since is when it began; Ended is when it was over, the zero time while it
	// lasts.
	Since, Ended time.Time
	// Until is when the dependency may be tried again.
	Until time.Time
	// Failures counts the failures with this code, one after the other.
	Failures int
	// Code, Cause and QueryID are the last failure's.
	Code    fault.Code
	Cause   string
	QueryID string
	// Told is what people were told of it: nothing yet, or a Word.
	Told Word
}

// Word is a thing to tell people of an outage.
type Word string

// The words. Back is told after Away only.
const (
	Away Word = "away"
	Back Word = "back"
)

// breakerPrefix begins the key of a dependency's item.
const breakerPrefix = "breaker#"

const (
	outageOpen  = "open"
	outageEnded = "ended"
)

// Outage returns the dependency's current or last outage.
func (t *Table) Outage(ctx context.Context, dependency string) (Outage, error) {
	attributes, err := t.get(ctx, breakerPrefix+dependency)
	if errors.Is(err, ErrNotFound) {
		return Outage{Dependency: dependency}, nil
	}
	if err != nil {
		return Outage{}, err
	}
	i := &item{attributes: attributes}
	o := Outage{
		Dependency: dependency, ID: i.text("outage"), Open: i.text("status") == outageOpen,
		Since: i.instant("since"), Ended: i.instant("ended"), Until: i.instant("until"),
		Failures: int(i.number("failures")), Code: fault.Code(i.text("code")), Cause: i.text("cause"), QueryID: i.text("query_id"),
		Told: Word(i.text("told")),
	}
	return o, i.err
}

// instant reads a time in milliseconds; the zero time if there is none.
func (i *item) instant(name string) time.Time {
	if ms := i.number(name); ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

func instant(at time.Time) types.AttributeValue { return number(at.UnixMilli()) }

// beginOutage opens the breaker, if nobody did since it was read. An outage that
// people were told of, and that ended before they were told, goes on: they hear
// of one, whatever it does meanwhile.
func (t *Table) beginOutage(ctx context.Context, was, next Outage) (bool, error) {
	next.ID, next.Since = rand.Text(), t.Now()
	if was.Told == Away {
		next.ID, next.Since, next.Told = was.ID, was.Since, was.Told
	}
	c := t.failed(next).
		set("outage", text(next.ID)).
		set("since", instant(next.Since)).
		set("told", text(string(next.Told))).
		clear("ended")
	if was.ID == "" {
		return t.write(ctx, breakerPrefix+next.Dependency, c.where("attribute_not_exists(#pk)", "pk"))
	}
	if was.Told == Away {
		c.where("#told = :told") // people may have heard of its end since it was read
	}
	return t.write(ctx, breakerPrefix+next.Dependency, c.
		where("#outage = :was AND #status = :ended").
		with(":was", text(was.ID)).with(":ended", text(outageEnded)))
}

// prolongOutage keeps the breaker open after a probe failed, if the probe is
// still the caller's.
func (t *Table) prolongOutage(ctx context.Context, probe string, next Outage) (bool, error) {
	return t.write(ctx, breakerPrefix+next.Dependency, t.failed(next).
		clear("probe_until").
		where("#status = :status AND #probe = :probe", "probe").
		with(":probe", text(probe)))
}

// failed is what every failure writes.
func (t *Table) failed(o Outage) *change {
	return newChange("").
		set("status", text(outageOpen)).
		set("until", instant(o.Until)).
		set("failures", number(int64(o.Failures))).
		set("code", text(string(o.Code))).
		set("cause", text(clip(o.Cause))).
		set("query_id", text(o.QueryID))
}

// claimProbe lets one caller try the dependency: the first one that asks once the
// delay is over, or whose predecessor has had its time.
func (t *Table) claimProbe(ctx context.Context, o Outage, probe string) (bool, error) {
	now := t.Now()
	return t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("probe", text(probe)).
		set("probe_until", instant(now.Add(longestProbe))).
		where("#outage = :outage AND #status = :open AND #until <= :now AND "+
			"(attribute_not_exists(#probe_until) OR #probe_until <= :now OR #probe = :probe)", "outage", "status", "until").
		with(":outage", text(o.ID)).with(":open", text(outageOpen)).with(":now", instant(now)))
}

// endOutage closes the breaker, whoever found that the dependency is back.
func (t *Table) endOutage(ctx context.Context, o Outage) (bool, error) {
	return t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("status", text(outageEnded)).
		set("ended", instant(t.Now())).
		clear("until", "probe", "probe_until").
		where("#outage = :outage AND #status = :open", "outage").
		with(":outage", text(o.ID)).with(":open", text(outageOpen)))
}

// longestTelling is how long one teller holds others off.
const longestTelling = time.Minute

// Tell lets one caller tell people of the outage as it was read: false if another
// does, or if it has changed. A teller that dies leaves it to the next.
func (t *Table) Tell(ctx context.Context, o Outage, w Word) (bool, error) {
	now := t.Now()
	status := outageEnded
	if o.Open {
		status = outageOpen
	}
	return t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("telling_until", instant(now.Add(longestTelling))).
		where("#outage = :outage AND #status = :status AND (attribute_not_exists(#told) OR #told <> :word) AND "+
			"(attribute_not_exists(#telling_until) OR #telling_until <= :now)", "outage", "status", "told").
		with(":outage", text(o.ID)).with(":status", text(status)).with(":word", text(string(w))).with(":now", instant(now)))
}

// Told notes that people were told.
func (t *Table) Told(ctx context.Context, o Outage, w Word) error {
	_, err := t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("told", text(string(w))).
		clear("telling_until").
		where("#outage = :outage", "outage").
		with(":outage", text(o.ID)))
	return err
}
