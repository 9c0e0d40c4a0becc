package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// HasStopped reports whether an object is settled: in a final state, or failed.
func HasStopped(e journal.Entry) bool { return e.State.Final() || e.State == journal.Failed }

// Wait waits until every object is settled, and returns the entries in the order of the
// ids. It calls settled once for each object.
//
// At the end of the context, Wait returns the entries read so far. The error has the
// number of open objects and the cause of the context.
func (o *Operator) Wait(ctx context.Context, ids []object.ID, settled func(journal.Entry)) ([]journal.Entry, error) {
	entries := make([]journal.Entry, len(ids))
	ticker := time.NewTicker(o.PollEvery)
	defer ticker.Stop()
	for open := len(ids); ; {
		for i, id := range ids {
			if HasStopped(entries[i]) {
				continue
			}
			entry, err := o.Journal.Get(ctx, id)
			switch {
			case errors.Is(err, journal.ErrNotFound):
				entry = journal.Entry{ID: id}
			case ctx.Err() != nil:
				return entries, waitFault(ctx, open, len(ids))
			case err != nil:
				return entries, err
			}
			if entries[i] = entry; HasStopped(entry) {
				open--
				settled(entry)
			}
		}
		if open == 0 {
			return entries, nil
		}
		select {
		case <-ctx.Done():
			return entries, waitFault(ctx, open, len(ids))
		case <-ticker.C:
		}
	}
}

func waitFault(ctx context.Context, open, all int) error {
	return fmt.Errorf("%d of %d objects are not settled: %w", open, all, context.Cause(ctx))
}
