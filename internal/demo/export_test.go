package demo

import (
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
)

// Exports for tests.
var (
	AwaitMail   = awaitMail
	BreakFile   = breakFile
	Unaccounted = missingRows
	SampleFiles = sampleFiles
)

// BrokenKey is the landing key of the broken copy.
func (p Plan) BrokenKey(contracts contract.Set) string { return p.brokenKey(contracts) }

// Add adds the receipts of the dataset's loaded objects.
func (r *Row) Add(entries []journal.Entry) { r.add(entries) }
