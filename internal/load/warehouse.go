// Package load copies transformed files to Snowflake, exactly once and in groups. The
// load protocol is one function, transaction.load. The other functions choose the
// objects of a group, and find the bad objects of a failed group.
package load

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/object"
)

// LockRow is the value of OBJECT in the ledger's lock row. Each ledger has exactly one
// lock row.
const LockRow = "~lock"

// Table is one of the two tables for a dataset's files.
type Table int

const (
	// Rows is the raw table.
	Rows Table = iota
	// Rejects is the table of rejects.
	Rejects
)

// Warehouse opens sessions. Each transaction gets a new session. A session sees all
// commits from before the start of the session (docs.snowflake.com,
// sql-reference/parameters, READ_CONSISTENCY_MODE). A new session has no state of an
// earlier failure.
type Warehouse interface {
	// Open logs in for a load of a dataset.
	Open(ctx context.Context, dataset, loadID string) (Session, error)
}

// Session runs the statements of the load protocol. Errors are faults. Each method is
// one statement, so a stand-in can follow Snowflake's documentation for every
// statement. A statement sees the commits from before the start of the statement, and
// the changes of the same transaction.
type Session interface {
	TransactionStatements
	DeliveryStatements

	// TakeLock updates the ledger's lock row, and waits for the current holder of the
	// lock. The result is the number of updated rows.
	TakeLock(ctx context.Context) (int64, error)
	// ReadLedger returns the lock row and the ledger rows of the given keys. For each
	// content hash, the result also has ledger rows of other keys with this content: at
	// least the first loaded row. Objects without records have no content.
	ReadLedger(ctx context.Context, keys []Key, contents []string) (Lock, []LedgerRow, error)
	// End inserts rows into the table of ended rows, which all datasets share. The
	// server's clock sets the time of the end.
	End(ctx context.Context, rows []EndedRow) error
	// WithdrawnIn returns the objects of a key whose rows were withdrawn in the
	// transaction with the load id.
	WithdrawnIn(ctx context.Context, loadID string, key Key) ([]object.ID, error)
	// Forget deletes the ledger rows of the objects.
	Forget(ctx context.Context, objects []object.ID) error
	// Delete deletes the objects' rows with a load time in the window. The result is
	// the number of deleted rows.
	Delete(ctx context.Context, from Table, objects []object.ID, within Window) (int64, error)
	// Copy copies files, at most 1,000, named relative to the stage. Without force,
	// COPY skips the files of the table's load history.
	Copy(ctx context.Context, into Table, files []string, force bool) (Copied, error)
	// Count returns each object's number of rows in the table.
	Count(ctx context.Context, of Table, objects []object.ID) (map[object.ID]int64, error)
	// Record inserts complete ledger rows. The server's clock sets LoadedAt.
	Record(ctx context.Context, rows []LedgerRow) error
	// CountLedger counts the ledger rows of the keys, with their distinct objects and
	// distinct keys.
	CountLedger(ctx context.Context, keys []Key) (LedgerCount, error)
	// LoadedBy returns the objects whose ledger rows have the load id.
	LoadedBy(ctx context.Context, loadID string) ([]object.ID, error)
}

// TransactionStatements are the statements around a transaction.
type TransactionStatements interface {
	// Begin opens the transaction.
	Begin(ctx context.Context) error
	// Commit commits. After an error the result is unknown.
	Commit(ctx context.Context) error
	// Rollback rolls the transaction back, also after the end of the context.
	Rollback(ctx context.Context) error
	// Close ends the session.
	Close() error
}

// DeliveryStatements are the statements about the deliveries of a snapshot dataset.
type DeliveryStatements interface {
	// Deliveries returns the deliveries, in no order.
	Deliveries(ctx context.Context, c *contract.Contract) ([]Delivery, error)
	// Hold sets or clears the mark "held" of all files of the named deliveries.
	Hold(ctx context.Context, c *contract.Contract, deliveries []string, held bool) error
	// Accept records on all files of a delivery that a person accepted the delivery. The
	// result is the number of files.
	Accept(ctx context.Context, c *contract.Contract, delivery, by string) (int64, error)
}

// Key is an S3 key, without a version.
type Key struct{ Bucket, Name string }

