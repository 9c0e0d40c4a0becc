package evolve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// Session runs statements in firn's database. Each statement commits by itself.
// snowflake.Session implements Session.
type Session interface {
	Exec(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Evolver changes tables.
type Evolver struct {
	Session Session
}

// All changes the tables to their contracts, and makes the views of current rows: missing
// views, and views with another definition. With onlyPlan, All only plans.
//
// All returns the made or planned changes, with refusals. After a refused or failed
// change, All continues with the other datasets. The error names each failed dataset.
func (e *Evolver) All(ctx context.Context, contracts contract.Set, onlyPlan bool) ([]Change, error) {
	return e.all(ctx, contracts, onlyPlan, onlyPlan)
}

// Existing works like All for the datasets that have a table. The migration scripts
// make the other tables.
func (e *Evolver) Existing(ctx context.Context, contracts contract.Set) ([]Change, error) {
	return e.all(ctx, contracts, false, true)
}

func (e *Evolver) all(ctx context.Context, contracts contract.Set, onlyPlan, skipMissing bool) ([]Change, error) {
	changes := []Change{}
	views, err := e.views(ctx)
	if err != nil {
		return changes, err
	}
	var faults []error
	for _, c := range contracts {
		change, err := e.Plan(ctx, c)
		if errors.Is(err, ledger.ErrNoTable) && skipMissing { // a migration script will make the table
			continue
		}
		if err == nil && !onlyPlan {
			change, err = e.Apply(ctx, c, change)
		}
		if err == nil {
			err = change.refusalError()
		}
		if err == nil {
			change.View, err = e.settleView(ctx, c, views, onlyPlan)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", c.Dataset(), err))
		}
		if !change.IsNone() || change.View != "" {
			changes = append(changes, change)
		}
	}
	return changes, errors.Join(faults...)
}

// Plan returns the change from the dataset's table to the contract. Without a table,
// the error is ledger.ErrNoTable.
func (e *Evolver) Plan(ctx context.Context, c *contract.Contract) (Change, error) {
	table := Table{Dataset: c.Dataset()}
	lock, err := e.lockRow(ctx, c)
	if err != nil {
		return Change{}, err
	}
	table.Contract = lock.Text(0, "contract")
	if table.Columns, err = e.columns(ctx, ddl.TableName(c)); err != nil {
		return Change{}, err
	}
	ledgerColumns, err := e.columns(ctx, ddl.LedgerName(c))
	if err != nil {
		return Change{}, err
	}
	for _, column := range ledgerColumns {
		table.Ledger = append(table.Ledger, column.Name)
	}
	change := Compare(table, c)
	change.refuseCollations("ledger", ledgerColumns)
	change.refuseCollations("table", keyColumns(table, c))
	return change, nil
}

// noVersion is older than the version of every contract.
const noVersion = "0.0.0"

// VersionOf returns the contract version for a new lock row: the version of the contract
// if the raw table has the contract's columns. Otherwise the version is "0.0.0", so that
// loads wait until a migration changes the table to the contract.
func (e *Evolver) VersionOf(ctx context.Context, c *contract.Contract) (string, error) {
	columns, err := e.columns(ctx, ddl.TableName(c))
	if err != nil {
		return "", err
	}
	table := TableOf(c)
	table.Contract, table.Columns = noVersion, columns
	if change := Compare(table, c); len(change.Steps)+len(change.Refusals) > 0 {
		return noVersion, nil
	}
	return c.Version, nil
}

// Apply makes a planned change and returns the made change. For an empty or refused
// change, Apply does nothing and returns the change.
//
// Loads of the dataset are paused during the change. The pause waits for the running
// loader. If the dataset is already paused, Apply changes nothing and returns a fault
// of code dataset_paused. Under the pause, Apply plans again, since another migration
// may have changed the table first. An interrupted Apply leaves the dataset paused.
// After a resume, Plan returns the remaining steps.
func (e *Evolver) Apply(ctx context.Context, c *contract.Contract, planned Change) (Change, error) {
	if planned.IsNone() || len(planned.Refusals) > 0 {
		return planned, nil
	}
	switch paused, err := e.Pause(ctx, c); {
	case err != nil:
		return Change{}, err
	case !paused:
		f := fault.Permanentf("change table", fault.DatasetPaused, "the dataset is paused, by a person or by another migration")
		f.Hint = fmt.Sprintf("Once the pause is no longer needed, run `firn resume %s`, then `firn migrate`.", c.Dataset())
		return Change{}, f
	}
	change, err := e.applyPaused(ctx, c)
	if err != nil {
		return Change{}, fmt.Errorf("the dataset stays paused until `firn resume %s`: %w", c.Dataset(), err)
	}
	return change, nil
}

func (e *Evolver) applyPaused(ctx context.Context, c *contract.Contract) (Change, error) {
	change, err := e.Plan(ctx, c)
	if err != nil {
		return Change{}, err
	}
	if len(change.Refusals) > 0 {
		_, err := e.Resume(ctx, c)
		return change, err
	}
	for _, step := range change.Steps {
		if _, err := e.Session.Query(ctx, "change table", step.statement(c)); err != nil {
			return Change{}, err
		}
	}
	_, err = e.Session.Exec(ctx, "set contract version",
		"update "+ddl.LedgerName(c)+" set contract = ?, paused = false where object = '"+ddl.LockRow+"'", change.To)
	return change, err
}

// views returns the comment of each view in the database, by the name of schema and view
// in lower case. The schema of the raw tables may be missing after an interrupted first
// migration, so the statement doesn't name the schema.
func (e *Evolver) views(ctx context.Context) (map[string]string, error) {
	result, err := e.Session.Query(ctx, "list views", "show views in database")
	if err != nil {
		return nil, err
	}
	comments := make(map[string]string)
	for i := range result.Rows {
		comments[strings.ToLower(result.Text(i, "schema_name")+"."+result.Text(i, "name"))] = result.Text(i, "comment")
	}
	return comments, nil
}

// planView returns the change of the view of the dataset's current rows. The view's
// comment has the checksum of its query. Mode append has no view.
func planView(c *contract.Contract, views map[string]string) ViewChange {
	comment, exists := views[ddl.ViewName(c)]
	switch hasView := ddl.View(c) != ""; {
	case !hasView && exists:
		return DropView
	case !hasView, exists && comment == ddl.ViewComment(c):
		return ""
	case exists:
		return ReplaceView
	}
	return CreateView
}

// settleView plans and makes the change of the view, and returns the change.
func (e *Evolver) settleView(ctx context.Context, c *contract.Contract, views map[string]string, onlyPlan bool) (ViewChange, error) {
	change := planView(c, views)
	if change == "" || onlyPlan {
		return change, nil
	}
	if err := e.makeView(ctx, c); err != nil {
		return "", err
	}
	return change, nil
}

// makeView creates, replaces or drops the view of the dataset's current rows. The table
// must have the contract's columns.
func (e *Evolver) makeView(ctx context.Context, c *contract.Contract) error {
	statement := ddl.View(c)
	if statement == "" {
		statement = "drop view if exists " + ddl.ViewName(c)
	}
	_, err := e.Session.Query(ctx, "make view of current rows", statement)
	return err
}

// Pause makes loads of the dataset wait. Pause waits for the running loader. Returns
// false if the dataset was already paused.
func (e *Evolver) Pause(ctx context.Context, c *contract.Contract) (bool, error) {
	return e.setPaused(ctx, c, "pause dataset", "true", "false")
}

// Resume lets loads of the dataset continue. Returns false if the dataset wasn't
// paused.
func (e *Evolver) Resume(ctx context.Context, c *contract.Contract) (bool, error) {
	return e.setPaused(ctx, c, "resume dataset", "false", "true")
}

func (e *Evolver) setPaused(ctx context.Context, c *contract.Contract, op, to, from string) (bool, error) {
	result, err := e.Session.Exec(ctx, op,
		"update "+ddl.LedgerName(c)+" set paused = "+to+" where object = '"+ddl.LockRow+"' and paused = "+from)
	if fault.Is(err, fault.TableMissing) {
		return false, ledger.ErrNoTable
	}
	if err != nil || result.Affected > 0 {
		return err == nil, err
	}
	_, err = e.lockRow(ctx, c) // no row changed: the flag was already set, or the lock row is missing
	return false, err
}

func (e *Evolver) lockRow(ctx context.Context, c *contract.Contract) (snowflake.Result, error) {
	lock, err := e.Session.Query(ctx, "read lock row",
		"select contract, paused from "+ddl.LedgerName(c)+" where object = '"+ddl.LockRow+"'")
	switch {
	case fault.Is(err, fault.TableMissing):
		return lock, ledger.ErrNoTable
	case err != nil:
		return lock, err
	case len(lock.Rows) != 1:
		return lock, fault.Permanentf("read lock row", fault.LedgerBroken, "the ledger of %s has %d lock rows", c.Dataset(), len(lock.Rows))
	}
	return lock, nil
}

// columns reads the columns of a table, without the columns that firn adds to every row
// (docs.snowflake.com, sql-reference/info-schema/columns).
func (e *Evolver) columns(ctx context.Context, table string) ([]Column, error) {
	schema, name, _ := strings.Cut(strings.ToUpper(table), ".")
	result, err := e.Session.Query(ctx, "read columns",
		"select column_name, data_type, numeric_precision, numeric_scale, collation_name from information_schema.columns"+
			" where table_schema = ? and table_name = ? order by ordinal_position", schema, name)
	if err != nil {
		return nil, err
	}
	var columns []Column
	for i := range result.Rows {
		column := Column{Name: strings.ToLower(result.Text(i, "column_name")), Type: typeOf(result, i), collation: result.Text(i, "collation_name")}
		if !slices.Contains(ddl.AddedColumns(), column.Name) {
			columns = append(columns, column)
		}
	}
	if len(columns) == 0 {
		return nil, ledger.ErrNoTable
	}
	return columns, nil
}

// typeNames maps Snowflake's type names to the names in ddl.
var typeNames = map[string]string{"text": "varchar"}

func typeOf(result snowflake.Result, row int) string {
	name := strings.ToLower(result.Text(row, "data_type"))
	if name == "number" {
		return fmt.Sprintf("number(%d, %d)", result.Number(row, "numeric_precision"), result.Number(row, "numeric_scale"))
	}
	if ddlName, found := typeNames[name]; found {
		return ddlName
	}
	return name
}

// statement returns the SQL of the step.
func (s Step) statement(c *contract.Contract) string {
	if s.Kind == Widen {
		return fmt.Sprintf("alter table %s alter column %s set data type %s", ddl.TableName(c), s.Column, s.Type)
	}
	table := ddl.TableName(c)
	if s.Ledger {
		table = ddl.LedgerName(c)
	}
	return fmt.Sprintf("alter table %s add column %s", table, ddl.Definition(s.Column, s.Type, s.Comment))
}
