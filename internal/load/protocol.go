package load

import (
	"context"

	"github.com/firn-data/firn/internal/telemetry"
)

// load is the load protocol: one group of objects of one dataset, in one
// transaction. The error is the group's; the results are the objects' own, and
// complete if there is no error.
//
// The lock row is in the ledger table itself: an UPDATE builds on the table's
// newest version, so what this session reads of the same table afterwards
// can't be older than the lock. A MERGE alone proves nothing, since it sees
// what was committed before it began, which was before it waited
// (docs.snowflake.com, sql-reference/transactions).
//
// Everything is written in one order of tables: ledger, rows, rejects.
func (t *transaction) load(ctx context.Context) (results, error) {
	defer t.end(ctx)
	err := inOrder(ctx,
		t.open,       // a new session
		t.begin,      // BEGIN
		t.takeLock,   // a second loader waits here, and comes back later
		t.join,       // no statement: who else waits in the journal, as far as the limits allow
		t.readLedger, // begins after the lock was granted: sees every earlier loader
		t.sortOut,    // loaded before, superseded, ahead of the table; the rest is fresh
	)
	if err == nil && len(t.fresh) > 0 {
		err = inOrder(ctx,
			t.forgetReplaced,    // ledger rows of what the fresh objects replace
			t.deleteReplaced,    // and their rows: before COPY, since a reload has the same object id
			t.copy(Rows),        // COPY, with the load history as a second barrier
			t.copySkipped(Rows), // again with FORCE, what the history has and the table hasn't
			t.check(Rows),       // every file against its receipt
			t.copy(Rejects),     // the rejects, in the same three steps
			t.copySkipped(Rejects),
			t.check(Rejects),
			t.record,      // INSERT the finished ledger rows, once
			t.checkLedger, // no object and no key stands twice
			t.commit,      // an error here means unknown: a new session asks the ledger
		)
	}
	if err != nil {
		return nil, err
	}
	t.end(ctx)
	t.warn(ctx)
	if t.announce(ctx) { // before the journal: a loader that dies in between is asked again, and announces again
		t.writeJournal(ctx)
	}
	return t.results, nil
}

type step func(context.Context) error

func inOrder(ctx context.Context, steps ...step) error {
	for _, run := range steps {
		if err := run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end rolls back what wasn't committed and closes the session. Closing alone
// would roll back too, but later.
func (t *transaction) end(ctx context.Context) {
	if t.session == nil {
		return
	}
	log := telemetry.Logger(ctx)
	if t.begun && !t.committed {
		if err := t.session.Rollback(ctx); err != nil {
			log.WarnContext(ctx, "not rolled back", telemetry.KeyLoadID, t.loadID, telemetry.KeyError, err.Error())
		}
	}
	if err := t.session.Close(); err != nil {
		log.WarnContext(ctx, "session not closed", telemetry.KeyLoadID, t.loadID, telemetry.KeyError, err.Error())
	}
	t.session = nil
}
