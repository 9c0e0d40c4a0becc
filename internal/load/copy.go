package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// maxFilesPerCopy is the limit of FILES in a COPY (docs.snowflake.com,
// sql-reference/sql/copy-into-table).
const maxFilesPerCopy = 1000

// clockSkew widens the window of a load: _FIRN_LOADED_AT has the clock of the
// warehouse, but the ledger's times have the clock of the service. The cost is a few
// more micro-partitions.
const clockSkew = time.Hour

func (t *transaction) forgetReplacedRows(ctx context.Context) error {
	if len(t.replaced) == 0 {
		return nil
	}
	return t.session.Forget(ctx, replacedIDs(t.replaced))
}

// deleteReplaced deletes the rows and rejects of replaced objects. The window saves
// Snowflake a scan of the whole table. If the number of deleted rows differs from the
// ledger, a second DELETE scans the whole table. If the number still differs, the table
// was changed by hand: the difference is logged, and the new rows correct it.
//
// A reload or a withdrawal of the same object has no window: it also deletes rows that a
// person added to the table.
func (t *transaction) deleteReplaced(ctx context.Context) error {
	window := windowOf(t.replaced)
	if t.replacesItself() {
		window = Window{}
	}
	for _, table := range []Table{Rows, Rejects} {
		expected := int64(0)
		for _, row := range t.replaced {
			expected += table.recorded(row)
		}
		if expected == 0 && window != (Window{}) || len(t.replaced) == 0 {
			continue
		}
		deleted, err := t.session.Delete(ctx, table, replacedIDs(t.replaced), window)
		if err != nil {
			return err
		}
		if deleted != expected && window != (Window{}) {
			more, err := t.session.Delete(ctx, table, replacedIDs(t.replaced), Window{})
			if err != nil {
				return err
			}
			deleted += more
		}
		if deleted != expected {
			telemetry.Logger(ctx).WarnContext(ctx, "replaced rows differ from the ledger",
				telemetry.KeyDataset, t.dataset, telemetry.KeyLoadID, t.loadID,
				telemetry.KeyRows, expected, telemetry.KeyCount, deleted)
		}
	}
	return nil
}

// replacesItself reports whether the transaction reloads or withdraws an object of the
// ledger.
func (t *transaction) replacesItself() bool {
	return slices.ContainsFunc(t.replaced, func(row LedgerRow) bool {
		return slices.ContainsFunc(t.toLoad, func(o readyObject) bool { return o.id() == row.ID })
	})
}

func replacedIDs(rows []LedgerRow) []object.ID {
	ids := make([]object.ID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// windowOf returns the window of the rows' loads; the zero window without rows.
func windowOf(rows []LedgerRow) Window {
	if len(rows) == 0 {
		return Window{}
	}
	window := Window{From: rows[0].StartedAt, To: rows[0].LoadedAt}
	for _, row := range rows[1:] {
		if row.StartedAt.Before(window.From) {
			window.From = row.StartedAt
		}
		if row.LoadedAt.After(window.To) {
			window.To = row.LoadedAt
		}
	}
	return Window{From: window.From.Add(-clockSkew), To: window.To.Add(clockSkew)}
}

// recorded returns the number of the table's rows according to the ledger row.
func (t Table) recorded(row LedgerRow) int64 {
	if t == Rejects {
		return row.RowsRejected
	}
	return row.RowsLoaded
}

// files returns the object's files for the table.
func (t Table) files(o readyObject) []work.File {
	if t == Rejects {
		return o.Rejects
	}
	return o.Data
}

func (t Table) names(o readyObject) []string { return namesOf(t.files(o)) }

// copy copies the files of the objects to load.
func (t *transaction) copy(table Table) step {
	return func(ctx context.Context) error {
		var names []string
		for _, o := range t.toLoad {
			names = append(names, table.names(o)...)
		}
		return t.copyFiles(ctx, table, names, false)
	}
}

func (t *transaction) copyFiles(ctx context.Context, table Table, names []string, force bool) error {
	for chunk := range slices.Chunk(names, maxFilesPerCopy) {
		copied, err := t.session.Copy(ctx, table, chunk, force)
		if err != nil {
			return copyError(err, t.toLoad, table.names)
		}
		for name, rows := range copied.Loaded {
			t.copied[name] = copiedFile{rows: rows, queryID: copied.QueryID}
		}
	}
	return nil
}

// copySkipped copies the files that COPY skipped because of the load history. Neither
// the ledger nor the table has rows of these files. DELETE leaves a file in the history
// (docs.snowflake.com, sql-reference/sql/delete). Snowflake doesn't document the effect
// of ROLLBACK.
func (t *transaction) copySkipped(table Table) step {
	return func(ctx context.Context) error {
		var skipped []string
		var owners []readyObject
		for _, o := range t.toLoad {
			if missing := t.missing(table.names(o)); len(missing) > 0 {
				skipped = append(skipped, missing...)
				owners = append(owners, o)
			}
		}
		if len(skipped) == 0 {
			return nil
		}
		if err := t.checkAbsent(ctx, table, owners); err != nil {
			return err
		}
		return t.copyFiles(ctx, table, skipped, true)
	}
}

// checkAbsent proves that the table has no rows of the objects, except the rows of this
// transaction. An object with other rows gets a permanent fault of code ledger_broken.
func (t *transaction) checkAbsent(ctx context.Context, table Table, owners []readyObject) error {
	ids := make([]object.ID, len(owners))
	for i, o := range owners {
		ids[i] = o.id()
	}
	counts, err := t.session.Count(ctx, table, ids)
	if err != nil {
		return err
	}
	proven := make(map[object.ID]*fault.Fault)
	for _, o := range owners {
		own := int64(0)
		for _, name := range table.names(o) {
			own += t.copied[name].rows
		}
		if counts[o.id()] != own {
			f := o.fault(fault.Permanentf("copy skipped files", fault.LedgerBroken,
				"the table has %d rows of the object without a ledger row", counts[o.id()]-own))
			f.Hint = "Delete the table's rows of this object, or restore the object's ledger row, then redrive."
			proven[o.id()] = f
		}
	}
	return countError(proven)
}

func (t *transaction) missing(names []string) []string {
	var missing []string
	for _, name := range names {
		if _, found := t.copied[name]; !found {
			missing = append(missing, name)
		}
	}
	return missing
}

// check compares the copied rows of every file with the receipt. A difference is a
// permanent fault of code receipt_mismatch for the object.
func (t *transaction) check(table Table) step {
	return func(context.Context) error {
		proven := make(map[object.ID]*fault.Fault)
		for _, o := range t.toLoad {
			for _, file := range table.files(o) {
				copied, found := t.copied[file.Key]
				if found && copied.rows == file.Rows {
					continue
				}
				f := o.fault(fault.Permanentf("check copied rows", fault.ReceiptMismatch, "%s", difference(file, copied, found)))
				f.QueryID = copied.queryID
				proven[o.id()] = f
				break
			}
		}
		return countError(proven)
	}
}

func difference(file work.File, copied copiedFile, found bool) string {
	if !found {
		return fmt.Sprintf("file %s has %d rows by its receipt, but COPY skipped the file even with FORCE", file.Key, file.Rows)
	}
	return fmt.Sprintf("COPY counted %d rows of file %s, but the receipt counts %d; the load was rolled back", copied.rows, file.Key, file.Rows)
}
