package warehouse

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// endedColumns are the columns of the table of ended rows, in the order of endedValues.
// The column ended_at follows them.
var endedColumns = []string{
	"dataset", "object", "bucket", "key", "version", "generation", "load_id", "rows_loaded", "rows_rejected", "loaded_at",
	"reason", "ended_by", "ended_in", "note",
}

func (s *statements) endedValues(e load.EndedRow) []any {
	r := e.Row
	return []any{
		s.names.dataset, string(r.ID), r.Object.Bucket, r.Object.Key, r.Object.Version, r.Generation, r.LoadID, r.RowsLoaded, r.RowsRejected, stamp(r.LoadedAt),
		string(e.Reason), e.By, s.loadID, orNull(e.Note),
	}
}

// End implements load.Session. INSERT locks nothing for other transactions
// (docs.snowflake.com, sql-reference/transactions), so the loads of all datasets can
// share the table.
func (s *statements) End(ctx context.Context, rows []load.EndedRow) error {
	listed := make([][]any, len(rows))
	for i, row := range rows {
		listed[i] = s.endedValues(row)
	}
	return s.insert(ctx, "record ended rows", ddl.EndedTable, endedColumns, "ended_at", listed)
}

// WithdrawnIn implements load.Session.
func (s *statements) WithdrawnIn(ctx context.Context, loadID string, key load.Key) ([]object.ID, error) {
	result, err := s.session.Query(ctx, "read ended rows",
		"select object from "+ddl.EndedTable+" where dataset = ? and ended_in = ? and reason = ? and bucket = ? and key = ?",
		s.names.dataset, loadID, string(load.Withdrawn), key.Bucket, key.Name)
	if err != nil {
		return nil, err
	}
	return objectsOf(result), nil
}

// insert inserts rows whose columns have the names and the types of ledger columns, and
// sets a further column to the time of the statement. The INSERT has a SELECT from the
// list, because a VALUES clause accepts no cast in some columns.
func (s *statements) insert(ctx context.Context, op, table string, names []string, timeColumn string, rows [][]any) error {
	l, err := listOf(rows)
	if err != nil {
		return err
	}
	selected := make([]string, len(names))
	for i, name := range names {
		selected[i] = l.column(i)
		if cast, found := casts[name]; found {
			selected[i] += "::" + cast
		}
	}
	_, err = s.session.Exec(ctx, op, "insert into "+table+" ("+strings.Join(names, ", ")+", "+timeColumn+") select "+
		strings.Join(selected, ", ")+", current_timestamp() from "+l.source, l.args...)
	return err
}

// listText returns a list of names as JSON; null for an empty list.
func listText(names []string) any {
	if len(names) == 0 {
		return nil
	}
	text, err := json.Marshal(names)
	if err != nil { // unreachable: strings
		return nil
	}
	return string(text)
}

// listOfText returns the names of a JSON list; nil for null or for another text.
func listOfText(text string) []string {
	var names []string
	if json.Unmarshal([]byte(text), &names) != nil {
		return nil
	}
	return names
}
