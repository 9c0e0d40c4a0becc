package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// Session runs statements; snowflake.Session is one. Log it in without a
// database: the first script creates it.
type Session interface {
	Exec(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Migrator runs what the history lacks. It takes no lock (DDL commits, so a
// lock wouldn't last): run one at a time.
type Migrator struct {
	Session Session
	// Database is the one that holds the history, and that scripts run in.
	Database string
	// Forgotten names scripts that run each time although the history has
	// them: a stand-in that restarts has forgotten its stages. Empty for
	// Snowflake.
	Forgotten []string
}

// Step is a script that Apply will run, and why.
type Step struct {
	Script Script
	// Reason is New, Changed or Forgotten.
	Reason string
}

// Why a script runs.
const (
	// New scripts never ran.
	New = "new"
	// Changed scripts are repeatable and ran in another form.
	Changed = "changed"
	// Forgotten scripts are those that the Migrator is told of.
	Forgotten = "forgotten"
)

// Plan returns the scripts to run, in order. It is an error that names each,
// if versioned scripts changed after they ran.
func (m *Migrator) Plan(ctx context.Context, scripts []Script) ([]Step, error) {
	applied, err := m.history(ctx)
	if err != nil {
		return nil, err
	}
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
		case m.forgets(s):
			steps = append(steps, Step{Script: s, Reason: Forgotten})
		}
	}
	return steps, errors.Join(faults...)
}

// Apply runs the steps and writes each to the history once all of its
// statements ran. It stops at the first error: what a failed script did is
// done, so its statements must bear to run again.
func (m *Migrator) Apply(ctx context.Context, steps []Step) error {
	if len(steps) == 0 {
		return nil
	}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	for _, step := range steps {
		if err := m.apply(ctx, step.Script); err != nil {
			return fmt.Errorf("script %s: %w", step.Script.Name, err)
		}
	}
	return nil
}

func (m *Migrator) apply(ctx context.Context, s Script) error {
	for i, statement := range Split(s.Rendered) {
		if _, err := m.Session.Query(ctx, fmt.Sprintf("run statement %d", i+1), statement); err != nil {
			return err
		}
	}
	_, err := m.Session.Exec(ctx, "write change history",
		"insert into "+m.table()+" (script, checksum, applied_at) select ?, ?, current_timestamp()", s.Name, s.Checksum())
	return err
}

// history returns each script's newest checksum; none before the first run.
func (m *Migrator) history(ctx context.Context) (map[string]string, error) {
	result, err := m.Session.Query(ctx, "read change history",
		"select script, checksum from "+m.table()+" order by applied_at")
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

// prepare makes the history's table and enters the database.
func (m *Migrator) prepare(ctx context.Context) error {
	for _, statement := range []string{
		"create database if not exists " + m.Database,
		"create schema if not exists " + m.Database + ".raw",
		"create table if not exists " + m.table() + " (script varchar not null, checksum varchar not null, applied_at timestamp_ltz not null)",
		"use database " + m.Database,
	} {
		if _, err := m.Session.Query(ctx, "prepare change history", statement); err != nil {
			return err
		}
	}
	return nil
}

func (m *Migrator) table() string { return m.Database + ".raw.change_history" }

func (m *Migrator) forgets(s Script) bool {
	return slices.Contains(m.Forgotten, s.Name)
}
