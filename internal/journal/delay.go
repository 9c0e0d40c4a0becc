package journal

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Delay describes a try at an object or a run that failed and will be repeated. The
// object or the run waits for the repetition.
type Delay struct {
	// Stage is the stage of the try.
	Stage string `json:"stage"`
	// Code, Cause and Hint are the fault of the last try.
	Code  fault.Code `json:"code"`
	Cause string     `json:"cause"`
	Hint  string     `json:"hint"`
	// Tries is the number of failed tries since the last progress.
	Tries int `json:"tries"`
	// Last is the time of the last try, and Next is the earliest time of the next try.
	Last time.Time `json:"last_try"`
	Next time.Time `json:"next_try"`
	// Repeats is the number of the last tries in a row with the same code, and Since is
	// the time of the first of these tries. Only a delay of DelayRun has both.
	Repeats int       `json:"repeats,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// attributesOfDelay are the attributes that Delayed and DelayRun write. Progress removes
// the attributes.
var attributesOfDelay = []string{
	"delay_stage", "delay_code", "delay_cause", "delay_hint", "delay_tries", "delay_last", "delay_next", "delay_since", "delay_repeats",
}

// Delayed records that a try at an object failed and comes back after the time. The
// state and the time of progress don't change. Sweeps count from 0 again, because the
// try proves that the message isn't lost. Delayed does nothing for an object without an
// entry, for an object that doesn't wait, and for an object that was reloaded after the
// failed work.
//
// A fault without an object may belong to an ingestion run. Then Delayed records the
// delay in an ordered or running run. The journal doesn't record Glue runs.
func (t *Table) Delayed(ctx context.Context, f *fault.Fault, stage string, after time.Duration) error {
	if f.ObjectID == "" {
		if !ofIngestionRun(f, stage) {
			return nil
		}
		return t.delayedRun(ctx, f, stage, after)
	}
	now := t.Now()
	change := newChange("").from(Received, Transforming, Transformed).
		set("delay_stage", text(stage)).
		set("delay_code", text(string(f.Code))).
		set("delay_cause", text(truncate(f.Cause()))).
		set("delay_hint", text(f.Advice())).
		set("delay_last", instant(now)).
		set("delay_next", instant(now.Add(after))).
		count("delay_tries").
		clear(attributesOfSweep...).
		where("attribute_not_exists(#generation) OR #generation <= :of_generation", "generation").
		bind(":of_generation", number(int64(f.Generation)))
	_, _, err := t.apply(ctx, object.ID(f.ObjectID), "", change)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// LastActivity is the time of the last sign of life: the last change of state, the last
// progress or the last failed try.
func (e Entry) LastActivity() time.Time {
	last := e.Progressed
	if at := e.Times[e.State]; at.After(last) {
		last = at
	}
	if e.Delay != nil && e.Delay.Last.After(last) {
		last = e.Delay.Last
	}
	return last
}

// The times after which a missing try becomes the cause of a wait. A delayed message
// comes back after 15 minutes at most, and a Glue run takes two hours at most.
const (
	silence       = time.Hour
	silenceOfGlue = 3 * time.Hour
)

// WaitCode returns the cause of the wait of an object on its way: the code of the last
// failed try, not_tried if no function has tried the object for long, and empty for an
// object on its usual way.
func (e Entry) WaitCode(at time.Time) fault.Code {
	longest := silence
	if e.State == Transforming && e.Run != "" {
		longest = silenceOfGlue
	}
	return waitCode(e.Delay, at.Sub(e.LastActivity()), longest)
}

// waitCode returns not_tried after a silence above the longest one. Before, the code is
// that of the last failed try; empty without a delay.
func waitCode(d *Delay, silent, longest time.Duration) fault.Code {
	switch {
	case silent > longest:
		return fault.NotTried
	case d == nil:
		return ""
	default:
		return d.Code
	}
}

// WaitsTooLong reports whether the wait of an object on its way is longer than the time
// after which a mail reports the wait. A pause is never too long.
func (e Entry) WaitsTooLong(at time.Time) bool {
	return lastsTooLong(e.WaitCode(at), at.Sub(e.Progressed))
}

func lastsTooLong(code fault.Code, wait time.Duration) bool {
	patience, reported := code.ReportAfter()
	return reported && wait >= patience
}

// delay reads the attributes of Delayed; nil without them.
func (i *item) delay() *Delay {
	if i.text("delay_code") == "" {
		return nil
	}
	return &Delay{
		Stage: i.text("delay_stage"), Code: fault.Code(i.text("delay_code")), Cause: i.text("delay_cause"), Hint: i.text("delay_hint"),
		Tries: int(i.number("delay_tries")), Last: i.instant("delay_last"), Next: i.instant("delay_next"),
		Repeats: int(i.number("delay_repeats")), Since: i.instant("delay_since"),
	}
}

// progressed reads the time of progress. An entry of an earlier firn has the time of its
// state instead.
func (i *item) progressed(e Entry) time.Time {
	at, err := time.Parse(stampLayout, cmp.Or(i.text("progressed_at"), stamp(e.Times[e.State])))
	if err != nil && i.err == nil {
		i.err = err
	}
	return at
}

// idDigits are the possible first digits of an id, and the shards of the index "stuck".
const idDigits = "0123456789abcdef"

// EachStuck calls do with each object in the state whose last progress was before the
// time, until do returns false. The state is Received, Transforming or Transformed.
// The objects of each of the sixteen shards come in the order of progress. The memory is
// one page of a query, at most 1 MB.
func (t *Table) EachStuck(ctx context.Context, state State, before time.Time, do func(Entry) bool) error {
	proceed := true
	for _, digit := range idDigits {
		input := queryStuckIndex(state, string(digit), before)
		err := t.each(ctx, input, func(e Entry) bool {
			proceed = do(e)
			return proceed
		})
		if err != nil || !proceed {
			return err
		}
	}
	return nil
}

// StuckPage returns at most limit objects whose last progress was before the time, from
// the place, and the place of the next page. An empty next place means the end of the
// state. A page can have fewer objects and even none before the end. A place without a
// shard is the beginning of its state. The objects of a page are of one shard, in the
// order of progress.
func (t *Table) StuckPage(ctx context.Context, place work.StuckPlace, before time.Time, limit int) ([]Entry, work.StuckPlace, error) {
	shard := max(0, strings.Index(idDigits, place.Shard))
	input := queryStuckIndex(State(place.State), idDigits[shard:shard+1], before)
	if place.After != "" {
		input.KeyConditionExpression = aws.String("#p = :p AND #s BETWEEN :after AND :s")
		input.ExpressionAttributeValues[":after"] = text(place.After + "~") // after this object
	}
	entries, last, err := t.entryPage(ctx, input, limit)
	if err != nil {
		return nil, work.StuckPlace{}, err
	}
	next := work.StuckPlace{State: place.State, Shard: idDigits[shard : shard+1], After: valueOf(last["stuck_sk"])}
	switch {
	case next.After != "":
	case shard+1 < len(idDigits):
		next.Shard = idDigits[shard+1 : shard+2]
	default:
		next = work.StuckPlace{}
	}
	return entries, next, nil
}
