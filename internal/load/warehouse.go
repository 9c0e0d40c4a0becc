// Package load copies what the transform wrote to Snowflake, exactly once, in
// groups. The protocol is one function, transaction.load; the rest decides what goes
// into a group, and what a failed group says of its objects.
package load

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// LockRow is the OBJECT of the ledger's lock row: there is exactly one.
const LockRow = "~lock"

// Table is one of the two tables that a dataset's files go to.
type Table int

const (
	// Rows is the raw table.
	Rows Table = iota
	// Rejects is the table of rejected rows.
	Rejects
)

// Warehouse opens sessions. Each transaction gets a new one: what was committed
// before a session started is visible to it (docs.snowflake.com,
// sql-reference/parameters, READ_CONSISTENCY_MODE), and nothing of an earlier
// failure is left in it.
type Warehouse interface {
	// Open logs in, for one dataset and one load.
	Open(ctx context.Context, dataset, loadID string) (Session, error)
}

// Session runs the protocol's statements. Errors are faults. Each method is
// one statement, so that a stand-in can hold every one of them to what
// Snowflake documents: it sees what was committed before it began, and what
// its own transaction did.
type Session interface {
	// Begin opens the transaction.
	Begin(ctx context.Context) error
	// TakeLock updates the ledger's lock row, waits for whoever holds it, and
	// returns how many rows it hit.
	TakeLock(ctx context.Context) (int64, error)
	// ReadLedger reads the lock row, the rows of the given keys, and of each
	// content, named by its hash, at least the row of the object of another key
	// that was loaded first. Rows of objects without records have no content.
	ReadLedger(ctx context.Context, keys []Key, contents []string) (Lock, []LedgerRow, error)
	// Forget deletes the ledger's rows of the objects.
	Forget(ctx context.Context, objects []object.ID) error
	// Delete deletes the objects' rows that were loaded within the window, and
	// returns how many.
	Delete(ctx context.Context, from Table, objects []object.ID, within Window) (int64, error)
	// Copy loads files, at most 1,000, named relative to the stage. Without
	// force it skips what the table's load history has.
	Copy(ctx context.Context, into Table, files []string, force bool) (Copied, error)
	// Count returns how many rows a table has of each object.
	Count(ctx context.Context, of Table, objects []object.ID) (map[object.ID]int64, error)
	// Record inserts finished ledger rows. LoadedAt is the server's clock.
	Record(ctx context.Context, rows []LedgerRow) error
	// Standing counts the ledger's rows of the keys, and the distinct objects
	// and keys among them.
	Standing(ctx context.Context, keys []Key) (Standing, error)
	// LoadedBy returns the objects that the ledger has for a load.
	LoadedBy(ctx context.Context, loadID string) ([]object.ID, error)
	// Commit commits; after an error the outcome is unknown.
	Commit(ctx context.Context) error
	// Rollback gives the transaction up, even if the context is over.
	Rollback(ctx context.Context) error
	// Close ends the session.
	Close() error
}

// Key is one S3 key, whatever its version.
type Key struct{ Bucket, Name string }

// KeyOf returns the object's key.
func KeyOf(o object.Object) Key { return Key{Bucket: o.Bucket, Name: o.Key} }

// Lock is what the lock row says of the dataset.
type Lock struct {
	// Paused datasets aren't loaded.
	Paused bool
	// Contract is the version that the tables were made from.
	Contract string
	// TakenAt is when this transaction took the lock, by the server's clock.
	TakenAt time.Time
}

// LedgerRow says that the rows of one object are in the raw table. The ledger
// has one for each key: that of the version whose rows are there. A replaced
// version's row goes in the transaction that deletes its rows, so the sum of
// RowsLoaded is the number of rows in the table, always, and RowsWritten =
// RowsLoaded in every row. That a version was there once is the journal's to
// tell.
type LedgerRow struct {
	ID         object.ID
	Object     object.Object
	Generation int
	LoadID     string
	// Contract, Engine, Attempt and ContentHash are the receipt's.
	Contract, Engine, Attempt, ContentHash string
	// Files counts the data files.
	Files                                           int
	RowsRead, RowsWritten, RowsRejected, RowsLoaded int64
	// CopyQueryID is the COPY of the object's first file; empty if it has none.
	CopyQueryID, RejectsQueryID string
	// TransformedAt is the receipt's; StartedAt and LoadedAt bound the
	// transaction, by the server's clock.
	TransformedAt, StartedAt, LoadedAt time.Time
	// Bytes is what the data files have as Parquet. 0 in rows of versions of
	// firn that didn't write it.
	Bytes int64
	// TransformStartedAt is the receipt's; zero in rows of versions of firn
	// that didn't write it.
	TransformStartedAt time.Time
	// DuplicateOf is an object of another key with the same content whose rows
	// were there first; empty if there was none.
	DuplicateOf object.ID
}

// Window is a time window by _FIRN_LOADED_AT, both ends in it. The zero one is
// unbounded.
type Window struct{ From, To time.Time }

// Copied is what a COPY said.
type Copied struct {
	QueryID string
	// Loaded is the number of rows of each file, by the name it was given. A
	// file that is absent was skipped.
	Loaded map[string]int64
}

// Standing is what the ledger holds for a set of keys.
type Standing struct{ Rows, Objects, Keys int64 }
