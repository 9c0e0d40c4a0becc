package operator

import (
	"context"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// Settled reports whether an object stands still: loaded, superseded, ignored
// or failed.
func Settled(e journal.Entry) bool { return e.State.Final() || e.State == journal.Failed }

// Wait waits until every object is settled and returns the entries in the
// order of the ids. It tells each settled one once. When the context ends it
// returns what it knows, and the context's cause.
func (o *Operator) Wait(ctx context.Context, ids []object.ID, settled func(journal.Entry)) ([]journal.Entry, error) {
	entries := make([]journal.Entry, len(ids))
	ticker := time.NewTicker(o.PollEvery)
	defer ticker.Stop()
	for open := len(ids); ; {
		for i, id := range ids {
			if Settled(entries[i]) {
				continue
			}
			entry, err := o.Journal.Get(ctx, id)
			if errors.Is(err, journal.ErrNotFound) {
				entry = journal.Entry{ID: id}
			} else if err != nil {
				return entries, err
			}
			if entries[i] = entry; Settled(entry) {
				open--
				settled(entry)
			}
		}
		if open == 0 {
			return entries, nil
		}
		select {
		case <-ctx.Done():
			return entries, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
