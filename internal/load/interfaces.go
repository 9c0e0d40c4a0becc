package load

import (
	"context"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Receipts reads the transform's receipts.
type Receipts interface {
	// Read returns the receipt. One that isn't there is a permanent fault of
	// code receipt_missing.
	Read(ctx context.Context, at work.Location) (work.Receipt, error)
}

// Versions tells the order of one key's versions where sequencers can't.
type Versions interface {
	// NewestFirst returns the key's version ids as the bucket has them now.
	NewestFirst(ctx context.Context, key Key) ([]string, error)
}

// Journal is what the loader reads and writes of the journal.
type Journal interface {
	// Get returns journal.ErrNotFound for an object it doesn't know.
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	// Waiting returns the dataset's transformed objects, oldest first.
	Waiting(ctx context.Context, dataset string, limit int) ([]journal.Entry, error)
	Loaded(ctx context.Context, id object.ID, l journal.Load) error
	Superseded(ctx context.Context, id, by object.ID) error
}

// Publisher announces committed loads, at least once each.
type Publisher interface {
	Publish(ctx context.Context, n News) error
}

// News is the message on the Loaded topic: a dataset has new rows.
type News struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// LoadID is the ledger's LOAD_ID; subscribers drop what they had already
	// by it.
	LoadID string `json:"load_id"`
	// Rows and Objects count what the load added.
	Rows    int64 `json:"rows"`
	Objects int   `json:"objects"`
	// Duplicates counts those among them whose bytes were loaded under another
	// key before. Always 0 where the contract says firn.duplicateContent: load.
	Duplicates int `json:"duplicates,omitempty"`
}
