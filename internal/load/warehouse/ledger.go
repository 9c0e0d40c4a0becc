package warehouse

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
)

// statements implements load.Session with one statement for each method.
type statements struct {
	session *snowflake.Session
	names   names
	loadID  string
}

var _ load.Session = (*statements)(nil)

// TakeLock implements load.Session. The lock row keeps the load id and the time of the
// last lock.
func (s *statements) TakeLock(ctx context.Context) (int64, error) {
	result, err := s.session.Exec(ctx, "take lock", "update "+s.names.ledger+
		" set seq = seq + 1, load_id = ?, started_at = current_timestamp() where object = '"+load.LockRow+"'", s.loadID)
	return result.Affected, err
}

// columns are the columns of the ledger, in the order of values. The column loaded_at
// follows them.
var columns = []string{
	"object", "generation", "load_id", "bucket", "key", "version", "etag", "sequencer", "size",
	"contract", "engine", "attempt", "content_hash", "files",
	"rows_read", "rows_written", "rows_rejected", "rows_loaded",
	"copy_query_id", "rejects_query_id", "transformed_at", "started_at",
	"bytes", "transform_started_at", "duplicate_of", "held", "accepted_at", "accepted_by",
	"extra_columns", "absent_columns", "withdrawn_at", "withdrawn_by", "withdrawn_note",
}

// casts has the types of all columns other than text.
var casts = map[string]string{
	"generation": "number", "size": "number", "files": "number",
	"rows_read": "number", "rows_written": "number", "rows_rejected": "number", "rows_loaded": "number",
	"transformed_at": "timestamp_ltz", "started_at": "timestamp_ltz", "bytes": "number", "transform_started_at": "timestamp_ltz",
	"held": "boolean", "accepted_at": "timestamp_ltz", "withdrawn_at": "timestamp_ltz",
	"loaded_at": "timestamp_ltz", // in the table of ended rows; a ledger's load time is the statement's time
}

func values(r load.LedgerRow) []any {
	return []any{
		string(r.ID), r.Generation, r.LoadID, r.Object.Bucket, r.Object.Key, r.Object.Version, r.Object.ETag, r.Object.Sequencer, r.Object.Size,
		r.Contract, r.Engine, r.Attempt, r.ContentHash, r.Files,
		r.RowsRead, r.RowsWritten, r.RowsRejected, r.RowsLoaded,
		r.CopyQueryID, r.RejectsQueryID, stamp(r.TransformedAt), stamp(r.StartedAt),
		r.Bytes, stamp(r.TransformStartedAt), orNull(string(r.DuplicateOf)),
		strconv.FormatBool(r.Held), stamp(r.AcceptedAt), orNull(r.AcceptedBy),
		listText(r.ExtraColumns), listText(r.AbsentColumns), stamp(r.WithdrawnAt), orNull(r.WithdrawnBy), orNull(r.WithdrawnNote),
	}
}

// ReadLedger implements load.Session. Many objects can have the same content, so the
// query returns one row for each content: the row of the earliest load.
func (s *statements) ReadLedger(ctx context.Context, keys []load.Key, contents []string) (load.Lock, []load.LedgerRow, error) {
	statement, args, err := readLedgerStatement(s.names.ledger, keys, contents)
	if err != nil {
		return load.Lock{}, nil, err
	}
	result, err := s.session.Query(ctx, "read ledger", statement, args...)
	if err != nil {
		return load.Lock{}, nil, err
	}
	var lock load.Lock
	var rows []load.LedgerRow
	for i := range result.Rows {
		if result.Text(i, "object") == load.LockRow {
			lock = load.Lock{Paused: result.Bool(i, "paused"), Contract: result.Text(i, "contract"), TakenAt: result.Time(i, "started_at"), Seq: result.Number(i, "seq")}
			continue
		}
		rows = append(rows, ledgerRow(result, i))
	}
	return lock, rows, nil
}

// readLedgerStatement joins the ledger with the list of keys, so that Snowflake can skip
// the micro-partitions of other keys. One statement reads all rows at one instant.
func readLedgerStatement(ledger string, keys []load.Key, contents []string) (statement string, args []any, err error) {
	wanted, args, err := wantedKeys(keys)
	if err != nil {
		return "", nil, err
	}
	selected := "select ledger." + strings.Join(columns, ", ledger.") + ", ledger.loaded_at, ledger.paused, ledger.seq from " + ledger + " as ledger"
	statement = "with " + wanted + " " + selected + " where ledger.object = '" + load.LockRow + "'" +
		" union all " + selected + " inner join wanted on " + joinWanted
	if len(contents) == 0 {
		return statement, args, nil
	}
	ofContents, contentArgs, err := textsAmong("ledger.content_hash", contents)
	if err != nil {
		return "", nil, err
	}
	statement += " union all (" + selected + " left join wanted on " + joinWanted +
		" where " + ofContents + " and ledger.rows_read > 0 and wanted.key is null" +
		" qualify row_number() over (partition by ledger.content_hash order by ledger.loaded_at, ledger.object) = 1)"
	return statement, slices.Concat(args, contentArgs), nil
}

