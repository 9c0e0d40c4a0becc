package audit

import (
	"cmp"
	"fmt"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

// deleteStatement returns the statement that deletes an object's rows from a table.
func deleteStatement(table string, id object.ID) string {
	return "delete from " + table + " where _firn_object = " + snowflake.Literal(string(id))
}

// deleteLedgerStatement returns the statement that deletes ledger rows of an object.
func (d *datasetState) deleteLedgerStatement(id, condition string) string {
	return "delete from " + ddl.LedgerName(d.contract) + " where object = " + snowflake.Literal(id) + condition
}

// surplusLocksStatement returns the statement that deletes surplus lock rows; empty
// without a lock row, because `firn migrate` inserts a missing one. Of several rows, the
// row with the highest number stays. Equal rows are all deleted.
func (d *datasetState) surplusLocksStatement() string {
	locks := d.tables.Locks
	if len(locks) == 0 {
		return ""
	}
	lowest, highest := locks[0].Seq, locks[0].Seq
	for _, lock := range locks {
		lowest, highest = min(lowest, lock.Seq), max(highest, lock.Seq)
	}
	condition := ""
	if lowest < highest {
		condition = fmt.Sprintf(" and seq < %d", highest)
	}
	return d.deleteLedgerStatement(ddl.LockRow, condition)
}

// secondRowStatement returns the statement that deletes one of two ledger rows of an
// object. The row of the journal's load stays, else the row of the later generation.
// Equal rows are both deleted, and the next audit has the commands for the object's rows.
func (d *datasetState) secondRowStatement(one, two *ledger.Row) string {
	condition := ""
	switch {
	case one.LoadID != two.LoadID && one.LoadID != "" && two.LoadID != "":
		condition = " and load_id = " + snowflake.Literal(d.wrongRow(one, two).LoadID)
	case one.Generation != two.Generation:
		condition = fmt.Sprintf(" and generation = %d", min(one.Generation, two.Generation))
	}
	return d.deleteLedgerStatement(string(one.ID), condition)
}

// wrongRow returns the one of two ledger rows of an object that isn't the row of the
// journal's load, nor of the later generation.
func (d *datasetState) wrongRow(one, two *ledger.Row) *ledger.Row {
	loadID := ""
	if e := d.entries[one.ID]; e != nil {
		loadID = e.LoadID
	}
	if loadID == one.LoadID || loadID != two.LoadID && one.Generation > two.Generation {
		return two
	}
	return one
}

// olderRow returns two ledger rows of a key in the order of the versions. Without
// sequencers, the times of the loads decide.
func olderRow(a, b *ledger.Row) (older, newer *ledger.Row) {
	order := 0
	if a.Object.Sequencer != "" && b.Object.Sequencer != "" {
		order = cmp.Compare(a.Object.Sequencer, b.Object.Sequencer)
	}
	if order = cmp.Or(order, a.LoadedAt.Compare(b.LoadedAt), cmp.Compare(a.ID, b.ID)); order > 0 {
		return b, a
	}
	return a, b
}
