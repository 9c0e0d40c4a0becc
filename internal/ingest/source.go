package ingest

import (
	"context"
	"time"

	"github.com/firn-data/firn/internal/contract"
)

// API makes a Source of what a contract says about where its records are.
type API func(contract.Ingest) (Source, error)

// Source is one API as a run sees it: records of an interval, by time
// ascending, in pages. Its errors are faults.
type Source interface {
	// Count returns how many records Pages would give for the interval.
	Count(ctx context.Context, i Interval) (Count, error)
	// Page gives at most limit records to take, in order of time, after leaving
	// out the first skip of the interval. A source may also give records at the
	// interval's very end; the run drops them. An error of take ends the page
	// and is returned.
	Page(ctx context.Context, i Interval, skip, limit int, take func(Record) error) error
	// Address is the interval's search without paging, for people to open.
	Address(i Interval) string
}

// Count is a source's answer to how many records match.
type Count struct {
	Matching int
	// Allowed is the most that one search may match; 0 for no limit.
	Allowed int
}

// Record is one record of a source.
type Record struct {
	// ID is the source's own name for the record; empty if it has none.
	ID string
	// Time is what the record is ordered by; zero if it has none.
	Time time.Time
	// JSON is the record as the source sent it, on one line. It is valid until
	// take returns.
	JSON []byte
}
