package ddl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// LockRow is the OBJECT of the ledger's lock row. A loader updates the lock row to keep
// other loaders out. The row also has the pause of the dataset and the contract version
// of the table.
const LockRow = "~lock"

// ledgerColumns has the ledger's columns with the values of the lock row. A withdrawn
// object keeps a row without rows, with withdrawn_at. extra_columns and absent_columns
// are JSON lists of names; null for none.
var ledgerColumns = []struct{ name, kind, lock string }{
	{"object", varchar, "'" + LockRow + "'"},
	{"generation", number, "0"},
	{"load_id", varchar, sqlNull},
	{"bucket", varchar, sqlNull},
	{"key", varchar, sqlNull},
	{"version", varchar, sqlNull},
	{"etag", varchar, sqlNull},
	{"sequencer", varchar, sqlNull},
	{"size", number, sqlNull},
	{"contract", varchar, ""}, // the contract's version
	{"engine", varchar, sqlNull},
	{"attempt", varchar, sqlNull},
	{"content_hash", varchar, sqlNull},
	{"files", number, sqlNull},
	{"rows_read", number, sqlNull},
	{"rows_written", number, sqlNull},
	{"rows_rejected", number, sqlNull},
	{"rows_loaded", number, sqlNull},
	{"copy_query_id", varchar, sqlNull},
	{"rejects_query_id", varchar, sqlNull},
	{"transformed_at", timestamp, sqlNull},
	{"started_at", timestamp, sqlNull},
	{"loaded_at", timestamp, sqlNull},
	{"bytes", number, sqlNull},
	{"transform_started_at", timestamp, sqlNull},
	{"duplicate_of", varchar, sqlNull},
	{"extra_columns", varchar, sqlNull},
	{"absent_columns", varchar, sqlNull},
	{"withdrawn_at", timestamp, sqlNull},
	{"withdrawn_by", varchar, sqlNull},
	{"withdrawn_note", varchar, sqlNull},
	{"held", "boolean", sqlNull},
	{"accepted_at", timestamp, sqlNull},
	{"accepted_by", varchar, sqlNull},
	{"seq", number, "0"},
	{"paused", "boolean", "false"},
}

const sqlNull = "null"

// laterSeq is the first number of a new lock row beside an older table. The number is
// higher than every earlier number, so the journal accepts the next record of the
// dataset's deliveries.
const laterSeq = "date_part(epoch_second, current_timestamp())"

// LedgerColumn is a column of every dataset's ledger.
type LedgerColumn struct{ Name, Type string }

// LedgerColumns returns the columns of a ledger, in order.
func LedgerColumns() []LedgerColumn {
	columns := make([]LedgerColumn, len(ledgerColumns))
	for i, c := range ledgerColumns {
		columns[i] = LedgerColumn{Name: c.name, Type: c.kind}
	}
	return columns
}

// Ledger returns the statement that creates the ledger with the lock row. One statement
// does both, so that two migrations at the same time make one lock row. No enforced key
// would prevent a second lock row.
//
// The table's own default collation is empty and replaces the account's: noCollation
// for every column of the statement (sql-reference/parameters, DEFAULT_DDL_COLLATION).
//
// The page https://docs.snowflake.com/en/sql-reference/sql/create-table describes
// CREATE TABLE … AS SELECT. The page doesn't show IF NOT EXISTS in the same statement,
// but Snowflake accepts both together.
func Ledger(c *contract.Contract) string { return ledger(c, c.Version, "0", false) }

// NewLedger is Ledger for a dataset that already has a raw table. The version is the
// contract version of the raw table. With paused, the loads of the dataset wait. The
// journal accepts the next record of the dataset's deliveries, as after InsertLockRow.
func NewLedger(c *contract.Contract, version string, paused bool) string {
	return ledger(c, version, laterSeq, paused)
}

func ledger(c *contract.Contract, version, seq string, paused bool) string {
	lines := make([]string, len(ledgerColumns))
	for i, column := range ledgerColumns {
		value := column.lock
		switch column.name {
		case "contract":
			value = literal(version)
		case "seq":
			value = seq
		case "paused":
			value = strconv.FormatBool(paused)
		}
		lines[i] = fmt.Sprintf("    %s::%s as %s", value, column.kind, column.name)
	}
	return fmt.Sprintf("create table if not exists %s\n    default_ddl_collation = ''\nas\nselect\n%s;\n",
		LedgerName(c), strings.Join(lines, ",\n"))
}

// InsertLockRow returns the statement that inserts the lock row into a ledger without a
// lock row. Its bind is the contract version of the raw table. The other columns are
// null, as in the lock row of Ledger. The number of the new row is higher than every
// earlier number.
func InsertLockRow(c *contract.Contract) string {
	return fmt.Sprintf(`insert into %[1]s (object, generation, contract, seq, paused)
select '%[2]s', 0, ?, %[3]s, false
from (select count(*) as locks from %[1]s where object = '%[2]s') as counted
where counted.locks = 0`, LedgerName(c), LockRow, laterSeq)
}
