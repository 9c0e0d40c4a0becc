package load

import (
	"context"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Receipts reads receipts.
type Receipts interface {
	// Read returns a receipt that is valid for its place, see work.Receipt.Validate. A
	// missing receipt is a permanent fault of code receipt_missing, and an invalid
	// receipt of code receipt_mismatch.
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
	// FailedVersions returns the failed versions of a key.
	FailedVersions(ctx context.Context, bucket, key string) ([]journal.Entry, error)
	Withdrawn(ctx context.Context, id object.ID, w journal.Withdrawal) error
	// SetDeliveries records the deliveries of a snapshot dataset, unless a transaction
	// with a greater seq did so before.
	SetDeliveries(ctx context.Context, dataset string, seq int64, d journal.Deliveries) error
	// NewColumns returns the new columns of the dataset that people know already.
	NewColumns(ctx context.Context, dataset string) (work.NewColumns, error)
}

// Volumes keeps the sizes of the newest loads of a dataset.
type Volumes interface {
	AddVolumes(ctx context.Context, dataset string, loaded []journal.Volume) error
}

// Publisher announces each committed load at least once.
type Publisher interface {
	Publish(ctx context.Context, n Announcement) error
}

// Notices reports to people, at least once.
type Notices interface {
	Held(ctx context.Context, h work.HeldDelivery) error
	NewColumns(ctx context.Context, n work.NewColumns) error
}

// Files deletes the curated files of withdrawn objects.
type Files interface {
	// DeleteFiles deletes all curated files of an object. A second call deletes nothing.
	DeleteFiles(ctx context.Context, dataset string, id object.ID) error
}

// Announcement is a message on the topic Loaded: a dataset has new rows, or fewer rows
// after a withdrawal.
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
	// Withdrawn is the number of withdrawn objects. They count neither in Rows nor in
	// Objects.
	Withdrawn int `json:"withdrawn,omitempty"`
	// Rejected is the number of rejects of the load, and RejectsByRule has the number of
	// rejects of each broken rule.
	Rejected      int64            `json:"rejected,omitempty"`
	RejectsByRule map[string]int64 `json:"rejects_by_rule,omitempty"`
	// CurrentDelivery is the delivery that the view of a snapshot dataset shows after the
	// load; empty for none, and for other modes.
	CurrentDelivery string `json:"current_delivery,omitempty"`
	// HeldDeliveries are the deliveries that this load has held, in the order of the
	// names.
	HeldDeliveries []string `json:"held_deliveries,omitempty"`
	// OlderDeliveries are the deliveries of this load that are older than
	// CurrentDelivery, in the order of the names. The view shows no row of them.
	OlderDeliveries []string `json:"older_deliveries,omitempty"`
}
