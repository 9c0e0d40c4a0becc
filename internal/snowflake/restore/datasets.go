package restore

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
	"github.com/firn-data/firn/internal/snowflake/evolve"
)

// dataset has the tables of a dataset.
type dataset struct {
	*Restorer

	contract             *contract.Contract
	raw, rejects, ledger object
}

func (r *Restorer) newDataset(c *contract.Contract, wanted []object) dataset {
	find := func(name string) object {
		o := object{kind: table, name: qualified(r.Database, name, table)}
		if i := slices.IndexFunc(wanted, func(other object) bool { return other.String() == o.String() }); i >= 0 {
			return wanted[i]
		}
		return o
	}
	return dataset{Restorer: r, contract: c, raw: find(ddl.TableName(c)), rejects: find(ddl.RejectsName(c)), ledger: find(ddl.LedgerName(c))}
}

// planDataset plans the tables of a dataset. A dataset without any table belongs to a
// pending script.
func (r *Restorer) planDataset(ctx context.Context, c *contract.Contract, wanted []object, found existing, ofDatasets map[string]bool) (group, error) {
	d := r.newDataset(c, wanted)
	if !found.has(object{kind: schema, name: schemaOf(d.raw.name)}) {
		return group{}, nil
	}
	var missing []object
	undropped := 0
	for _, o := range []object{d.raw, d.rejects, d.ledger} { // the ledger is last: the rows decide whether its loads wait
		if found.has(o) {
			continue
		}
		missing = append(missing, o)
		if found.dropped[o.name] && !r.CreateEmpty {
			undropped++
		}
	}
	switch {
	case len(missing) == 0:
		return d.planLockRow(ctx)
	case len(missing) == 3 && undropped == 0 && (d.ledger.script == "" || r.Pending[d.ledger.script]): // a new dataset
		return group{}, nil
	}
	if !r.CreateEmpty && undropped < len(missing) {
		if err := d.refuseRenamed(ctx, missing, found, ofDatasets); err != nil {
			return group{}, err
		}
	}
	g := group{settle: d.settle}
	for _, o := range missing {
		t := d.restoreTable(o, found)
		if t.step.Action == Create && o.name != d.ledger.name && found.has(d.ledger) {
			t.step.Note = d.emptyNote(o, d.countLedger(ctx))
		}
		g.tasks = append(g.tasks, t)
	}
	return g, nil
}

func (d dataset) restoreTable(o object, found existing) task {
	switch {
	case found.dropped[o.name] && !d.CreateEmpty:
		return d.undrop(o.name)
	case o.name == d.ledger.name:
		return d.createLedger()
	case o.name == d.raw.name:
		return d.create(o, ddl.Table(d.contract))
	}
	return d.create(o, ddl.Rejects(d.contract))
}

// createLedger makes a new ledger. If a table has rows, the ledger doesn't know their
// objects, and a load could add the rows of a newer version beside the old rows. So the
// loads wait until a person resumes the dataset.
func (d dataset) createLedger() task {
	t := d.create(d.ledger)
	look := t.run
	t.run = func(ctx context.Context) error {
		counts, err := d.Session.Query(ctx, "count rows", fmt.Sprintf(
			"select (select count(*) from %s) + (select count(*) from %s) as row_count", d.raw.name, d.rejects.name))
		if err != nil {
			return err
		}
		version, err := (&evolve.Evolver{Session: d.Session}).VersionOf(ctx, d.contract)
		if err != nil {
			return err
		}
		if _, err := d.Session.Query(ctx, "create ledger", ddl.NewLedger(d.contract, version, counts.Number(0, "row_count") > 0)); err != nil {
			return err
		}
		return look(ctx)
	}
	return t
}

// planLockRow plans the lock row of an existing ledger.
func (d dataset) planLockRow(ctx context.Context) (group, error) {
	locks, err := d.countLocks(ctx)
	if err != nil || locks > 0 {
		return group{}, err
	}
	return group{tasks: []task{d.insertLockRow()}}, nil
}

