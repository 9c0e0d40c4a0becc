package audit

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/shell"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// Kind is the stable name of a difference. docs/runbook.md has one entry for each.
type Kind string

// The kinds, in the order in which they are told.
const (
	// NoTable: the dataset has a contract and no table.
	NoTable Kind = "no_table"
	// LockRow: the ledger hasn't exactly one lock row.
	LockRow Kind = "lock_row"
	// ObjectTwice and KeyTwice: the ledger has an object, or a key, twice.
	ObjectTwice Kind = "object_twice"
	KeyTwice    Kind = "key_twice"
	// RowsRead: the ledger's rows read aren't those written and rejected.
	RowsRead Kind = "rows_read"
	// RowsLoaded: the ledger's rows written aren't those loaded.
	RowsLoaded Kind = "rows_loaded"
	// Orphans and RejectOrphans: a table has rows of an object that the ledger
	// hasn't.
	Orphans       Kind = "orphans"
	RejectOrphans Kind = "reject_orphans"
	// TableRows and RejectRows: a table has more or fewer rows of an object than
	// the ledger says.
	TableRows  Kind = "table_rows"
	RejectRows Kind = "reject_rows"
	// Unannounced: the bucket has a version that the journal doesn't know.
	Unannounced Kind = "unannounced"
	// Stuck: an object stays on its way.
	Stuck Kind = "stuck"
	// JournalLost: the ledger has an object that the journal doesn't know.
	JournalLost Kind = "journal_lost"
	// NotInLedger: the journal says loaded, and the ledger has nothing of the key.
	NotInLedger Kind = "not_in_ledger"
	// OtherLoad: the journal says loaded, by another load than the ledger's.
	OtherLoad Kind = "other_load"
	// JournalBehind: the journal says loaded, and the ledger has another version.
	JournalBehind Kind = "journal_behind"
	// NoSuccessor: the journal says superseded, and the ledger has nothing of the
	// key.
	NoSuccessor Kind = "no_successor"
	// SupersededInLedger: the journal says superseded, and it is in the ledger.
	SupersededInLedger Kind = "superseded_in_ledger"
	// FailedInLedger: the journal says failed, and this generation is in the ledger.
	FailedInLedger Kind = "failed_in_ledger"
	// ReceiptGone: the receipt of a loaded object isn't in the curated bucket.
	ReceiptGone Kind = "receipt_gone"
)

// Kinds are all kinds, in the order in which they are told.
func Kinds() []Kind {
	return []Kind{
		NoTable, LockRow, ObjectTwice, KeyTwice, RowsRead, RowsLoaded, Orphans, RejectOrphans, TableRows, RejectRows,
		Unannounced, Stuck, JournalLost, NotInLedger, OtherLoad, JournalBehind, NoSuccessor, SupersededInLedger,
		FailedInLedger, ReceiptGone,
	}
}

// Difference is one thing that doesn't add up.
type Difference struct {
	Dataset string `json:"dataset"`
	Kind    Kind   `json:"kind"`
	// Object and ID name the object; empty if it is the dataset's own.
	Object string    `json:"object,omitempty"`
	ID     object.ID `json:"id,omitempty"`
	// One and Other are the two sides, each with who says it.
	One   string `json:"one"`
	Other string `json:"other"`
	// Command is what to type next.
	Command string `json:"command"`
}

// reloadCommand is the command that transforms an object again.
func reloadCommand(id object.ID) string { return "firn reload --object " + string(id) }

// sweepCommand announces what nobody announced, and asks once more for what stands
// still.
const sweepCommand = "firn sweep"

// putCommand is the command that puts the file of a key again.
func putCommand(o object.Object) string { return "firn put --key " + shell.Quote(o.Key) + " FILE" }

func queryCommand(statement string) string { return "firn query " + shell.Quote(statement) }

// restoreCommand is the command that takes what the ledger has and the journal lost.
func (p *datasetState) restoreCommand(id object.ID) string {
	return "firn reload --dataset " + shell.Quote(p.dataset) + " --object " + string(id)
}

// ledgerQueryCommand is the command that shows the ledger's rows of some objects.
func (p *datasetState) ledgerQueryCommand(ids ...string) string {
	return queryCommand("select * from " + ddl.LedgerName(p.contract) + " where object in (" + literals(ids) + ")")
}

// deleteCommand is the command that deletes an object's rows from a table.
func deleteCommand(table string, id object.ID) string {
	return queryCommand("delete from " + table + " where _firn_object = " + snowflake.Literal(string(id)))
}

func literals(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = snowflake.Literal(text)
	}
	return strings.Join(quoted, ", ")
}

// countText says how many rows somebody counts.
func countText(who string, n int64) string { return who + ": " + plural(n, "row") }

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
