package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// Session runs statements in firn's database. snowflake.Session implements Session.
type Session interface {
	Exec(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Begin(ctx context.Context) error
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
}

// Restorer restores the objects and the grants of a database.
type Restorer struct {
	Session  Session
	Database string
	// Scripts are all scripts in the order of their run.
	Scripts []migrate.Script
	// Pending has the names of the scripts that the migration runs later. Their objects
	// and grants aren't missing, except tables of datasets that exist in part.
	Pending map[string]bool
	// Contracts are the contracts of the datasets.
	Contracts contract.Set
	// History is the qualified name of the change history, in upper case.
	History string
	// CreateEmpty creates missing tables without rows, even if Snowflake could undrop
	// the table, or if the table seems to be renamed.
	CreateEmpty bool
	// Refresh runs before each change. An error ends the restoration. May be nil for a
	// plan.
	Refresh func(context.Context) error
}

// Action is the change of a step.
type Action string

const (
	// Undrop restores a dropped table with its rows.
	Undrop Action = "undrop"
	// Create makes a missing object.
	Create Action = "create"
	// Insert inserts the missing lock row of a ledger.
	Insert Action = "insert lock row into"
	// Grant grants missing privileges.
	Grant Action = "grant"
)

// Step is one restored object, or one object to restore.
type Step struct {
	Action Action `json:"action"`
	// Object is the kind and the qualified name, for example "table FIRN.RAW.SHOP_ORDER".
	Object string `json:"object"`
	// Privileges and Grantee are empty for every action except Grant. Grantee is for
	// example "role FIRN_LOADER".
	Privileges string `json:"privileges,omitempty"`
	Grantee    string `json:"grantee,omitempty"`
	// Note is a sentence about a further command for the operator; empty for none.
	Note string `json:"note,omitempty"`
}

// String describes the step for people, on one line.
func (s Step) String() string {
	if s.Action == Grant {
		return grantText(s.Privileges, s.Object, s.Grantee)
	}
	return string(s.Action) + " " + s.Object
}

// task is a step with its statements.
type task struct {
	step Step
	run  func(ctx context.Context) error
}

// PlanObjects returns the steps of Objects, and changes nothing.
func (r *Restorer) PlanObjects(ctx context.Context) ([]Step, error) {
	groups, err := r.planObjects(ctx)
	var steps []Step
	for _, g := range groups {
		for _, t := range g.tasks {
			steps = append(steps, t.step)
		}
	}
	return steps, err
}

// Objects restores tables, lock rows, stages and file formats, and returns the made
// steps. After a failed step, Objects continues with the other datasets and objects. The
// error names each failed object.
func (r *Restorer) Objects(ctx context.Context) ([]Step, error) {
	groups, err := r.planObjects(ctx)
	return r.runAll(ctx, groups, err)
}

// PlanViews returns the steps of Views, and changes nothing.
func (r *Restorer) PlanViews(ctx context.Context) ([]Step, error) {
	tasks, err := r.planViews(ctx)
	return stepsOf(tasks), err
}

// Views restores the views of the scripts, and returns the made steps. The views of
// current rows aren't in scripts: package evolve makes these views.
func (r *Restorer) Views(ctx context.Context) ([]Step, error) {
	tasks, err := r.planViews(ctx)
	return r.runAll(ctx, []group{{tasks: tasks}}, err)
}

func stepsOf(tasks []task) []Step {
	var steps []Step
	for _, t := range tasks {
		steps = append(steps, t.step)
	}
	return steps
}

// group is a list of tasks. After a failed task, the other tasks of the group are
// skipped. Settle completes the steps after the last task; nil for nothing.
type group struct {
	tasks  []task
	settle func(ctx context.Context, made []Step) ([]Step, error)
}

func (r *Restorer) runAll(ctx context.Context, groups []group, planErr error) ([]Step, error) {
	faults := []error{planErr}
	var made []Step
	for _, g := range groups {
		steps, err := r.run(ctx, g)
		made, faults = append(made, steps...), append(faults, err)
	}
	return made, errors.Join(faults...)
}

func (r *Restorer) run(ctx context.Context, g group) (made []Step, err error) {
	for _, t := range g.tasks {
		if err = r.Refresh(ctx); err == nil {
			err = t.run(ctx)
		}
		if err != nil {
			return made, fmt.Errorf("%s: %w", t.step, err)
		}
		made = append(made, t.step)
	}
	if g.settle != nil {
		return g.settle(ctx, made)
	}
	return made, nil
}

// planObjects plans the tables of each dataset, then the other objects.
func (r *Restorer) planObjects(ctx context.Context) ([]group, error) {
	wanted := slices.DeleteFunc(objectsOf(r.Scripts, r.Database), func(o object) bool { return o.kind == view })
	found, err := r.look(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var faults []error
	var groups []group
	ofDatasets := make(map[string]bool)
	for _, c := range r.Contracts {
		for _, name := range []string{ddl.TableName(c), ddl.LedgerName(c), ddl.RejectsName(c)} {
			ofDatasets[object{kind: table, name: qualified(r.Database, name, table)}.String()] = true
		}
	}
	for _, c := range r.Contracts {
		g, err := r.planDataset(ctx, c, wanted, found, ofDatasets)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.Dataset(), err))
			continue
		}
		groups = append(groups, g)
	}
	for _, o := range wanted {
		if found.has(o) || ofDatasets[o.String()] || r.Pending[o.script] {
			continue
		}
		if o.kind == schema {
			faults = append(faults, missingSchemaFault(o.name))
			continue
		}
		if found.has(object{kind: schema, name: schemaOf(o.name)}) { // else the fault of the schema says enough
			groups = append(groups, group{tasks: []task{r.restoreObject(o, found)}})
		}
	}
	return groups, errors.Join(faults...)
}

