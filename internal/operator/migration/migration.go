// Package migration migrates Snowflake: it restores missing objects, changes the tables
// to their contracts, runs the new scripts and grants missing privileges.
package migration

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/migrate"
	"github.com/firn-data/firn/internal/snowflake/restore"
)

// Session is a session in firn's database. snowflake.Session implements Session.
type Session interface {
	restore.Session
	Close() error
}

// Migration is one migration of a database.
type Migration struct {
	// Migrator runs the scripts, in a session without a database.
	Migrator *migrate.Migrator
	// Open opens a session in the database. Migration closes the session.
	Open      func(ctx context.Context) (Session, error)
	Scripts   []migrate.Script
	Contracts contract.Set
	// CreateEmpty creates missing tables without rows, even if Snowflake could undrop
	// the tables.
	CreateEmpty bool
}

// Result has the steps of a migration, or of a plan.
type Result struct {
	Scripts []Script        `json:"scripts"`
	Tables  []evolve.Change `json:"tables"`
	// Objects are the restored objects and grants.
	Objects []restore.Step `json:"objects"`
	// Unseen are sentences about grants that the session's role can't see.
	Unseen []string `json:"unseen,omitempty"`
	// TookOver is the earlier holder of the lock after --break-lock or an expired lock;
	// else nil.
	TookOver *migrate.Holder `json:"tookOver,omitempty"`
}

// Script is a finished or planned script.
type Script struct {
	Script string `json:"script"`
	Reason string `json:"reason"`
}

// IsNone reports whether the migration has no step.
func (r Result) IsNone() bool { return len(r.Scripts)+len(r.Tables)+len(r.Objects) == 0 }

// run is the state of one migration.
type run struct {
	*Migration

	result  Result
	pending map[string]bool
}

func (m *Migration) newRun() *run {
	return &run{Migration: m, result: Result{Scripts: []Script{}, Tables: []evolve.Change{}, Objects: []restore.Step{}}}
}

// Plan returns the steps of the next migration, and changes nothing. The grants of a
// missing object aren't planned: Snowflake decides which grants come back with the
// object. Without a database, the plan has only scripts.
func (m *Migration) Plan(ctx context.Context) (Result, error) {
	r := m.newRun()
	state, err := m.Migrator.State(ctx)
	switch {
	case err != nil:
		return r.result, err
	case state == migrate.HistoryDropped:
		r.result.Objects = append(r.result.Objects, m.undropHistoryStep())
		return r.result, nil
	}
	steps, err := m.Migrator.Plan(ctx, m.Scripts)
	r.addScripts(steps)
	if err != nil || state == migrate.NoDatabase {
		return r.result, err
	}
	err = r.inSession(ctx, func(session Session) error { return r.plan(ctx, session, steps) })
	return r.result, err
}

func (r *run) plan(ctx context.Context, session Session, steps []migrate.Step) error {
	r.setPending(steps)
	restorer := r.restorer(session, nil)
	objects, err := restorer.PlanObjects(ctx)
	r.result.Objects = append(r.result.Objects, objects...)
	evolveErr := r.evolve(session, func(e *evolve.Evolver) ([]evolve.Change, error) {
		return e.All(ctx, untouched(r.Contracts, objects), true)
	})
	views, viewsErr := restorer.PlanViews(ctx)
	grants, grantsErr := restorer.PlanGrants(ctx)
	r.result.Objects = append(append(r.result.Objects, views...), grants.Steps...)
	r.result.Unseen = grants.Unseen
	return errors.Join(err, evolveErr, viewsErr, grantsErr)
}

// untouched returns the contracts without a step on one of their tables.
func untouched(contracts contract.Set, steps []restore.Step) contract.Set {
	return slices.DeleteFunc(slices.Clone(contracts), func(c *contract.Contract) bool {
		return slices.ContainsFunc(steps, func(s restore.Step) bool {
			return slices.ContainsFunc([]string{ddl.TableName(c), ddl.LedgerName(c), ddl.RejectsName(c)}, func(name string) bool {
				return strings.HasSuffix(s.Object, "."+strings.ToUpper(name))
			})
		})
	})
}

// Apply migrates. Missing tables, stages and file formats come first, because scripts
// and changes need them. The existing tables are changed before the scripts, because the
// view of a script may name a new column. Views and grants come last.
//
// Each part does nothing if it has nothing to do, and takes the lock of migrations
// otherwise. After a refused change of a table the migration continues, and the refusal
// is an error at the end. After another error, the migration ends before the next part.
func (m *Migration) Apply(ctx context.Context) (Result, error) {
	r := m.newRun()
	state, err := m.Migrator.State(ctx)
	if err == nil {
		err = r.settleHistory(ctx, state)
	}
	if err != nil {
		return r.result, err
	}
	steps, err := m.Migrator.Plan(ctx, m.Scripts)
	if err != nil {
		return r.result, err
	}
	r.setPending(steps)
	var refused error
	if state != migrate.NoDatabase {
		if err := r.inSession(ctx, func(session Session) error { return r.restoreObjects(ctx, session) }); err != nil {
			return r.result, err
		}
		refused = r.inSession(ctx, func(session Session) error { return r.changeExisting(ctx, session) })
	}
	if err := r.runScripts(ctx); err != nil {
		return r.result, errors.Join(refused, err)
	}
	r.pending = nil
	err = r.inSession(ctx, func(session Session) error { return r.finish(ctx, session) })
	return r.result, errors.Join(refused, err)
}

