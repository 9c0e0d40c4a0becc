package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/fault"
)

// runPrefix begins the key of an ingestion run's item, and the partitions of the indexes
// with runs.
const runPrefix = "run#"

// maxRunChanges limits the tries to change a run that another invocation changes too.
const maxRunChanges = 5

// changeRun reads a run, modifies the run and writes the result. The write needs an item
// without a change since the read; otherwise changeRun reads again. A run without an
// item has an empty state. If modify returns false, nothing is written. The result is
// the run after the change, or the unchanged run and false.
func (t *Table) changeRun(ctx context.Context, name RunName, modify func(*Run) bool) (Run, bool, error) {
	mine := ""
	for range maxRunChanges {
		run, seen, err := t.readRun(ctx, name)
		if err != nil {
			return Run{}, false, err
		}
		if mine != "" && seen == mine { // the answer to the first request was lost
			return run, true, nil
		}
		if !modify(&run) {
			return run, false, nil
		}
		mine = rand.Text()
		written, err := t.writeRun(ctx, run, seen, mine)
		if err != nil || written {
			return run, written, err
		}
	}
	return Run{}, false, fault.Dependency("write journal", fault.JournalAway, fmt.Errorf("run %s changed during each of %d tries", name.FullName(), maxRunChanges))
}

// readRun returns the run and the id of its last change. A run without an item has an
// empty state.
func (t *Table) readRun(ctx context.Context, name RunName) (Run, string, error) {
	i, err := t.find(ctx, runPrefix+name.FullName())
	if err != nil {
		return Run{}, "", err
	}
	run, err := decodeRun(i.attributes)
	run.RunName = name
	return run, i.text(attributeChangeID), err
}

// writeRun writes a run. The result is false if the last change of the item isn't seen.
func (t *Table) writeRun(ctx context.Context, r Run, seen, mine string) (bool, error) {
	c := r.change().set(attributeChangeID, text(mine))
	if seen == "" {
		c.where("attribute_not_exists(#" + attributeChangeID + ")")
	} else {
		c.where("#"+attributeChangeID+" = :seen").bind(":seen", text(seen))
	}
	return t.write(ctx, runPrefix+r.FullName(), c)
}

// change sets all attributes of the run. An empty value removes its attribute.
func (r Run) change() *change {
	c := newChange("").
		set("run_state", text(string(r.State))).
		set("ordered_at", moment(r.Ordered)).
		set("progressed_at", moment(r.Progressed)).
		set("finished_at", moment(r.Finished)).
		set("failed_at", moment(r.Failed)).
		set("pages", number(int64(r.Pages))).
		set("rows", number(r.Rows)).
		set("stage", text(r.Stage)).
		set("code", text(r.Code)).
		set("cause", text(r.Cause)).
		set("hint", text(r.Hint)).
		set("message", text(r.Message)).
		set("looker", text(r.Sweeper)).
		set("checkpoint", text(r.checkpoint)).
		setPositive("looks", int64(r.SweepCount)).
		setInstant("looked_at", r.LastSweepAt).
		setInstant("resuming_until", r.resumingUntil)
	return c.setDelay(r.Delay).indexRun(r)
}

// moment is a time as text; an empty text for the zero time.
func moment(at time.Time) types.AttributeValue {
	if at.IsZero() {
		return text("")
	}
	return text(stamp(at))
}

// setPositive sets a number, or removes the attribute for 0.
func (c *change) setPositive(name string, n int64) *change {
	if n == 0 {
		return c.clear(name)
	}
	return c.set(name, number(n))
}

// setInstant sets a time in milliseconds, or removes the attribute for the zero time.
func (c *change) setInstant(name string, at time.Time) *change {
	if at.IsZero() {
		return c.clear(name)
	}
	return c.set(name, instant(at))
}

// setDelay sets the attributes of a delay, or removes the attributes for nil.
func (c *change) setDelay(d *Delay) *change {
	if d == nil {
		return c.clear(attributesOfDelay...)
	}
	return c.set("delay_stage", text(d.Stage)).
		set("delay_code", text(string(d.Code))).
		set("delay_cause", text(d.Cause)).
		set("delay_hint", text(d.Hint)).
		setPositive("delay_tries", int64(d.Tries)).
		setInstant("delay_last", d.Last).
		setInstant("delay_next", d.Next).
		setInstant("delay_since", d.Since).
		setPositive("delay_repeats", int64(d.Repeats))
}

