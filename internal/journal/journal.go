// Package journal keeps the state of every object in DynamoDB. It is
// operational: it answers "where is my file?" and drives retries. What was
// loaded is proved by the ledger in Snowflake, not here.
package journal

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// State is where an object stands.
type State string

// The states. Loaded, Superseded and Ignored are final; Failed waits for an
// operator or for proof (a receipt, a ledger row).
const (
	Received     State = "received"
	Transforming State = "transforming"
	Transformed  State = "transformed"
	Loaded       State = "loaded"
	Superseded   State = "superseded"
	Failed       State = "failed"
	Ignored      State = "ignored"
)

// Final reports whether nothing but a newer version or a reload changes the
// state.
func (s State) Final() bool { return s == Loaded || s == Superseded || s == Ignored }

// ErrNotFound says that the journal has no such object.
var ErrNotFound = errors.New("the journal has no such object")

// Entry is what the journal knows of one object.
type Entry struct {
	ID      object.ID     `json:"id"`
	Object  object.Object `json:"object"`
	Dataset string        `json:"dataset,omitempty"`
	State   State         `json:"state"`
	// Times says when each state was entered last.
	Times map[State]time.Time `json:"times"`
	// Attempts counts the transforms that were started, the running one too.
	Attempts   int `json:"attempts"`
	Generation int `json:"generation"`
	// Receipt is where the transform's receipt is; nil before there is one.
	Receipt *work.Location `json:"receipt,omitempty"`
	Engine  string         `json:"engine,omitempty"`
	// Manifest and Run are the Glue run that has the object, or had it last. A
	// manifest without a run is about to get one.
	Manifest     string `json:"manifest,omitempty"`
	Run          string `json:"run,omitempty"`
	RowsRead     int64  `json:"rows_read"`
	RowsWritten  int64  `json:"rows_written"`
	RowsRejected int64  `json:"rows_rejected"`
	RowsLoaded   int64  `json:"rows_loaded"`
	// LoadID is the last load's, and so are RowsLoaded; while a reload is on its
	// way, or after it failed, they are those of the generation before.
	LoadID  string `json:"load_id,omitempty"`
	QueryID string `json:"query_id,omitempty"`
	// SupersededBy is the newer version of the same key.
	SupersededBy object.ID `json:"superseded_by,omitempty"`
	// Reason is why an object is ignored.
	Reason string `json:"reason,omitempty"`
	// Stage, Code, Cause and Hint say which stage failed, why, and what to do.
	Stage string `json:"stage,omitempty"`
	Code  string `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Message and Queue are what failed, for a redrive.
	Message string `json:"-"`
	Queue   string `json:"queue,omitempty"`
	// Redrives and Reloads count the operator's redrives and reloads.
	Redrives int `json:"redrives"`
	Reloads  int `json:"reloads"`
	// SweepCount counts how often a sweep found the object standing still since its
	// last receipt, redrive or reload; LookedAt is when it did so last.
	SweepCount  int       `json:"looks,omitempty"`
	LastSweepAt time.Time `json:"looked_at,omitzero"`
}

// Done reports whether the work of a generation of the object needs nothing more:
// the object has come to its end, or was reloaded since.
func (e Entry) Done(generation int) bool {
	return e.Generation > generation || e.State.Final() && e.Generation == generation
}

// KeepsEarlierRows reports whether the rows of an earlier generation are in the table while
// a reload is on its way, or after it failed.
func (e Entry) KeepsEarlierRows() bool {
	return e.Generation > 0 && e.LoadID != "" && !e.State.Final()
}

// DynamoDB is what the journal needs of the database.
type DynamoDB interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// Table is the journal.
type Table struct {
	Client DynamoDB
	// Name is the DynamoDB table's name.
	Name string
	// Now is the clock.
	Now func() time.Time
}

// Load is what a committed load says of one object.
type Load struct {
	// LoadID is the transaction's own id, as in the ledger.
	LoadID string
	// Generation is that of the rows. An entry of a later one stays as it is.
	Generation int
	// QueryID is the COPY statement's id.
	QueryID string
	// Rows is how many rows the table got.
	Rows int64
}