func (d dataset) countLocks(ctx context.Context) (int64, error) {
	result, err := d.Session.Query(ctx, "count lock rows", "select count(*) as locks from "+d.ledger.name+" where object = '"+ddl.LockRow+"'")
	if err != nil {
		return 0, err
	}
	return result.Number(0, "locks"), nil
}

func (d dataset) insertLockRow() task {
	step := Step{
		Action: Insert, Object: d.ledger.String(),
		Note: fmt.Sprintf("Objects may have failed meanwhile: `firn redrive --dataset %s --code %s` loads the objects.", d.contract.Dataset(), fault.LedgerBroken),
	}
	return task{step: step, run: func(ctx context.Context) error {
		version, err := (&evolve.Evolver{Session: d.Session}).VersionOf(ctx, d.contract)
		if err != nil {
			return err
		}
		if err := d.Session.Begin(ctx); err != nil {
			return err
		}
		if err := d.insertInTransaction(ctx, version); err != nil {
			return errors.Join(err, d.Session.Rollback(ctx))
		}
		return d.Session.Commit(ctx)
	}}
}

func (d dataset) insertInTransaction(ctx context.Context, version string) error {
	if _, err := d.Session.Exec(ctx, "insert lock row", ddl.InsertLockRow(d.contract), version); err != nil {
		return err
	}
	locks, err := d.countLocks(ctx)
	if err == nil && locks != 1 {
		err = fault.Permanentf("insert lock row", fault.LedgerBroken, "the ledger has %d lock rows", locks)
	}
	return err
}

// counts are the counts of a dataset at one instant.
type counts struct {
	rows, rejects, locks               int64
	objects, ledgerRows, ledgerRejects int64
	known                              bool
}

// ledgerSums names only columns that the ledger of every firn has.
const ledgerSums = "count_if(object = '" + ddl.LockRow + "') as locks, count_if(rows_loaded + rows_rejected > 0) as objects," +
	" coalesce(sum(rows_loaded), 0) as ledger_rows, coalesce(sum(rows_rejected), 0) as ledger_rejects"

func countsOf(result snowflake.Result) counts {
	return counts{
		rows: result.Number(0, "row_count"), rejects: result.Number(0, "reject_count"), locks: result.Number(0, "locks"),
		objects: result.Number(0, "objects"), ledgerRows: result.Number(0, "ledger_rows"), ledgerRejects: result.Number(0, "ledger_rejects"), known: true,
	}
}

// countLedger reads the sums of an existing ledger. The counts only improve a note, so
// an error returns unknown counts.
func (d dataset) countLedger(ctx context.Context) counts {
	result, err := d.Session.Query(ctx, "count ledger", "select 0 as row_count, 0 as reject_count, "+ledgerSums+" from "+d.ledger.name)
	if err != nil || len(result.Rows) != 1 {
		return counts{}
	}
	return countsOf(result)
}

// settle inserts a missing lock row, compares the restored tables with the ledger, and
// adds the operator's next commands to the steps. One statement counts all three tables,
// because loads may run again.
func (d dataset) settle(ctx context.Context, made []Step) ([]Step, error) {
	result, err := d.Session.Query(ctx, "compare tables with ledger", fmt.Sprintf(
		"select * from (select count(*) as row_count from %s) as counted_rows cross join (select count(*) as reject_count from %s) as counted_rejects"+
			" cross join (select %s from %s) as counted_ledger", d.raw.name, d.rejects.name, ledgerSums, d.ledger.name))
	if err != nil {
		return made, fmt.Errorf("%s: %w", d.contract.Dataset(), err)
	}
	c := countsOf(result)
	for i := range made {
		made[i].Note = d.note(made[i], c)
	}
	if c.locks > 0 {
		return made, nil
	}
	inserted, err := d.run(ctx, group{tasks: []task{d.insertLockRow()}})
	return append(made, inserted...), err
}