// indexRun sets the index attributes of a run, and removes the attributes of indexes
// without the run.
func (c *change) indexRun(r Run) *change {
	since := r.Progressed
	switch r.State {
	case RunFinished:
		return c.clear("stuck_pk", "stuck_sk", "work_pk", "work_sk")
	case RunFailed:
		c.clear("stuck_pk", "stuck_sk")
	case RunWaiting:
		since = r.Delay.Next
		fallthrough
	case RunOrdered, RunRunning:
		c.set("stuck_pk", text(runPrefix+string(r.State))).set("stuck_sk", text(stamp(since)+"#"+r.FullName()))
	}
	return c.set("work_pk", text(runPrefix+r.Dataset)).set("work_sk", text(r.ID))
}

func decodeRun(attributes map[string]types.AttributeValue) (Run, error) {
	i := &item{attributes: attributes}
	dataset, id, _ := strings.Cut(strings.TrimPrefix(i.text("pk"), runPrefix), "/")
	r := Run{
		RunName: RunName{Dataset: dataset, ID: id}, State: RunState(i.text("run_state")),
		Ordered: i.moment("ordered_at"), Progressed: i.moment("progressed_at"),
		Finished: i.moment("finished_at"), Failed: i.moment("failed_at"),
		Pages: int(i.number("pages")), Rows: i.number("rows"), Delay: i.delay(),
		Stage: i.text("stage"), Code: i.text("code"), Cause: i.text("cause"), Hint: i.text("hint"),
		Message: i.text("message"), SweepCount: int(i.number("looks")), LastSweepAt: i.instant("looked_at"), Sweeper: i.text("looker"),
		checkpoint: i.text("checkpoint"), resumingUntil: i.instant("resuming_until"),
	}
	if r.State == RunWaiting && r.Delay == nil && i.err == nil {
		i.err = fmt.Errorf("journal: run %s waits, but has no attribute delay_code", r.FullName())
	}
	return r, i.err
}

// moment reads a time in the format of a stamp; the zero time for a missing attribute.
func (i *item) moment(name string) time.Time {
	value := i.text(name)
	if value == "" {
		return time.Time{}
	}
	at, err := time.Parse(stampLayout, value)
	if err != nil && i.err == nil {
		i.err = fmt.Errorf("journal: attribute %s: %w", name, err)
	}
	return at
}

// EachStuckRun calls do with each ordered or running run without progress since before
// the time, until do returns false. The runs of each state come in the order of progress.
func (t *Table) EachStuckRun(ctx context.Context, before time.Time, do func(Run) bool) error {
	return t.eachRunIn(ctx, []RunState{RunOrdered, RunRunning}, before, do)
}

// EachRunWithoutEnd calls do with each ordered, running and waiting run, until do returns
// false. The result may miss a recent change.
func (t *Table) EachRunWithoutEnd(ctx context.Context, do func(Run) bool) error {
	return t.eachRunIn(ctx, []RunState{RunOrdered, RunRunning, RunWaiting}, time.Time{}, do)
}

// eachRunIn calls do with the runs in some states whose time in the index "stuck" is
// before the time, until do returns false. The zero time means all runs.
func (t *Table) eachRunIn(ctx context.Context, states []RunState, before time.Time, do func(Run) bool) error {
	proceed := true
	for _, state := range states {
		err := t.eachRun(ctx, queryRuns(state, before), func(r Run) bool {
			proceed = do(r)
			return proceed
		})
		if err != nil || !proceed {
			return err
		}
	}
	return nil
}

// EachDueRun calls do with each waiting run whose wait is over, until do returns false.
// The run with the earliest next try comes first.
func (t *Table) EachDueRun(ctx context.Context, do func(Run) bool) error {
	return t.eachRun(ctx, queryRuns(RunWaiting, t.Now()), do)
}

// Runs returns the dataset's runs that aren't finished, in the order of their intervals.
func (t *Table) Runs(ctx context.Context, dataset string) ([]Run, error) {
	runs := []Run{} // no runs are an empty JSON list, not null
	err := t.eachRun(ctx, queryWorkIndex(runPrefix+dataset, ""), func(r Run) bool {
		runs = append(runs, r)
		return true
	})
	return runs, err
}

// queryRuns is the query for the runs in a state whose time in the index "stuck" is
// before the time; the zero time means all runs.
func queryRuns(state RunState, before time.Time) *dynamodb.QueryInput {
	limit := ""
	if !before.IsZero() {
		limit = stamp(before)
	}
	return queryPartition(indexStuck, runPrefix+string(state), "#s < :s", limit)
}

// eachRun calls do with the runs of a query, page by page, until do returns false.
func (t *Table) eachRun(ctx context.Context, input *dynamodb.QueryInput, do func(Run) bool) error {
	return t.eachItem(ctx, input, func(attributes map[string]types.AttributeValue) (bool, error) {
		run, err := decodeRun(attributes)
		return err == nil && do(run), err
	})
}
