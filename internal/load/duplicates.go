package load

import (
	"context"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// contentHolders has the ledger rows of the objects with each content, by content hash.
// The transaction's decisions so far are included. So the result is the same as for
// objects loaded alone, object after object.
type contentHolders map[string][]LedgerRow

func (h contentHolders) add(row LedgerRow) {
	if hasContent(row.ContentHash, row.RowsRead) {
		h[row.ContentHash] = append(h[row.ContentHash], row)
	}
}

func (h contentHolders) remove(row LedgerRow) {
	h[row.ContentHash] = slices.DeleteFunc(h[row.ContentHash], func(r LedgerRow) bool { return r.ID == row.ID })
}

// first returns the ledger row with the earliest load of the content.
func (h contentHolders) first(content string) (first LedgerRow, found bool) {
	for _, row := range h[content] {
		if !found || row.LoadedAt.Before(first.LoadedAt) {
			first, found = row, true
		}
	}
	return first, found
}

// hasContent reports whether the hash identifies an object's data. An object without
// records is never a duplicate.
func hasContent(hash string, rowsRead int64) bool { return hash != "" && rowsRead > 0 }

// contentsOf returns the content hashes to find in the ledger, each hash once.
func contentsOf(group []readyObject) []string {
	var contents []string
	for _, o := range group {
		if hasContent(o.ContentHash, o.RowsRead) && !slices.Contains(contents, o.ContentHash) {
			contents = append(contents, o.ContentHash)
		}
	}
	return contents
}

// duplicatePolicy returns the contract's rule for duplicate content. Without a
// contract, the rule is a warning.
func (l *Loader) duplicatePolicy(dataset string) contract.DuplicateContent {
	if c := l.Contracts.ByDataset(dataset); c != nil {
		return c.DuplicateContent
	}
	return contract.WarnDuplicate
}

// checkDuplicate returns a fault if another key has the same bytes and the contract
// refuses duplicates. If the contract allows duplicates, the ledger row will name the
// other object. A key with the same bytes in its current version isn't a new duplicate.
func (t *transaction) checkDuplicate(o readyObject, current LedgerRow) *fault.Fault {
	if o.withdrawal != nil {
		return nil
	}
	if current.ContentHash == o.ContentHash {
		t.duplicateOf[o.id()] = current.DuplicateOf
		return nil
	}
	first, found := t.contentHolders.first(o.ContentHash) // of another key: this key's current version has other content
	if !found || !hasContent(o.ContentHash, o.RowsRead) {
		return nil
	}
	if t.loader.duplicatePolicy(t.dataset) == contract.RefuseDuplicate {
		return o.fault(fault.Permanentf("load object", fault.DuplicateContent,
			"the object has the same bytes as %s, version %s, of load %s", first.Object.URI(), first.Object.Version, first.LoadID))
	}
	t.duplicateOf[o.id()] = first.ID
	return nil
}

// accept replaces the key's current version with the object. The zero row is for a key
// without a ledger row.
func (t *transaction) accept(o readyObject, current LedgerRow) {
	t.noteWithdrawal(o)
	if current.ID != "" {
		t.replaced = append(t.replaced, current)
		t.contentHolders.remove(current)
	}
	t.contentHolders.add(LedgerRow{
		ID: o.id(), Object: o.Object, LoadID: t.loadID, ContentHash: o.ContentHash, RowsRead: o.RowsRead, LoadedAt: t.lock.TakenAt,
	})
	t.toLoad = append(t.toLoad, o)
	t.results[o.id()] = result{}
}

// reportsDuplicate reports whether logs and announcements mention the row's duplicate.
func (t *transaction) reportsDuplicate(row LedgerRow) bool {
	return row.DuplicateOf != "" && t.loader.duplicatePolicy(t.dataset) != contract.LoadDuplicate
}

// warnOfDuplicates logs the loaded objects with duplicate content.
func (t *transaction) warnOfDuplicates(ctx context.Context) {
	for _, row := range t.newRows {
		if t.reportsDuplicate(row) {
			telemetry.Logger(ctx).WarnContext(ctx, "duplicate content loaded",
				append(telemetry.Object(row.Object, t.dataset), telemetry.KeyLoadID, row.LoadID, telemetry.KeyDuplicateOf, string(row.DuplicateOf))...)
		}
	}
}
