package load

import (
	"context"

	"github.com/firn-data/firn/internal/telemetry"
)

// load runs the load protocol for a group of objects of a dataset, in one transaction.
// The error is the group's fault. Without an error, each object of the group has a
// result.
//
// The lock row is in the ledger table itself. An UPDATE builds on the table's newest
// version, so a later read of this table in the session can't be older than the lock. A
// MERGE alone proves nothing. MERGE sees the commits from before the start of MERGE,
// and MERGE starts before the wait for the lock (docs.snowflake.com,
// sql-reference/transactions).
//
// Every loader writes the tables in the same order: ledger, rows, rejects.
func (t *transaction) load(ctx context.Context) (results, error) {
	defer t.end(ctx)
	err := runSteps(ctx,
		t.open,       // a new session
		t.begin,      // BEGIN
		t.takeLock,   // a second loader waits here; after the lock timeout the messages come back
		t.addWaiting, // no statement: adds waiting objects from the journal, up to the limits
		t.readLedger, // starts after the lock was granted: sees the commits of every earlier loader
		t.decide,     // loaded before, superseded, ahead of the table, or to load or to withdraw
		t.readEnded,  // of objects withdrawn before
	)
	if err == nil && len(t.toLoad) == 0 {
		err = t.readDeliveries(ctx)
	} else if err == nil {
		err = runSteps(ctx,
			t.recordEnded,        // the replaced objects, in the table of ended rows
			t.forgetReplacedRows, // the ledger rows of replaced objects
			t.deleteReplaced,     // the rows of replaced objects: before COPY, since a reload has the same object id
			t.copy(Rows),         // COPY; the load history is a second barrier
			t.copySkipped(Rows),  // COPY with FORCE, for files in the history without rows in the table
			t.check(Rows),        // compares each file with its receipt
			t.copy(Rejects),      // the same three steps for the rejects
			t.copySkipped(Rejects),
			t.check(Rejects),
			t.record,         // INSERT of the complete ledger rows
			t.checkLedger,    // no object and no key has two ledger rows
			t.holdDeliveries, // of a snapshot: holds deliveries with too few rows, and releases others
			t.commit,         // after an error the result is unknown, and a new session reads the ledger
		)
	}
	if err != nil {
		return nil, err
	}
	t.end(ctx)
	t.warnOfDuplicates(ctx)
	if t.announce(ctx) { // before the journal: after a crash between the two, the message comes back and the load is announced again
		t.writeJournal(ctx)
	}
	return t.results, nil
}

type step func(context.Context) error

func runSteps(ctx context.Context, steps ...step) error {
	for _, run := range steps {
		if err := run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end rolls back an uncommitted transaction and closes the session. Without ROLLBACK,
// the end of the session rolls back too, but later.
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
