package load

import (
	"context"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Receipts reads receipts.
type Receipts interface {
	// Read returns the receipt. A missing receipt is a permanent fault of code
	// receipt_missing.
	Read(ctx context.Context, at work.Location) (work.Receipt, error)
}

// Versions lists the versions of a key, for versions whose sequencers don't decide the
// order.
type Versions interface {
	// NewestFirst returns the key's version ids in the bucket.
	NewestFirst(ctx context.Context, key Key) ([]string, error)
}

// Journal is the loader's part of the journal.
type Journal interface {
	// Get returns journal.ErrNotFound for an unknown object.
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	// Waiting returns the dataset's transformed objects, oldest first.
	Waiting(ctx context.Context, dataset string, limit int) ([]journal.Entry, error)
	Loaded(ctx context.Context, id object.ID, l journal.Load) error
	Superseded(ctx context.Context, id, by object.ID) error
}

// Publisher announces each committed load at least once.
type Publisher interface {
	Publish(ctx context.Context, n Announcement) error
}

// Announcement is a message on the topic Loaded: a dataset has new rows.
type Announcement struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// LoadID is LOAD_ID in the ledger. Subscribers use it to drop repeated
	// announcements.
	LoadID string `json:"load_id"`
	// Rows and Objects are the numbers of rows and objects of the load.
	Rows    int64 `json:"rows"`
	Objects int   `json:"objects"`
	// Duplicates is the number of objects whose bytes were loaded before under another
	// key. Always 0 if the contract has firn.duplicateContent: load.
	Duplicates int `json:"duplicates,omitempty"`
}
