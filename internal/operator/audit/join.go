package audit

import (
	"context"
	"maps"
	"slices"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// join brings the records of each object together: the versions, counts and receipts
// learn about the journal entry. Then the records go to the parts of their keys, because
// the comparisons are about objects and about keys.
func (a *Auditor) join(ctx context.Context, s *auditState) error {
	return s.byID.eachGroup(func(group []record) error {
		found, err := a.entries(ctx, s, group)
		if err != nil {
			return err
		}
		for _, r := range group {
			if err := s.forward(r, found); err != nil {
				return err
			}
		}
		return s.forwardEntries(found, receiptsOf(group))
	})
}

// receiptsOf returns the keys of the receipts in a group.
func receiptsOf(group []record) map[string]bool {
	receipts := make(map[string]bool)
	for _, r := range group {
		if r.Receipt != "" {
			receipts[r.Receipt] = true
		}
	}
	return receipts
}

// forwardEntries puts the entries of the audited datasets to the parts of their keys.
func (s *auditState) forwardEntries(found map[object.ID]*journal.Entry, receipts map[string]bool) error {
	for _, e := range found {
		if !s.audits(e.Dataset) {
			continue
		}
		r := record{Dataset: e.Dataset, ID: e.ID, Entry: e, Known: true, HasReceipt: e.Receipt != nil && receipts[e.Receipt.Key]}
		if err := s.putByKey(e.Object, r); err != nil {
			return err
		}
	}
	return nil
}

// entries returns the journal entries of a group of records. In an audit of one dataset,
// entries reads the journal.
func (a *Auditor) entries(ctx context.Context, s *auditState, group []record) (map[object.ID]*journal.Entry, error) {
	found := make(map[object.ID]*journal.Entry)
	if s.onlyDataset == "" {
		for _, r := range group {
			if r.Entry != nil {
				found[r.ID] = r.Entry
			}
		}
		return found, nil
	}
	ids := make(map[object.ID]bool)
	for _, r := range group {
		ids[r.ID] = true
	}
	err := a.Journal.EachOf(ctx, slices.Sorted(maps.Keys(ids)), func(e journal.Entry) { found[e.ID] = entryRecord(e).Entry })
	return found, err
}

// forward puts a version or a count to the part of its key. Rows of an object without a
// ledger row go to the part of the entry.
func (s *auditState) forward(r record, found map[object.ID]*journal.Entry) error {
	e := found[r.ID]
	r.Known = e != nil
	switch {
	case r.Version != nil:
		return s.putByKey(r.Version.Object, r)
	case r.Count != nil && r.Count.Row != nil:
		return s.putByKey(r.Count.Row.Object, r)
	case r.Count != nil && e != nil:
		return s.putByKey(e.Object, r)
	case r.Count != nil:
		return s.putByKey(object.Object{}, r)
	default: // a receipt, an entry or an id
		return nil
	}
}

func (s *auditState) putByKey(o object.Object, r record) error {
	return s.byKey.put(object.KeyID(o.Bucket, o.Key), r)
}
