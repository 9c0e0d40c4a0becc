// Package ledger reads the datasets' ledgers for commands and checks. The package
// writes nothing. The loader's statements are in internal/load/warehouse.
package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// Session runs statements in firn's database. snowflake.Session implements Session.
type Session interface {
	Query(ctx context.Context, op, statement string, args ...any) (snowflake.Result, error)
}

// Reader reads ledgers.
type Reader struct{ Session Session }

// ErrNoTable is the error for a dataset without a table.
var ErrNoTable = errors.New("the dataset has no table: run `firn migrate`")

// Row is a ledger row: the rows of one object are in the raw table, or the object is
// withdrawn.
type Row struct {
	ID         object.ID
	Object     object.Object
	Generation int
	LoadID     string
	// QueryID is the query id of the COPY.
	QueryID                                         string
	RowsRead, RowsWritten, RowsRejected, RowsLoaded int64
	// DuplicateOf is the first object of another key with the same bytes; empty for none.
	DuplicateOf object.ID
	// LoadedAt is Snowflake's time inside the load's transaction.
	LoadedAt time.Time
	// WithdrawnAt is the time of the withdrawal, also by Snowflake; zero for a loaded
	// object. WithdrawnBy is the person. A withdrawn object has no rows.
	WithdrawnAt time.Time
	WithdrawnBy string
}

// IsWithdrawn reports whether the object is withdrawn.
func (r Row) IsWithdrawn() bool { return !r.WithdrawnAt.IsZero() }

var columns = []string{
	"object", "generation", "load_id", "bucket", "key", "version", "etag", "sequencer", "size",
	"rows_read", "rows_written", "rows_rejected", "rows_loaded", "copy_query_id", "loaded_at", "duplicate_of",
	"withdrawn_at", "withdrawn_by",
}

// Selection limits the rows of a page. The zero value limits nothing.
type Selection struct {
	// Since skips objects with an earlier load time. The zero time skips nothing.
	Since time.Time
	// OnlyRejects skips objects without a reject.
	OnlyRejects bool
}

// Page returns at most limit selected rows in the order of ids, after the id "after". An
// empty "after" starts at the first row. Page skips withdrawn objects.
func (r Reader) Page(ctx context.Context, c *contract.Contract, after object.ID, s Selection, limit int) ([]Row, error) {
	condition, args := "object <> '"+ddl.LockRow+"' and withdrawn_at is null and object > ?", []any{string(after)}
	if !s.Since.IsZero() {
		condition += " and loaded_at >= cast(? as timestamp_ltz)"
		args = append(args, s.Since.UTC().Format(time.RFC3339Nano))
	}
	if s.OnlyRejects {
		condition += " and rows_rejected > 0"
	}
	return r.rows(ctx, c, condition+" order by object limit ?", append(args, limit)...)
}

// Find returns the row of one object; false without such a row.
func (r Reader) Find(ctx context.Context, c *contract.Contract, id object.ID) (Row, bool, error) {
	rows, err := r.rows(ctx, c, "object = ?", string(id))
	if err != nil || len(rows) == 0 {
		return Row{}, false, err
	}
	return rows[0], true, nil
}

func (r Reader) rows(ctx context.Context, c *contract.Contract, condition string, args ...any) ([]Row, error) {
	result, err := r.Session.Query(ctx, "read ledger",
		"select "+strings.Join(columns, ", ")+" from "+ddl.LedgerName(c)+" where "+condition, args...)
	if fault.Is(err, fault.TableMissing) {
		return nil, ErrNoTable
	}
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(result.Rows))
	for i := range result.Rows {
		rows[i] = row(result, i)
	}
	return rows, nil
}