// KeyOf returns the object's key.
func KeyOf(o object.Object) Key { return Key{Bucket: o.Bucket, Name: o.Key} }

// Lock is the content of a dataset's lock row.
type Lock struct {
	// Paused is true while the dataset must not be loaded.
	Paused bool
	// Contract is the contract version of the tables.
	Contract string
	// TakenAt is the time of this transaction's lock, by the server's clock.
	TakenAt time.Time
	// Seq is the number of this lock. Each lock of the dataset has a greater number than
	// the lock before.
	Seq int64
}

// LedgerRow is the record of an object whose rows are in the raw table, or of a
// withdrawn object. The ledger has one row for each key: the row of the key's loaded or
// withdrawn version. One transaction deletes the rows and the ledger row of a replaced
// version. So the sum of RowsLoaded is always the number of rows in the table, and each
// row has RowsWritten = RowsLoaded. The table of ended rows has the history of replaced
// versions.
type LedgerRow struct {
	ID         object.ID
	Object     object.Object
	Generation int
	LoadID     string
	// Contract, Engine, Attempt and ContentHash are from the receipt.
	Contract, Engine, Attempt, ContentHash string
	// Files is the number of data files.
	Files                                           int
	RowsRead, RowsWritten, RowsRejected, RowsLoaded int64
	// CopyQueryID is the query id of the COPY of the object's first data file; empty
	// without data files. RejectsQueryID is the same for the rejects.
	CopyQueryID, RejectsQueryID string
	// TransformedAt is from the receipt. StartedAt and LoadedAt are the start and the
	// end of the transaction, by the server's clock.
	TransformedAt, StartedAt, LoadedAt time.Time
	// Bytes is the size of the data files as Parquet; 0 in rows of firn versions
	// without this column.
	Bytes int64
	// TransformStartedAt is from the receipt; zero in rows of firn versions without
	// this column.
	TransformStartedAt time.Time
	// DuplicateOf is an earlier loaded object of another key with the same content;
	// empty if there was none.
	DuplicateOf object.ID
	// Held reports whether the object's delivery is held: the view of the current rows
	// ignores the delivery. For snapshots only.
	Held bool
	// AcceptedAt and AcceptedBy are the time and the AWS identity of `firn accept`; zero
	// and empty without an acceptance. A reload keeps both, and a new version has
	// neither.
	AcceptedAt time.Time
	AcceptedBy string
	// ExtraColumns and AbsentColumns are from the receipt.
	ExtraColumns, AbsentColumns []string
	// WithdrawnAt is the time of the withdrawal, by the server's clock; zero for a
	// loaded object. The row of a withdrawn object has no rows. It keeps the place of the
	// version, so that no older version and no late load brings rows back.
	WithdrawnAt time.Time
	// WithdrawnBy and WithdrawnNote are from the withdrawal.
	WithdrawnBy, WithdrawnNote string
}

// IsWithdrawn reports whether the object is withdrawn.
func (r LedgerRow) IsWithdrawn() bool { return !r.WithdrawnAt.IsZero() }

// EndReason is the reason for the end of rows.
type EndReason string

const (
	// Replaced means that a newer version of the key has rows instead.
	Replaced EndReason = "replaced"
	// Reloaded means that a later generation of the object has rows instead.
	Reloaded EndReason = "reloaded"
	// Withdrawn means that a person or a deletion in S3 withdrew the rows.
	Withdrawn EndReason = "withdrawn"
)

// EndedRow describes an object whose rows left the raw table, as a row of the table of
// ended rows.
type EndedRow struct {
	// Row is the ledger row of the ended rows.
	Row    LedgerRow
	Reason EndReason
	// By is the load that replaced the rows, or the person who withdrew the rows. Note
	// is the person's reason.
	By, Note string
}

// Window is a range of _FIRN_LOADED_AT, with both ends included. The zero window has no
// bounds.
type Window struct{ From, To time.Time }

// Copied is the answer of a COPY.
type Copied struct {
	QueryID string
	// Loaded is the number of rows of each file, by the name in the request. COPY
	// skipped the files without an entry.
	Loaded map[string]int64
}

// LedgerCount has the counts of the ledger for a set of keys.
type LedgerCount struct{ Rows, Objects, Keys int64 }
