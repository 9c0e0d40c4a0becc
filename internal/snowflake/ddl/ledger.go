package ddl

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// LockRow is the OBJECT of the ledger's lock row. Loaders update it to keep each
// other out, and it says whether the dataset is paused and which version of the
// contract the table has.
const LockRow = "~lock"

// ledgerColumns are the ledger's columns with the lock row's values.
var ledgerColumns = []struct{ name, kind, lock string }{
	{"object", varchar, "'" + LockRow + "'"},
	{"generation", number, "0"},
	{"load_id", varchar, null},
	{"bucket", varchar, null},
	{"key", varchar, null},
	{"version", varchar, null},
	{"etag", varchar, null},
	{"sequencer", varchar, null},
	{"size", number, null},
	{"contract", varchar, ""}, // the contract's version
	{"engine", varchar, null},
	{"attempt", varchar, null},
	{"content_hash", varchar, null},
	{"files", number, null},
	{"rows_read", number, null},
	{"rows_written", number, null},
	{"rows_rejected", number, null},
	{"rows_loaded", number, null},
	{"copy_query_id", varchar, null},
	{"rejects_query_id", varchar, null},
	{"transformed_at", timestamp, null},
	{"started_at", timestamp, null},
	{"loaded_at", timestamp, null},
	{"bytes", number, null},
	{"transform_started_at", timestamp, null},
	{"duplicate_of", varchar, null},
	{"seq", number, "0"},
	{"paused", "boolean", "false"},
}

const null = "null"

// Ledger returns the statement that creates the ledger together with its lock
// row: one statement, so that two migrations at once can't make two lock rows,
// which no enforced key would keep apart. CREATE TABLE … AS SELECT is on
// https://docs.snowflake.com/en/sql-reference/sql/create-table; that page
// doesn't show IF NOT EXISTS together with it, though Snowflake takes both.
func Ledger(c *contract.Contract) string {
	lines := make([]string, len(ledgerColumns))
	for i, column := range ledgerColumns {
		value := column.lock
		if column.name == "contract" {
			value = literal(c.Version)
		}
		lines[i] = fmt.Sprintf("    %s::%s as %s", value, column.kind, column.name)
	}
	return fmt.Sprintf("create table if not exists %s as\nselect\n%s;\n",
		LedgerName(c), strings.Join(lines, ",\n"))
}