func row(result snowflake.Result, i int) Row {
	return Row{
		ID: object.ID(result.Text(i, "object")),
		Object: object.Object{
			Bucket: result.Text(i, "bucket"), Key: result.Text(i, "key"), Version: result.Text(i, "version"),
			ETag: result.Text(i, "etag"), Sequencer: result.Text(i, "sequencer"), Size: result.Number(i, "size"),
		},
		Generation: int(result.Number(i, "generation")),
		LoadID:     result.Text(i, "load_id"), QueryID: result.Text(i, "copy_query_id"),
		RowsRead: result.Number(i, "rows_read"), RowsWritten: result.Number(i, "rows_written"),
		RowsRejected: result.Number(i, "rows_rejected"), RowsLoaded: result.Number(i, "rows_loaded"),
		LoadedAt: result.Time(i, "loaded_at"), DuplicateOf: object.ID(result.Text(i, "duplicate_of")),
		WithdrawnAt: result.Time(i, "withdrawn_at"), WithdrawnBy: result.Text(i, "withdrawn_by"),
	}
}

// Lock is a lock row. A ledger has exactly one lock row, unless a person changed the
// ledger.
type Lock struct {
	Paused bool
	// Contract is the contract version of the tables.
	Contract string
	// Seq is the number of the last transaction with the lock.
	Seq int64
}

// TableCounts are the row counts of a dataset's three tables at one instant.
type TableCounts struct {
	Locks []Lock
	// Counts has an entry for each ledger row, and for each object with rows in a table
	// but no ledger row.
	Counts []Count
}

// Count has the row counts of one object.
type Count struct {
	ID object.ID
	// Row is the ledger row; nil without a ledger row.
	Row *Row
	// Rows and Rejects are count(*) of the raw table and of the rejects.
	Rows, Rejects int64
}

// CountTables counts the rows of the tables and reads the ledger in one statement. The
// statement sees only transactions committed before its start (docs.snowflake.com,
// sql-reference/transactions, "READ COMMITTED isolation"). So the result has a load's
// rows together with the load's ledger row, or neither.
func (r Reader) CountTables(ctx context.Context, c *contract.Contract) (TableCounts, error) {
	selected := make([]string, len(columns))
	for i, name := range columns {
		selected[i] = "ledger." + name
	}
	result, err := r.Session.Query(ctx, "count tables beside ledger", `
select
    `+strings.Join(selected, ",\n    ")+`,
    ledger.paused,
    ledger.contract,
    ledger.seq,
    counts.counted_object,
    coalesce(counts.accepted, 0) as counted,
    coalesce(counts.rejected, 0) as counted_rejects
from `+ddl.LedgerName(c)+` as ledger
full outer join (
    select
        counted_object,
        sum(accepted) as accepted,
        sum(rejected) as rejected
    from (
        select _firn_object as counted_object, count(*) as accepted, 0 as rejected
        from `+ddl.TableName(c)+`
        group by _firn_object
        union all
        select _firn_object as counted_object, 0 as accepted, count(*) as rejected
        from `+ddl.RejectsName(c)+`
        group by _firn_object
    ) as both_tables
    group by counted_object
) as counts on counts.counted_object = ledger.object`)
	if fault.Is(err, fault.TableMissing) {
		return TableCounts{}, ErrNoTable
	}
	if err != nil {
		return TableCounts{}, err
	}
	return tableCountsOf(result), nil
}

func tableCountsOf(result snowflake.Result) TableCounts {
	var account TableCounts
	for i := range result.Rows {
		count := Count{
			ID:   object.ID(result.Text(i, "counted_object")),
			Rows: result.Number(i, "counted"), Rejects: result.Number(i, "counted_rejects"),
		}
		switch id := result.Text(i, "object"); id {
		case ddl.LockRow:
			account.Locks = append(account.Locks, Lock{Paused: result.Bool(i, "paused"), Contract: result.Text(i, "contract"), Seq: result.Number(i, "seq")})
			continue
		case "": // no ledger row
		default:
			found := row(result, i)
			count.ID, count.Row = found.ID, &found
		}
		account.Counts = append(account.Counts, count)
	}
	return account
}