// settleHistory undrops the history, or makes a new one. Without the history, all
// scripts run again.
func (r *run) settleHistory(ctx context.Context, state migrate.State) error {
	switch state {
	case migrate.HistoryDropped:
		undropped, err := r.Migrator.UndropHistory(ctx)
		if undropped {
			r.result.Objects = append(r.result.Objects, r.undropHistoryStep())
		}
		return err
	case migrate.NoDatabase, migrate.NoHistory:
		return r.Migrator.MakeHistory(ctx)
	case migrate.HistoryExists:
	}
	return nil
}

func (m *Migration) undropHistoryStep() restore.Step {
	return restore.Step{Action: restore.Undrop, Object: "table " + m.Migrator.HistoryTable()}
}

func (r *run) restoreObjects(ctx context.Context, session Session) error {
	if steps, err := r.restorer(session, nil).PlanObjects(ctx); err != nil || len(steps) == 0 {
		return err
	}
	return r.locked(ctx, session, func(restorer *restore.Restorer) error {
		made, err := restorer.Objects(ctx)
		r.result.Objects = append(r.result.Objects, made...)
		return err
	})
}

func (r *run) changeExisting(ctx context.Context, session Session) error {
	return r.evolve(session, func(e *evolve.Evolver) ([]evolve.Change, error) { return e.Existing(ctx, r.Contracts) })
}

func (r *run) runScripts(ctx context.Context) error {
	ran, err := r.Migrator.Apply(ctx, r.Scripts)
	if ran.TookOver != nil {
		r.result.TookOver = ran.TookOver
	}
	r.addScripts(ran.Steps)
	return err
}

// finish changes the new tables to their contracts, and restores views and grants. The
// views of new tables aren't restored views, so they are no steps of the result.
func (r *run) finish(ctx context.Context, session Session) error {
	before := len(r.result.Objects)
	err := r.evolve(session, func(e *evolve.Evolver) ([]evolve.Change, error) { return e.All(ctx, r.Contracts, false) })
	r.result.Objects = r.result.Objects[:before]
	restorer := r.restorer(session, nil)
	views, viewsErr := restorer.PlanViews(ctx)
	grants, grantsErr := restorer.PlanGrants(ctx)
	r.result.Unseen = grants.Unseen
	if planErr := errors.Join(viewsErr, grantsErr); planErr != nil || len(views)+len(grants.Steps) == 0 {
		return errors.Join(err, planErr)
	}
	return errors.Join(err, r.locked(ctx, session, func(restorer *restore.Restorer) error {
		views, viewsErr := restorer.Views(ctx)
		grants, grantsErr := restorer.Grants(ctx)
		r.result.Objects = append(append(r.result.Objects, views...), grants.Steps...)
		return errors.Join(viewsErr, grantsErr)
	}))
}

// locked restores under the lock of migrations.
func (r *run) locked(ctx context.Context, session Session, do func(*restore.Restorer) error) error {
	tookOver, err := r.Migrator.Locked(ctx, func(refresh func(context.Context) error) error { return do(r.restorer(session, refresh)) })
	if tookOver != nil {
		r.result.TookOver = tookOver
	}
	return err
}

func (r *run) restorer(session Session, refresh func(context.Context) error) *restore.Restorer {
	return &restore.Restorer{
		Session: session, Database: r.Migrator.Database, Scripts: r.Scripts, Pending: r.pending, Contracts: r.Contracts,
		History: r.Migrator.HistoryTable(), CreateEmpty: r.CreateEmpty, Refresh: refresh,
	}
}

// evolve changes tables or plans changes, and adds the first change of each dataset. A
// change of the view alone is a restored object.
func (r *run) evolve(session Session, change func(*evolve.Evolver) ([]evolve.Change, error)) error {
	changes, err := change(&evolve.Evolver{Session: session})
	for _, c := range changes {
		switch {
		case c.IsNone():
			r.result.Objects = append(r.result.Objects, r.viewStep(c))
		case !slices.ContainsFunc(r.result.Tables, func(noted evolve.Change) bool { return noted.Dataset == c.Dataset }):
			r.result.Tables = append(r.result.Tables, c)
		}
	}
	return err
}

func (r *run) viewStep(c evolve.Change) restore.Step {
	name := ddl.ViewName(r.Contracts.ByDataset(c.Dataset))
	return restore.Step{Action: restore.Action(c.View), Object: "view " + strings.ToUpper(r.Migrator.Database+"."+name)}
}

func (r *run) addScripts(steps []migrate.Step) {
	for _, step := range steps {
		r.result.Scripts = append(r.result.Scripts, Script{Script: step.Script.Name, Reason: step.Reason})
	}
}

func (r *run) setPending(steps []migrate.Step) {
	r.pending = make(map[string]bool)
	for _, step := range steps {
		r.pending[step.Script.Name] = true
	}
}

func (r *run) inSession(ctx context.Context, do func(Session) error) error {
	session, err := r.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(session), session.Close())
}
