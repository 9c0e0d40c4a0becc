package warehouse

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/firn-data/firn/internal/load"
)

// maxSingleBinds is the longest list with one bind for each value. The time to compile
// a statement depends on its length. Measured on the stand-in, with ledger rows of 22
// columns, in processor time:
//   - 1 row: 42 ms as single binds, 76 ms as one bind.
//   - 200 rows: 843 ms as single binds.
//   - 1,000 rows: 365 ms as one bind.
const maxSingleBinds = 16

// bindTable is the source of a longer list: one bind, whose elements are rows with a
// column VALUE (docs.snowflake.com, sql-reference/functions/flatten). So the statement
// has the same text for 17 and for 1,000 objects. As single binds, 1,000 ledger rows
// would be 25,000 binds.
//
// A bound value counts towards the megabyte of compressed text that Snowflake
// recommends for a statement. A larger statement runs, but can't run again from the
// history (user-guide/query-size-limits). 1,000 ledger rows have about 700 KB before
// compression.
const bindTable = "table(flatten(input => parse_json(?)))"

// list has the rows that a statement binds.
type list struct {
	// source is the text after FROM.
	source string
	// column returns the expression for column i of a row, from 0.
	column func(i int) string
	args   []any
}

// listOf makes a list. All rows have the same number of columns.
func listOf(rows [][]any) (list, error) {
	if len(rows) <= maxSingleBinds {
		l := list{column: func(i int) string { return "column" + strconv.Itoa(i+1) }}
		tuples := make([]string, len(rows))
		for i, row := range rows {
			tuples[i] = "(" + strings.TrimSuffix(strings.Repeat("?, ", len(row)), ", ") + ")"
			l.args = append(l.args, row...)
		}
		l.source = "values " + strings.Join(tuples, ", ")
		return l, nil
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return list{}, fmt.Errorf("bind list: %w", err)
	}
	return list{
		source: bindTable,
		// Only the cast to text turns a JSON null into null
		// (user-guide/semistructured-considerations).
		column: func(i int) string { return "value[" + strconv.Itoa(i) + "]::varchar" },
		args:   []any{string(text)},
	}, nil
}

// wantedKeys returns the definition of a common table "wanted" with one row for each
// key, with the columns bucket and key. Join the ledger with wanted: a subquery of IN
// may have only one column, and may not be under an OR (docs.snowflake.com,
// sql-reference/operators-subquery).
func wantedKeys(keys []load.Key) (definition string, args []any, err error) {
	rows := make([][]any, len(keys))
	for i, key := range keys {
		rows[i] = []any{key.Bucket, key.Name}
	}
	l, err := listOf(rows)
	if err != nil {
		return "", nil, err
	}
	return "wanted as (select distinct " + l.column(0) + " as bucket, " + l.column(1) + " as key from " + l.source + ")", l.args, nil
}

// joinWanted is the condition of a join of the ledger with wantedKeys.
const joinWanted = "ledger.bucket = wanted.bucket and ledger.key = wanted.key"

// textsAmong returns a condition for the rows whose column has one of the texts, for
// example object ids. The condition may not be under an OR (docs.snowflake.com,
// sql-reference/operators-subquery).
func textsAmong[T ~string](column string, texts []T) (condition string, args []any, err error) {
	rows := make([][]any, len(texts))
	for i, text := range texts {
		rows[i] = []any{string(text)}
	}
	l, err := listOf(rows)
	if err != nil {
		return "", nil, err
	}
	return column + " in (select " + l.column(0) + " from " + l.source + ")", l.args, nil
}
