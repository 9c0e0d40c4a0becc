package ingest

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/contract"
)

// API returns the source of a contract's firn.ingest.
type API func(contract.Ingest) (Source, error)

// Source is an API with the records of an interval, by ascending time, in pages. Its
// errors are faults.
type Source interface {
	// Count returns the number of records in all pages of the interval.
	Count(ctx context.Context, i Interval) (Count, error)
	// Page skips the first records of the interval and passes at most limit records to
	// take, in the order of time. A source may also return records at the interval's
	// end, and the run drops those records. An error of take ends the page and is
	// returned.
	Page(ctx context.Context, i Interval, skip, limit int, take func(Record) error) error
	// Address returns the URL of the interval's search without pages, for a browser.
	Address(i Interval) string
}

// Count is a source's number of matching records.
type Count struct {
	Matching int
	// Allowed is the source's limit of matching records for a search; 0 for no limit.
	Allowed int
}

// Record is a record of a source.
type Record struct {
	// ID is the source's id of the record; empty if there is none.
	ID string
	// Time is the time in the order of the records; zero if the record has no time.
	Time time.Time
	// JSON is the record in the source's JSON, on a single line. It is valid until take
	// returns.
	JSON []byte
}
