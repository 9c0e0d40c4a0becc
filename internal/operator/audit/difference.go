package audit

import (
	"fmt"

	"github.com/firn-data/firn/internal/object"
)

// Kind is the fixed name of a kind of difference. docs/runbook.md has an entry for each
// kind, and internal/help has the commands.
type Kind string

// The kinds, in the order of the report.
const (
	// NoTable: the dataset has a contract, but a table is missing.
	NoTable Kind = "no_table"
	// LockRow: the ledger has no lock row, or several.
	LockRow Kind = "lock_row"
	// ObjectTwice and KeyTwice: the ledger has several rows of one object, or of one
	// key.
	ObjectTwice Kind = "object_twice"
	KeyTwice    Kind = "key_twice"
	// RowsRead: in a ledger row, the rows read aren't the sum of rows written and
	// rejected.
	RowsRead Kind = "rows_read"
	// RowsLoaded: in a ledger row, the rows written aren't the rows loaded.
	RowsLoaded Kind = "rows_loaded"
	// Orphans and RejectOrphans: a table has rows of an object without a ledger row.
	Orphans       Kind = "orphans"
	RejectOrphans Kind = "reject_orphans"
	// TableRows and RejectRows: the number of an object's rows in a table isn't the
	// number in the ledger.
	TableRows  Kind = "table_rows"
	RejectRows Kind = "reject_rows"
	// Unannounced: the bucket has a version without a journal entry.
	Unannounced Kind = "unannounced"
	// Stuck: an object has been in one state for too long.
	Stuck Kind = "stuck"
	// JournalLost: the ledger has an object without a journal entry.
	JournalLost Kind = "journal_lost"
	// NotInLedger: the journal has the object as loaded, but the ledger has no row of
	// the key.
	NotInLedger Kind = "not_in_ledger"
	// OtherLoad: journal and ledger have different loads of an object.
	OtherLoad Kind = "other_load"
	// JournalBehind: the journal has the object as loaded, but the ledger has another
	// version of the key.
	JournalBehind Kind = "journal_behind"
	// NoSuccessor: the journal has the object as superseded, but the ledger has no row
	// of the key.
	NoSuccessor Kind = "no_successor"
	// SupersededInLedger: the journal has the object as superseded, but the ledger has
	// the object.
	SupersededInLedger Kind = "superseded_in_ledger"
	// FailedInLedger: the journal has the object as failed or dismissed, but the ledger
	// has this generation or a later one.
	FailedInLedger Kind = "failed_in_ledger"
	// NotWithdrawn: the ledger has the object as withdrawn, but the journal doesn't; or
	// the journal has the object as withdrawn, but the ledger has its rows.
	NotWithdrawn Kind = "not_withdrawn"
	// FileDeleted: the key is deleted in the landing bucket, but the table has the rows.
	FileDeleted Kind = "file_deleted"
	// ReceiptGone: the receipt of a loaded object isn't in the curated bucket.
	ReceiptGone Kind = "receipt_gone"
)

// Kinds returns all kinds in the order of the report.
func Kinds() []Kind {
	return []Kind{
		NoTable, LockRow, ObjectTwice, KeyTwice, RowsRead, RowsLoaded, Orphans, RejectOrphans, TableRows, RejectRows,
		Unannounced, Stuck, JournalLost, NotInLedger, OtherLoad, JournalBehind, NoSuccessor, SupersededInLedger,
		FailedInLedger, NotWithdrawn, FileDeleted, ReceiptGone,
	}
}

// Difference is one difference between two sources of state.
type Difference struct {
	Dataset string `json:"dataset"`
	Kind    Kind   `json:"kind"`
	// Object is the URI and ID the id of the object. Both are empty for a difference of
	// the dataset. Orphans without a journal entry have only an ID.
	Object string    `json:"object,omitempty"`
	ID     object.ID `json:"id,omitempty"`
	// One and Other are the two sides. Each begins with the name of its source, for
	// example "ledger: 2 rows".
	One   string `json:"one"`
	Other string `json:"other"`
	// Command is the operator's next command.
	Command string `json:"command"`
}

// countText returns a number of rows after a label.
func countText(label string, n int64) string { return label + ": " + plural(n, "row") }

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