// restoreObject returns the task for an object that belongs to no dataset.
func (r *Restorer) restoreObject(o object, found existing) task {
	if o.kind == table && found.dropped[o.name] && !r.CreateEmpty {
		return r.undrop(o.name)
	}
	t := r.create(o, o.statements...)
	if o.name == qualified(r.Database, ddl.EndedTable, table) {
		t.step.Note = "The earlier rows of the table are lost: run dbt once with `--full-refresh`."
	}
	return t
}

// undrop returns the task that restores a dropped table (docs.snowflake.com,
// sql-reference/sql/undrop-table).
func (r *Restorer) undrop(name string) task {
	return task{step: Step{Action: Undrop, Object: object{kind: table, name: name}.String()}, run: func(ctx context.Context) error {
		_, err := r.Session.Query(ctx, "undrop table", "undrop table "+name)
		return err
	}}
}

// create returns the task that makes an object. CREATE ... IF NOT EXISTS succeeds for an
// object that the role can't see, so the task looks again.
func (r *Restorer) create(o object, statements ...string) task {
	return task{step: Step{Action: Create, Object: o.String()}, run: func(ctx context.Context) error {
		for _, statement := range statements {
			if _, err := r.Session.Query(ctx, "create object", statement); err != nil {
				return err
			}
		}
		found, err := r.look(ctx, []object{o})
		if err == nil && !found.has(o) {
			f := fault.Permanentf("create object", fault.TableMissing, "%s exists, but the role of this session can't see it", o)
			f.Hint = "Run `firn migrate` with a role that owns the schema, for example FIRN_ADMIN."
			err = f
		}
		return err
	}}
}

func (r *Restorer) planViews(ctx context.Context) ([]task, error) {
	var wanted []object
	for _, o := range objectsOf(r.Scripts, r.Database) {
		if o.kind == view && !r.Pending[o.script] {
			wanted = append(wanted, o)
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	found, err := r.look(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var tasks []task
	for _, o := range wanted {
		if !found.has(o) {
			tasks = append(tasks, r.create(o, o.statements...))
		}
	}
	return tasks, nil
}
