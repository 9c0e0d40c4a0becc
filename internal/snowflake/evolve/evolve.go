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
)

// Session runs statements in the database that firn loads; snowflake.Session
// is one. Each statement commits by itself.
type Session interface {
	Exec(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Evolver changes tables.
type Evolver struct {
	Session Session
}

// ErrNoTable says that a dataset has no table yet.
var ErrNoTable = errors.New("the dataset has no table: run `firn migrate`")

// All finds what leads from the tables to their contracts, and does it unless it
// is only to be planned. It returns what was done or planned, and what is
// refused. A dataset whose change is refused or fails doesn't keep the others
// from theirs; the error names each.
func (e *Evolver) All(ctx context.Context, contracts contract.Set, onlyPlan bool) ([]Change, error) {
	var changes []Change
	var faults []error
	for _, c := range contracts {
		change, err := e.Plan(ctx, c)
		switch {
		case errors.Is(err, ErrNoTable) && onlyPlan: // a script is to make it
			continue
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", c.Dataset(), err))
			continue
		case change.IsNone():
			continue
		}
		refused := len(change.Refusals) > 0
		if !onlyPlan || refused {
			err = e.Apply(ctx, c, change)
			faults = append(faults, err)
		}
		if err == nil || refused {
			changes = append(changes, change)
		}
	}
	return changes, errors.Join(faults...)
}

// Plan finds what leads from the dataset's table to the contract. The error is
// ErrNoTable if there is none.
func (e *Evolver) Plan(ctx context.Context, c *contract.Contract) (Change, error) {
	table := Table{Dataset: c.Dataset()}
	lock, err := e.lockRow(ctx, c)
	if err != nil {
		return Change{}, err
	}
	table.Contract = lock.Text(0, "contract")
	if table.Columns, err = e.columns(ctx, c); err != nil {
		return Change{}, err
	}
	return Compare(table, c), nil
}

// Apply changes the table. Loads of the dataset are paused meanwhile: the
// pause waits for the loader that runs, and whoever finds the dataset paused
// changes nothing, so two migrations can't meet. One that dies leaves it paused;
// after a resume, Plan finds what is still to do.
func (e *Evolver) Apply(ctx context.Context, c *contract.Contract, change Change) error {
	if len(change.Refusals) > 0 {
		return fmt.Errorf("change %s: %s", change.Dataset, strings.Join(change.Refusals, " "))
	}
	if change.IsNone() {
		return nil
	}
	switch is, err := e.Pause(ctx, c); {
	case err != nil:
		return err
	case !is:
		f := fault.Permanentf("change table", fault.DatasetPaused, "%s is paused, by a person or by another migration", change.Dataset)
		f.Hint = fmt.Sprintf("Once that is over, run `firn resume %s`, then `firn migrate`.", change.Dataset)
		return f
	}
	for _, step := range change.Steps {
		if _, err := e.Session.Query(ctx, "change table", step.statement(c)); err != nil {
			return fmt.Errorf("%s stays paused until `firn resume %s`: %w", change.Dataset, change.Dataset, err)
		}
	}
	_, err := e.Session.Exec(ctx, "set contract version",
		"update "+ledger(c)+" set contract = ?, paused = false where object = '"+ddl.LockRow+"'", change.To)
	return err
}

// Pause keeps loads of the dataset waiting. It returns false if they do
// already. It waits for the loader that runs.
func (e *Evolver) Pause(ctx context.Context, c *contract.Contract) (bool, error) {
	return e.setPaused(ctx, c, "pause dataset", "true", "false")
}

// Resume lets loads of the dataset go on. It returns false if they do already.
func (e *Evolver) Resume(ctx context.Context, c *contract.Contract) (bool, error) {
	return e.setPaused(ctx, c, "resume dataset", "false", "true")
}

func (e *Evolver) setPaused(ctx context.Context, c *contract.Contract, op, to, from string) (bool, error) {
	result, err := e.Session.Exec(ctx, op,
		"update "+ledger(c)+" set paused = "+to+" where object = '"+ddl.LockRow+"' and paused = "+from)
	if isMissing(err) {
		return false, ErrNoTable
	}
	if err != nil || result.Affected > 0 {
		return err == nil, err
	}
	_, err = e.lockRow(ctx, c) // no row: is it the flag, or is there none?
	return false, err
}

func (e *Evolver) lockRow(ctx context.Context, c *contract.Contract) (snowflake.Result, error) {
	lock, err := e.Session.Query(ctx, "read lock row",
		"select contract, paused from "+ledger(c)+" where object = '"+ddl.LockRow+"'")
	switch {
	case isMissing(err):
		return lock, ErrNoTable
	case err != nil:
		return lock, err
	case len(lock.Rows) != 1:
		return lock, fault.Permanentf("read lock row", fault.LedgerBroken, "the ledger of %s has %d lock rows", c.Dataset(), len(lock.Rows))
	}
	return lock, nil
}

// columns reads what the table has (docs.snowflake.com,
// sql-reference/info-schema/columns).
func (e *Evolver) columns(ctx context.Context, c *contract.Contract) ([]Column, error) {
	result, err := e.Session.Query(ctx, "read columns",
		"select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns"+
			" where table_schema = ? and table_name = ? order by ordinal_position", strings.ToUpper(ddl.Schema), c.Table())
	if err != nil {
		return nil, err
	}
	var columns []Column
	for i := range result.Rows {
		column := Column{Name: strings.ToLower(result.Text(i, "column_name")), Type: typeOf(result, i)}
		if !slices.Contains(ddl.AddedColumns(), column.Name) {
			columns = append(columns, column)
		}
	}
	if len(columns) == 0 {
		return nil, ErrNoTable
	}
	return columns, nil
}

// reported are the names by which Snowflake reports the types that ddl writes.
var reported = map[string]string{"text": "varchar"}

func typeOf(result snowflake.Result, row int) string {
	name := strings.ToLower(result.Text(row, "data_type"))
	if name == "number" {
		return fmt.Sprintf("number(%d, %d)", result.Number(row, "numeric_precision"), result.Number(row, "numeric_scale"))
	}
	if written, found := reported[name]; found {
		return written
	}
	return name
}

// statement changes one column. A column that is added again, after a migration
// died, is found by Plan and not added twice.
func (s Step) statement(c *contract.Contract) string {
	if s.Kind == Widen {
		return fmt.Sprintf("alter table %s alter column %s set data type %s", ddl.TableName(c), s.Column, s.Type)
	}
	return fmt.Sprintf("alter table %s add column %s", ddl.TableName(c), ddl.Definition(s.Column, s.Type, s.Comment))
}

func ledger(c *contract.Contract) string { return ddl.LedgerName(c) }

func isMissing(err error) bool {
	f := fault.As(err)
	return f != nil && f.Code == fault.TableMissing
}
