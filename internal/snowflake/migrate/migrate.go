package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// Session runs statements. snowflake.Session implements Session. Log the session in
// without a database: the first migration creates the database.
type Session interface {
	Exec(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Migrator runs the scripts that are missing in the history. The history's lock row
// allows one migration at a time.
type Migrator struct {
	Session Session
	// Database is the database of the history and of the scripts.
	Database string
	// Name identifies this migration to other migrations and people. Each migration
	// needs its own name.
	Name string
	// BreakLock takes the lock from any holder. Only set BreakLock if the holder is
	// dead.
	BreakLock bool
	// Now returns the time; only differences matter.
	Now func() time.Time
}

// Step is a script for Apply, with the reason.
type Step struct {
	Script Script
	// Reason is New or Changed.
	Reason string
}

// Reasons of a step.
const (
	// New scripts never ran.
	New = "new"
	// Changed scripts are repeatable and ran with another checksum.
	Changed = "changed"
)

// Done is the result of Apply.
type Done struct {
	// Steps are the scripts that ran.
	Steps []Step
	// TookOver is the migration that lost the lock; nil if the lock was free.
	TookOver *Holder
}

// Plan returns the scripts to run, in order, without taking the lock. If versioned
// scripts changed after their run, the error names each of these scripts.
func (m *Migrator) Plan(ctx context.Context, scripts []Script) ([]Step, error) {
	applied, err := m.history(ctx)
	if err != nil {
		return nil, err
	}
	return plan(scripts, applied)
}

func plan(scripts []Script, applied map[string]string) ([]Step, error) {
	var steps []Step
	var faults []error
	for _, s := range sorted(scripts) {
		checksum, ran := applied[s.Name]
		switch {
		case !ran:
			steps = append(steps, Step{Script: s, Reason: New})
		case checksum != s.Checksum() && s.Kind == Versioned:
			faults = append(faults, fmt.Errorf("script %s was changed after its run: put the change into a new script", s.Name))
		case checksum != s.Checksum():
			steps = append(steps, Step{Script: s, Reason: Changed})
		}
	}
	return steps, errors.Join(faults...)
}

// Apply runs the planned scripts under the history's lock. If no script is planned,
// Apply takes no lock. Under the lock, Apply plans again, since another migration may
// have run first. After the last statement of a script, Apply writes the script to the
// history.
//
// Apply stops at the first error. Earlier statements of a failed script stay in effect,
// so each script must be able to run again. If another migration is running, the error
// is a fault of code lock_busy.
func (m *Migrator) Apply(ctx context.Context, scripts []Script) (Done, error) {
	applied, err := m.history(ctx)
	if err != nil {
		return Done{}, err
	}
	if steps, err := plan(scripts, applied); err != nil || len(steps) == 0 {
		return Done{}, err
	}
	if err := m.prepare(ctx, applied == nil); err != nil {
		return Done{}, explainMissingWarehouse(err)
	}
	l, err := m.takeLock(ctx)
	if err != nil {
		return Done{}, explainMissingWarehouse(err)
	}
	done := Done{TookOver: l.tookOver}
	done.Steps, err = m.applyLocked(ctx, l, scripts)
	return done, errors.Join(err, l.release(ctx))
}

func (m *Migrator) applyLocked(ctx context.Context, l *lock, scripts []Script) (ran []Step, err error) {
	steps, err := m.Plan(ctx, scripts)
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := m.run(ctx, l, step.Script); err != nil {
			return ran, fmt.Errorf("script %s: %w", step.Script.Name, err)
		}
		ran = append(ran, step)
	}
	return ran, nil
}

func (m *Migrator) run(ctx context.Context, l *lock, s Script) error {
	for i, statement := range Split(s.Rendered) {
		if err := l.refresh(ctx); err != nil {
			return err
		}
		if _, err := m.Session.Query(ctx, fmt.Sprintf("run statement %d", i+1), statement); err != nil {
			return err
		}
	}
	return l.record(ctx, s)
}

// history returns each script's newest checksum; nil without a history.
func (m *Migrator) history(ctx context.Context) (map[string]string, error) {
	result, err := m.Session.Query(ctx, "read change history",
		"select script, checksum from "+m.table()+" where script <> '"+lockRow+"' order by applied_at")
	if fault.Is(err, fault.TableMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	applied := make(map[string]string)
	for i := range result.Rows {
		applied[result.Text(i, "script")] = result.Text(i, "checksum")
	}
	return applied, nil
}

// prepare enters the database. The first migration also creates the database and the
// history with its lock row. One statement creates history and lock row, so two
// concurrent migrations make one lock row. A later migration must not try to create the
// database: a role without the privilege is refused even if the database exists.
func (m *Migrator) prepare(ctx context.Context, isFirst bool) error {
	statements := []string{"use database " + m.Database}
	if isFirst {
		statements = []string{
			"create database if not exists " + m.Database,
			"create schema if not exists " + m.Database + ".ops",
			"create table if not exists " + m.table() + " as select '" + lockRow + "'::varchar as script, null::varchar as checksum," +
				" null::timestamp_ltz as applied_at, null::varchar as applied_by, null::varchar as holder, null::timestamp_ltz as seen_at",
			"use database " + m.Database,
		}
	}
	for _, statement := range statements {
		if _, err := m.Session.Query(ctx, "prepare change history", statement); err != nil {
			return err
		}
	}
	return nil
}

// explainMissingWarehouse adds a hint to the fault of a missing warehouse. The
// migration's first statements are the first to need a warehouse.
func explainMissingWarehouse(err error) error {
	if !fault.Is(err, fault.WarehouseAway) {
		return err
	}
	f := *fault.As(err)
	f.Hint = "Set SNOWFLAKE_WAREHOUSE to a warehouse for the role. The first migration needs a warehouse before firn's own warehouses exist."
	return &f
}

// table returns the name of the change history. The history isn't in schema RAW,
// because the loader may write to every table there.
func (m *Migrator) table() string { return m.Database + ".ops.change_history" }