func ledgerRow(result snowflake.Result, i int) load.LedgerRow {
	return load.LedgerRow{
		ID: object.ID(result.Text(i, "object")),
		Object: object.Object{
			Bucket: result.Text(i, "bucket"), Key: result.Text(i, "key"), Version: result.Text(i, "version"),
			ETag: result.Text(i, "etag"), Sequencer: result.Text(i, "sequencer"), Size: result.Number(i, "size"),
		},
		Generation: int(result.Number(i, "generation")),
		LoadID:     result.Text(i, "load_id"),
		Contract:   result.Text(i, "contract"), Engine: result.Text(i, "engine"),
		Attempt: result.Text(i, "attempt"), ContentHash: result.Text(i, "content_hash"),
		Files:    int(result.Number(i, "files")),
		RowsRead: result.Number(i, "rows_read"), RowsWritten: result.Number(i, "rows_written"),
		RowsRejected: result.Number(i, "rows_rejected"), RowsLoaded: result.Number(i, "rows_loaded"),
		CopyQueryID: result.Text(i, "copy_query_id"), RejectsQueryID: result.Text(i, "rejects_query_id"),
		TransformedAt: result.Time(i, "transformed_at"), StartedAt: result.Time(i, "started_at"), LoadedAt: result.Time(i, "loaded_at"),
		Bytes: result.Number(i, "bytes"), TransformStartedAt: result.Time(i, "transform_started_at"),
		DuplicateOf: object.ID(result.Text(i, "duplicate_of")),
		Held:        result.Bool(i, "held"), AcceptedAt: result.Time(i, "accepted_at"), AcceptedBy: result.Text(i, "accepted_by"),
		ExtraColumns: listOfText(result.Text(i, "extra_columns")), AbsentColumns: listOfText(result.Text(i, "absent_columns")),
		WithdrawnAt: result.Time(i, "withdrawn_at"), WithdrawnBy: result.Text(i, "withdrawn_by"), WithdrawnNote: result.Text(i, "withdrawn_note"),
	}
}

// Record implements load.Session.
func (s *statements) Record(ctx context.Context, rows []load.LedgerRow) error {
	listed := make([][]any, len(rows))
	for i, row := range rows {
		listed[i] = values(row)
	}
	return s.insert(ctx, "record ledger rows", s.names.ledger, columns, "loaded_at", listed)
}

// Forget implements load.Session.
func (s *statements) Forget(ctx context.Context, objects []object.ID) error {
	condition, args, err := textsAmong("object", objects)
	if err != nil {
		return err
	}
	_, err = s.session.Exec(ctx, "forget replaced objects", "delete from "+s.names.ledger+" where "+condition, args...)
	return err
}

// CountLedger implements load.Session.
func (s *statements) CountLedger(ctx context.Context, keys []load.Key) (load.LedgerCount, error) {
	wanted, args, err := wantedKeys(keys)
	if err != nil {
		return load.LedgerCount{}, err
	}
	result, err := s.session.Query(ctx, "check ledger", "with "+wanted+
		" select count(*) as all_rows, count(distinct ledger.object) as objects, count(distinct ledger.bucket || '/' || ledger.key) as keys from "+
		s.names.ledger+" as ledger inner join wanted on "+joinWanted, args...)
	if err != nil {
		return load.LedgerCount{}, err
	}
	return load.LedgerCount{Rows: result.Number(0, "all_rows"), Objects: result.Number(0, "objects"), Keys: result.Number(0, "keys")}, nil
}

// LoadedBy implements load.Session.
func (s *statements) LoadedBy(ctx context.Context, loadID string) ([]object.ID, error) {
	result, err := s.session.Query(ctx, "read ledger by load id",
		"select object from "+s.names.ledger+" where load_id = ? and object <> '"+load.LockRow+"'", loadID)
	if err != nil {
		return nil, err
	}
	return objectsOf(result), nil
}

// objectsOf returns the ids of the column object.
func objectsOf(result snowflake.Result) []object.ID {
	objects := make([]object.ID, len(result.Rows))
	for i := range result.Rows {
		objects[i] = object.ID(result.Text(i, "object"))
	}
	return objects
}

// Begin, Commit, Rollback and Close implement load.Session.
func (s *statements) Begin(ctx context.Context) error    { return s.session.Begin(ctx) }
func (s *statements) Commit(ctx context.Context) error   { return s.session.Commit(ctx) }
func (s *statements) Rollback(ctx context.Context) error { return s.session.Rollback(ctx) }
func (s *statements) Close() error                       { return s.session.Close() }

// orNull returns an empty text as null.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// stamp formats a time for Snowflake's AUTO format; null for the zero time.
func stamp(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}
