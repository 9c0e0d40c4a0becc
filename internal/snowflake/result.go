package snowflake

import (
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

func read(rows *sql.Rows) (Result, error) { return readUpTo(rows, math.MaxInt) }

// readUpTo reads the next rows, at most limit.
func readUpTo(rows *sql.Rows, limit int) (Result, error) {
	columns, err := rows.Columns()
	if err != nil {
		return Result{}, err
	}
	var result Result
	for _, name := range columns {
		result.Columns = append(result.Columns, strings.ToLower(name))
	}
	for len(result.Rows) < limit && rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return Result{}, err
		}
		result.Rows = append(result.Rows, values)
	}
	return result, rows.Err()
}

// Has reports whether the answer has the column. Statements answer in more than one
// form: a COPY that did nothing has one column, "status".
func (r Result) Has(column string) bool { return slices.Contains(r.Columns, column) }

// Text returns a value as text; "" for a null or a missing column.
func (r Result) Text(row int, column string) string {
	if i := slices.Index(r.Columns, column); i >= 0 {
		return r.Rows[row][i].String
	}
	return ""
}

// Number returns a value as a number; 0 for a null and for a text without a number.
func (r Result) Number(row int, column string) int64 {
	text := r.Text(row, column)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	n, _ := strconv.ParseFloat(text, 64)
	return int64(n)
}

// Bool returns a value as a boolean; false for a null.
func (r Result) Bool(row int, column string) bool {
	truth, _ := strconv.ParseBool(r.Text(row, column))
	return truth
}

// Time returns a timestamp in UTC; the zero time for a null.
func (r Result) Time(row int, column string) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, r.Text(row, column))
	return at.UTC()
}
