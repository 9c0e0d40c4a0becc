package load

import (
	"context"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// holders are the ledger rows of the objects that hold a content, by its hash,
// as they will be after what the transaction decided so far. Each object is
// judged as if it were loaded alone after the ones before it.
type holders map[string][]LedgerRow

func (h holders) add(row LedgerRow) {
	if hasContent(row.ContentHash, row.RowsRead) {
		h[row.ContentHash] = append(h[row.ContentHash], row)
	}
}

func (h holders) remove(row LedgerRow) {
	h[row.ContentHash] = slices.DeleteFunc(h[row.ContentHash], func(r LedgerRow) bool { return r.ID == row.ID })
}

// first returns the object that holds the content longest.
func (h holders) first(content string) (first LedgerRow, found bool) {
	for _, row := range h[content] {
		if !found || row.LoadedAt.Before(first.LoadedAt) {
			first, found = row, true
		}
	}
	return first, found
}

// hasContent tells whether two objects of one hash are the same data: what has
// no record is nobody's copy.
func hasContent(hash string, rowsRead int64) bool { return hash != "" && rowsRead > 0 }

// contentsOf returns the hashes to look for in the ledger, each once.
func contentsOf(group []readyObject) []string {
	var contents []string
	for _, o := range group {
		if hasContent(o.ContentHash, o.RowsRead) && !slices.Contains(contents, o.ContentHash) {
			contents = append(contents, o.ContentHash)
		}
	}
	return contents
}

// onDuplicates is what the dataset's contract says of duplicate content.
func (l *Loader) onDuplicates(dataset string) contract.DuplicateContent {
	if c := l.Contracts.ByDataset(dataset); c != nil {
		return c.DuplicateContent
	}
	return contract.WarnDuplicate
}

// refuse returns why an object mustn't be loaded: another key's has its bytes,
// and the contract refuses that. Where it doesn't, the ledger is to say so. A
// key whose rows have these bytes already brings nothing twice.
func (t *transaction) refuse(o readyObject, standing LedgerRow) *fault.Fault {
	if standing.ContentHash == o.ContentHash {
		t.duplicateOf[o.id()] = standing.DuplicateOf
		return nil
	}
	first, found := t.holders.first(o.ContentHash) // of another key, since this one's is another content
	if !found || !hasContent(o.ContentHash, o.RowsRead) {
		return nil
	}
	if t.loader.onDuplicates(t.dataset) == contract.RefuseDuplicate {
		return o.fault(fault.Permanentf("load object", fault.DuplicateContent,
			"its bytes are those of %s, version %s, which load %s loaded", first.Object.URI(), first.Object.Version, first.LoadID))
	}
	t.duplicateOf[o.id()] = first.ID
	return nil
}

// take lets an object have its key's place in the table. The zero row is that
// of a key that has none.
func (t *transaction) take(o readyObject, standing LedgerRow) {
	if standing.ID != "" {
		t.replaced = append(t.replaced, standing)
		t.holders.remove(standing)
	}
	t.holders.add(LedgerRow{
		ID: o.id(), Object: o.Object, LoadID: t.loadID, ContentHash: o.ContentHash, RowsRead: o.RowsRead, LoadedAt: t.lock.TakenAt,
	})
	t.fresh = append(t.fresh, o)
	t.results[o.id()] = result{}
}

// tellsDuplicate reports whether anybody but the ledger is told of the row's
// duplicate.
func (t *transaction) tellsDuplicate(row LedgerRow) bool {
	return row.DuplicateOf != "" && t.loader.onDuplicates(t.dataset) != contract.LoadDuplicate
}

// warn logs what was loaded though its bytes were there.
func (t *transaction) warn(ctx context.Context) {
	for _, row := range t.recorded {
		if t.tellsDuplicate(row) {
			telemetry.Logger(ctx).WarnContext(ctx, "duplicate content loaded",
				append(telemetry.Object(row.Object, t.dataset), telemetry.KeyLoadID, row.LoadID, telemetry.KeyDuplicateOf, string(row.DuplicateOf))...)
		}
	}
}