// note returns the next command after a step.
func (d dataset) note(made Step, c counts) string {
	isLedger := made.Object == d.ledger.String()
	name := d.contract.Dataset()
	switch {
	case made.Action == Create && isLedger && c.rows+c.rejects > 0:
		return fmt.Sprintf("The tables have %d rows and %d rejects of unknown objects, so the loads wait. Follow `firn audit --dataset %s`, then run `firn resume %s`.",
			c.rows, c.rejects, name, name)
	case made.Action == Create && !isLedger:
		return d.emptyNote(object{kind: table, name: strings.TrimPrefix(made.Object, string(table)+" ")}, c)
	case made.Action == Undrop && (c.rows != c.ledgerRows || c.rejects != c.ledgerRejects):
		return fmt.Sprintf("The tables and the ledger differ: run `firn audit --dataset %s`.", name)
	}
	return ""
}

// emptyNote returns the command that loads the lost rows of an empty table; empty if the
// ledger has none.
func (d dataset) emptyNote(o object, c counts) string {
	lost, what := c.ledgerRows, "rows"
	if o.name == d.rejects.name {
		lost, what = c.ledgerRejects, "rejects"
	}
	if !c.known || lost == 0 {
		return ""
	}
	return fmt.Sprintf("The table is empty, but the ledger has %d %s of %d objects: `firn reload --dataset %s` loads the %[2]s again.", lost, what, c.objects, d.contract.Dataset())
}

// refuseRenamed refuses to create an empty table if a table of another name looks like
// the missing table: its name contains the name of the missing table, it has the same
// columns, and it belongs to no contract.
func (d dataset) refuseRenamed(ctx context.Context, missing []object, found existing, ofDatasets map[string]bool) error {
	var faults []error
	for _, o := range missing {
		if found.dropped[o.name] {
			continue
		}
		in := schemaOf(o.name)
		for _, name := range found.tables(in) {
			if ofDatasets[object{kind: table, name: name}.String()] || !strings.Contains(strings.TrimPrefix(name, in+"."), strings.TrimPrefix(o.name, in+".")) {
				continue
			}
			columns, err := d.columns(ctx, name)
			if err != nil {
				return err
			}
			if d.fits(o, columns) {
				faults = append(faults, renamedFault(o.name, name))
			}
		}
	}
	return errors.Join(faults...)
}

func renamedFault(missing, other string) *fault.Fault {
	f := fault.Permanentf("restore table", fault.TableMissing, "table %s is missing, and table %s has its columns", missing, other)
	f.Hint = fmt.Sprintf("Rename the table back: `firn query 'alter table %s rename to %s'`. For an empty table instead, run `firn migrate --create-empty`.", other, missing)
	return f
}

// columns returns the names of a table's columns, in lower case, sorted.
func (d dataset) columns(ctx context.Context, name string) ([]string, error) {
	parts := strings.Split(name, ".")
	result, err := d.Session.Query(ctx, "read columns",
		"select column_name from information_schema.columns where table_schema = ? and table_name = ?", parts[1], parts[2])
	if err != nil {
		return nil, err
	}
	names := make([]string, len(result.Rows))
	for i := range result.Rows {
		names[i] = strings.ToLower(result.Text(i, "column_name"))
	}
	slices.Sort(names)
	return names, nil
}

// fits reports whether the columns are the columns of the missing table. The ledger of
// an older firn has fewer columns.
func (d dataset) fits(missing object, columns []string) bool {
	switch missing.name {
	case d.ledger.name:
		return slices.Contains(columns, "load_id") && slices.Contains(columns, "paused")
	case d.rejects.name:
		return slices.Contains(columns, "_firn_object") && slices.Contains(columns, "rule")
	}
	wanted := ddl.AddedColumns()
	for _, column := range d.contract.Columns {
		wanted = append(wanted, column.Name)
	}
	slices.Sort(wanted)
	return slices.Equal(wanted, columns)
}
