package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// Session runs statements; snowflake.Session is one. Log it in without a
// database: the first migration creates it.
type Session interface {
	Exec(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Migrator runs what the history lacks, one migration at a time: the history
// has a lock row.
type Migrator struct {
	Session Session
	// Database is the one that holds the history, and that scripts run in.
	Database string
	// Name says which migration this is, to the person who finds it running.
	// Two migrations never have the same one.
	Name string
	// BreakLock takes the lock from whoever holds it, which is right only if
	// that one is dead.
	BreakLock bool
	// Now tells the time; only differences count.
	Now func() time.Time
}

// Step is a script that Apply will run, and why.
type Step struct {
	Script Script
	// Reason is New or Changed.
	Reason string
}

// Why a script runs.
const (
	// New scripts never ran.
	New = "new"
	// Changed scripts are repeatable and ran in another form.
	Changed = "changed"
)

// Done is what Apply did.
type Done struct {
	// Steps ran.
	Steps []Step
	// TookOver is the migration that the lock was taken from; nil if it was
	// free.
	TookOver *Holder
}

// IsFirst reports whether no migration began before: there is no history, and
// maybe no database.
func (m *Migrator) IsFirst(ctx context.Context) (bool, error) {
	applied, err := m.history(ctx)
	return applied == nil && err == nil, err
}

// Plan returns the scripts to run, in order. It is an error that names each,
// if versioned scripts changed after they ran. It takes no lock.
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
	for _, s := range inOrder(scripts) {
		checksum, ran := applied[s.Name]
		switch {
		case !ran:
			steps = append(steps, Step{Script: s, Reason: New})
		case checksum != s.Checksum() && s.Kind == Versioned:
			faults = append(faults, fmt.Errorf("script %s was changed after it ran: give the change a script of its own", s.Name))
		case checksum != s.Checksum():
			steps = append(steps, Step{Script: s, Reason: Changed})
		}
	}
	return steps, errors.Join(faults...)
}

// Apply runs what Plan returns and writes each script to the history once all
// of its statements ran. It does so under the history's lock, and plans there
// once more, since another migration may have come first; if nothing is to run,
// it takes no lock. It stops at the first error: what a failed script did is
// done, so its statements must bear to run again. The error is a fault of code
// lock_busy if another migration runs.
func (m *Migrator) Apply(ctx context.Context, scripts []Script) (Done, error) {
	applied, err := m.history(ctx)
	if err != nil {
		return Done{}, err
	}
	if steps, err := plan(scripts, applied); err != nil || len(steps) == 0 {
		return Done{}, err
	}
	if err := m.prepare(ctx, applied == nil); err != nil {
		return Done{}, withWarehouse(err)
	}
	l, err := m.takeLock(ctx)
	if err != nil {
		return Done{}, withWarehouse(err)
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

// history returns each script's newest checksum; nil if there is no history
// yet.
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

// prepare enters the database. The first migration makes it and the history's
// table, with its lock row: one statement, so that two migrations at once can't
// make two lock rows. A later one mustn't try: a role that may not create
// databases is refused even if there is the one that it names.
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

// withWarehouse tells a migration without a warehouse what to do: it is the first
// to need one.
func withWarehouse(err error) error {
	if !fault.Is(err, fault.WarehouseAway) {
		return err
	}
	f := *fault.As(err)
	f.Hint = "Set SNOWFLAKE_WAREHOUSE to a warehouse that the role may use: a migration needs one, also before it made firn's own."
	return &f
}

// table is the change history. It isn't in RAW, where the loader may write to
// every table.
func (m *Migrator) table() string { return m.Database + ".ops.change_history" }
