package journal

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
)

var _ breaker.Store = (*Table)(nil)

// breakerPrefix begins the key of a dependency's item.
const breakerPrefix = "breaker#"

const (
	outageOpen  = "open"
	outageEnded = "ended"
)

// Outage implements breaker.Store.
func (t *Table) Outage(ctx context.Context, dependency string) (breaker.Outage, error) {
	i, err := t.find(ctx, breakerPrefix+dependency)
	if err != nil {
		return breaker.Outage{}, err
	}
	o := breaker.Outage{
		Dependency: dependency, ID: i.text("outage"), Open: i.text("status") == outageOpen,
		Since: i.instant("since"), Ended: i.instant("ended"), Until: i.instant("until"),
		Failures: int(i.number("failures")), Code: fault.Code(i.text("code")), Cause: i.text("cause"), QueryID: i.text("query_id"),
		Notice: breaker.Notice(i.text("told")),
	}
	return o, i.err
}

// instant reads a time in milliseconds; the zero time for a missing attribute.
func (i *item) instant(name string) time.Time {
	if ms := i.number(name); ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

func instant(at time.Time) types.AttributeValue { return number(at.UnixMilli()) }

// BeginOutage implements breaker.Store.
func (t *Table) BeginOutage(ctx context.Context, was, next breaker.Outage) (bool, error) {
	c := failed(next).
		set("outage", text(next.ID)).
		set("since", instant(next.Since)).
		set("told", text(string(next.Notice))).
		clear("ended")
	if was.ID == "" {
		return t.write(ctx, breakerPrefix+next.Dependency, c.where("attribute_not_exists(#pk)", "pk"))
	}
	if was.Notice == breaker.NoticeStarted {
		c.where("#told = :told") // the mail about the end may have gone out since the read
	}
	return t.write(ctx, breakerPrefix+next.Dependency, c.
		where("#outage = :was AND #status = :ended").
		bind(":was", text(was.ID)).bind(":ended", text(outageEnded)))
}

// ProlongOutage implements breaker.Store.
func (t *Table) ProlongOutage(ctx context.Context, probe string, next breaker.Outage) (bool, error) {
	return t.write(ctx, breakerPrefix+next.Dependency, failed(next).
		clear("probe_until").
		where("#status = :status AND #probe = :probe", "probe").
		bind(":probe", text(probe)))
}

// failed sets the attributes that each failure writes.
func failed(o breaker.Outage) *change {
	return newChange("").
		set("status", text(outageOpen)).
		set("until", instant(o.Until)).
		set("failures", number(int64(o.Failures))).
		set("code", text(string(o.Code))).
		set("cause", text(truncate(o.Cause))).
		set("query_id", text(o.QueryID))
}

// ClaimProbe implements breaker.Store. A second claim of the same probe succeeds,
// because the SDK may send a request twice.
func (t *Table) ClaimProbe(ctx context.Context, o breaker.Outage, probe string, until time.Time) (bool, error) {
	return t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("probe", text(probe)).
		set("probe_until", instant(until)).
		where("#outage = :outage AND #status = :open AND #until <= :now AND "+
			"(attribute_not_exists(#probe_until) OR #probe_until <= :now OR #probe = :probe)", "outage", "status", "until").
		bind(":outage", text(o.ID)).bind(":open", text(outageOpen)).bind(":now", instant(t.Now())))
}

// EndOutage implements breaker.Store. Any caller with an answer of the dependency may
// end the outage, not only the current probe.
func (t *Table) EndOutage(ctx context.Context, o breaker.Outage) (bool, error) {
	return t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("status", text(outageEnded)).
		set("ended", instant(t.Now())).
		clear("until", "probe", "probe_until").
		where("#outage = :outage AND #status = :open", "outage").
		bind(":outage", text(o.ID)).bind(":open", text(outageOpen)))
}

// ClaimNotice gives the sending of a notice to one caller, for a minute. The result is
// false if another caller has the claim, if the notice is recorded, or if the outage
// changed after the read of o.
func (t *Table) ClaimNotice(ctx context.Context, o breaker.Outage, n breaker.Notice) (bool, error) {
	now := t.Now()
	status := outageEnded
	if o.Open {
		status = outageOpen
	}
	return t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("telling_until", instant(now.Add(claimTime))).
		where("#outage = :outage AND #status = :status AND (attribute_not_exists(#told) OR #told <> :notice) AND "+
			"(attribute_not_exists(#telling_until) OR #telling_until <= :now)", "outage", "status", "told").
		bind(":outage", text(o.ID)).bind(":status", text(status)).bind(":notice", text(string(n))).bind(":now", instant(now)))
}

// RecordNotice records a sent notice and ends the claim.
func (t *Table) RecordNotice(ctx context.Context, o breaker.Outage, n breaker.Notice) error {
	_, err := t.write(ctx, breakerPrefix+o.Dependency, newChange("").
		set("told", text(string(n))).
		clear("telling_until").
		where("#outage = :outage", "outage").
		bind(":outage", text(o.ID)))
	return err
}
