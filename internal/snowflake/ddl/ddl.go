// Package ddl writes the Snowflake tables of a dataset from its contract: the
// raw table, its ledger with the lock row, and the table of rejected rows.
//
// The statements name a schema but no database: they run in the session's.
package ddl

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

//go:generate go test -run TestGeneratedFilesAreFresh -update

// Schema is the schema of all tables that loads write.
const Schema = "raw"

// Generate returns the repeatable migrations by file name: one a contract,
// "R__dataset_shop_order.sql", and "R__ops_views.sql", which comes after
// all of them in the alphabet, and so runs after them. The names are schemachange's,
// https://github.com/Snowflake-Labs/schemachange#repeatable-script-naming.
func Generate(set contract.Set) map[string]string {
	files := make(map[string]string, len(set)+1)
	for _, c := range set {
		files[FileName(c)] = File(c)
	}
	files[opsFileName] = Ops(set)
	return files
}

// filePrefix begins the name of each contract's repeatable migration.
const filePrefix = "R__dataset_"

// FileName returns the name of the contract's repeatable migration.
func FileName(c *contract.Contract) string {
	return filePrefix + c.Source + "_" + c.Entity + ".sql"
}

// IsGenerated reports whether Generate writes files of that name: they belong to
// the project with the contracts, and all other migrations to firn itself.
func IsGenerated(name string) bool {
	return name == opsFileName || strings.HasPrefix(name, filePrefix)
}

// File returns the contract's repeatable migration. Each statement ends with a
// semicolon at the end of a line, and no other line ends with one.
//
// It creates what is missing and changes nothing that is there: run again after
// the contract got a new column, it doesn't add the column.
func File(c *contract.Contract) string {
	head := fmt.Sprintf(`-- The tables of %s, from datasets/%s/%s/%s.
-- Written by internal/snowflake/ddl: change the contract, then go generate.
`, c.Dataset(), c.Source, c.Entity, contract.FileName)
	return strings.Join([]string{head, Table(c), Ledger(c), Rejects(c)}, "\n")
}

// Table returns the statement that creates the raw table. The contract's columns
// may be null even where the contract requires them: the transform holds rows
// against the contract, and the table keeps rows of earlier versions of it. No
// primary key is declared, since Snowflake doesn't enforce one:
// https://docs.snowflake.com/en/sql-reference/constraints-overview
func Table(c *contract.Contract) string {
	columns := make([]column, 0, len(c.Columns)+3)
	for _, from := range c.Columns {
		columns = append(columns, column{name: from.Name, kind: SQLType(from), comment: from.Description})
	}
	columns = append(columns, address...)
	return create(TableName(c), strings.TrimSpace(c.Description+" "+keyNote(c)), columns)
}

// Rejects returns the statement that creates the table of rejected rows.
func Rejects(c *contract.Contract) string {
	columns := []column{
		address[0], address[1],
		{name: "line", kind: number, comment: "Line of the file on which the record begins, from 1; null if the engine counts none."},
		{name: "rule", kind: varchar, comment: "The rule that the row breaks."},
		{name: "raw", kind: varchar, comment: "The record as it stood in the file."},
		address[2],
	}
	return create(RejectsName(c), "Rows of "+c.Dataset()+" that broke the contract.", columns)
}

// SQLType returns the column type that holds every value of the contract's.
func SQLType(c contract.Column) string {
	if c.Type == contract.Decimal {
		return fmt.Sprintf("number(%d, %d)", c.Precision, c.Scale)
	}
	return sqlTypes[c.Type]
}

const (
	number    = "number(38, 0)"
	varchar   = "varchar"
	timestamp = "timestamp_ltz"
)

var sqlTypes = map[contract.Type]string{
	contract.String:    varchar,
	contract.Integer:   number,
	contract.Double:    "float",
	contract.Boolean:   "boolean",
	contract.Date:      "date",
	contract.Timestamp: timestamp,
	contract.Time:      "time",
	contract.JSON:      varchar,
}

// address are the columns that firn adds to every row.
var address = []column{
	{name: "_firn_object", kind: varchar, required: true, comment: "Id of the object that the row came from."},
	{name: "_firn_record", kind: number, required: true, comment: "Number of the record in the object, from 1."},
	{name: "_firn_loaded_at", kind: timestamp, comment: "When COPY began to read the row's file."},
}

// column is one column of a create table statement.
type column struct {
	name, kind, comment string
	required            bool
}

// definition returns the column as statements define it, with the text before
// its comment.
func (c column) definition(beforeComment string) string {
	text := c.name + " " + c.kind
	if c.required {
		text += " not null"
	}
	if c.comment != "" {
		text += beforeComment + "comment " + literal(c.comment)
	}
	return text
}

// Definition returns a column that may be null as a statement defines it, on
// one line. The type is one of SQLType's; an empty comment is none.
func Definition(name, sqlType, comment string) string {
	return column{name: name, kind: sqlType, comment: comment}.definition(" ")
}

// AddedColumns are the names of the columns that a raw table has beside the
// contract's.
func AddedColumns() []string {
	names := make([]string, len(address))
	for i, c := range address {
		names[i] = c.name
	}
	return names
}

// TableName returns the qualified name of the dataset's raw table.
func TableName(c *contract.Contract) string { return tableName(c, "") }

// LedgerName returns the qualified name of the dataset's ledger.
func LedgerName(c *contract.Contract) string { return tableName(c, "_loads") }

// RejectsName returns the qualified name of the dataset's table of rejected rows.
func RejectsName(c *contract.Contract) string { return tableName(c, "_rejects") }

// create returns a create table statement.
func create(name, comment string, columns []column) string {
	lines := make([]string, len(columns))
	for i, c := range columns {
		lines[i] = "    " + c.definition("\n        ")
	}
	return fmt.Sprintf("create table if not exists %s (\n%s\n)\n    comment = %s;\n",
		name, strings.Join(lines, ",\n"), literal(comment))
}

// tableName returns the qualified name of the dataset's table with the suffix.
func tableName(c *contract.Contract, suffix string) string {
	return Schema + "." + strings.ToLower(c.Table()) + suffix
}

func keyNote(c *contract.Contract) string {
	key := c.PrimaryKeyColumns()
	if len(key) == 0 {
		return ""
	}
	names := make([]string, len(key))
	for i, part := range key {
		names[i] = part.Name
	}
	return "Primary key, not enforced: " + strings.Join(names, ", ") + "."
}

// literal quotes a text for Snowflake, where a backslash escapes, on one line.
// schemachange reads its files as Jinja templates, so what opens a tag is torn
// apart.
func literal(s string) string { return quoted(strings.Join(strings.Fields(s), " ")) }

// quoted quotes a text of which no space may be lost.
func quoted(s string) string { return "'" + escapes.Replace(s) + "'" }

var escapes = strings.NewReplacer(`\`, `\\`, `'`, `''`, "{{", "{ {", "{%", "{ %", "{#", "{ #")
