package load

import (
	"context"
	"errors"
	"fmt"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// WithdrawalResult is the result of Loader.Withdraw.
type WithdrawalResult struct {
	// LoadID is the id of the transaction that withdrew the object.
	LoadID string
	// Ended are the rows that left the table. Empty if the table had no rows of the
	// object, for example because the object was withdrawn before.
	Ended []EndedRow
}

// Withdraw withdraws one object in a transaction of its own: afterwards the table has no
// rows of the object, nor of an older version of its key. Then Withdraw deletes the
// curated files and writes the journal. A second call finishes an interrupted call, and
// changes nothing otherwise. The faults are those of loadOnce.
func (l *Loader) Withdraw(ctx context.Context, w work.Work) (WithdrawalResult, error) {
	if !datasetName.MatchString(w.Dataset) || w.Withdraw == nil {
		return WithdrawalResult{}, fmt.Errorf("withdraw %s: no dataset or no withdrawal", w.Object.URI())
	}
	t := l.newTransaction(w.Dataset, []readyObject{toWithdraw(w)}, noneWaiting)
	done, err := t.load(ctx)
	if err == nil {
		err = done.errorOf(w.Object.ID(), nil)
	}
	return WithdrawalResult{LoadID: t.loadID, Ended: t.endedRows()}, err
}

// toWithdraw returns the object of a withdrawal.
func toWithdraw(w work.Work) readyObject {
	return readyObject{
		Receipt:   work.Receipt{Object: w.Object, ObjectID: w.Object.ID(), Dataset: w.Dataset, Generation: w.Generation, Outcome: work.Accepted},
		requested: true, withdrawal: w.Withdraw,
	}
}

// faultOf returns err as a fault of the work's object. The fault of a withdrawal has no
// object id: the journal may have the object as loaded, which is true, and a failed
// withdrawal must be reported nevertheless.
func faultOf(w work.Work, err error) *fault.Fault {
	if w.Withdraw == nil {
		return fault.ForObject(err, string(w.Object.ID()), w.Generation, w.Dataset, w.Object.URI())
	}
	f := *fault.ForObject(err, "", 0, w.Dataset, w.Object.URI())
	f.ObjectID = ""
	if f.Disposition != fault.RetryAfter && f.Code != fault.NotWithdrawn {
		f.Err = fmt.Errorf("%s: %s", f.Code, f.Cause())
		f.Code, f.Hint = fault.NotWithdrawn, ""
	}
	return &f
}

// faultOf returns err as a fault of an object, which may be none of the group. Such an
// object has no message, so the fault needs no generation.
func (t *transaction) faultOf(id object.ID, err error) *fault.Fault {
	for _, o := range t.group {
		if o.id() == id {
			return o.fault(err)
		}
	}
	return fault.ForObject(err, string(id), 0, t.dataset, "")
}

// withdrawal is a withdrawal with the id of its transaction.
type withdrawal struct {
	work.Withdrawal

	loadID string
}

func withdrawalOf(row LedgerRow) withdrawal {
	return withdrawal{Withdrawal: work.Withdrawal{By: row.WithdrawnBy, Note: row.WithdrawnNote}, loadID: row.LoadID}
}

// noteWithdrawal notes the withdrawal of an object of the group.
func (t *transaction) noteWithdrawal(o readyObject) {
	if o.withdrawal != nil {
		t.withdrawals[o.id()] = withdrawal{Withdrawal: *o.withdrawal, loadID: t.loadID}
	}
}

func (t *transaction) isWithdrawn(id object.ID) bool {
	_, found := t.withdrawals[id]
	return found
}

// endedRows returns the replaced rows with their ends. A withdrawn object in the ledger
// has no rows, so its replacement ends nothing.
func (t *transaction) endedRows() []EndedRow {
	successors := make(map[Key]readyObject)
	for _, o := range t.toLoad {
		successors[KeyOf(o.Object)] = o
	}
	var ended []EndedRow
	for _, row := range t.replaced {
		if row.IsWithdrawn() {
			continue
		}
		end := EndedRow{Row: row, Reason: Replaced, By: t.loadID}
		switch by := successors[KeyOf(row.Object)]; {
		case by.withdrawal != nil:
			end.Reason, end.By, end.Note = Withdrawn, by.withdrawal.By, by.withdrawal.Note
		case by.id() == row.ID:
			end.Reason = Reloaded
		}
		ended = append(ended, end)
	}
	return ended
}

// recordEnded inserts the ends of the replaced rows.
func (t *transaction) recordEnded(ctx context.Context) error {
	ended := t.endedRows()
	if len(ended) == 0 {
		return nil
	}
	return t.session.End(ctx, ended)
}

// readEnded reads the objects that earlier transactions ended for the group's
// withdrawals. Such a loader may have crashed after COMMIT, before it deleted the
// curated files.
func (t *transaction) readEnded(ctx context.Context) (err error) {
	for _, f := range t.alreadyLoaded {
		if f.object.withdrawal == nil {
			continue
		}
		if t.endedBefore[f.row.ID], err = t.session.WithdrawnIn(ctx, f.row.LoadID, KeyOf(f.row.Object)); err != nil {
			return err
		}
	}
	return nil
}

// writeWithdrawals returns the writes for the objects without rows: the withdrawn
// objects, their older versions that had rows, and the older versions that arrived
// late. own selects the writes about the owners of messages, and otherwise the writes
// about other objects. Each write deletes the curated files first, so that an object in
// the state withdrawn has none.
func (t *transaction) writeWithdrawals(own bool) []journalWrite {
	var writes []journalWrite
	add := func(owner, id object.ID, w withdrawal) {
		if isOwn := owner == id; isOwn == own && t.results[owner].err == nil {
			writes = append(writes, t.writeWithdrawn(owner, id, w))
		}
	}
	for _, row := range t.newRows {
		if row.IsWithdrawn() {
			add(row.ID, row.ID, t.withdrawals[row.ID])
		}
	}
	for _, end := range t.endedRows() {
		if by := t.successorOf(end.Row); end.Reason == Withdrawn && by != end.Row.ID {
			add(by, end.Row.ID, t.withdrawals[by])
		}
	}
	for old, by := range t.superseded {
		w, found := t.withdrawals[old]
		if !found {
			w, found = t.withdrawals[by]
		}
		if found {
			add(old, old, w)
		}
	}
	for _, f := range t.alreadyLoaded {
		if !f.row.IsWithdrawn() {
			continue
		}
		for _, id := range append([]object.ID{f.row.ID}, t.endedBefore[f.row.ID]...) {
			add(f.row.ID, id, withdrawalOf(f.row))
		}
	}
	return writes
}

// successorOf returns the object that replaces a ledger row.
func (t *transaction) successorOf(row LedgerRow) object.ID {
	for _, o := range t.toLoad {
		if KeyOf(o.Object) == KeyOf(row.Object) {
			return o.id()
		}
	}
	return ""
}

// writeWithdrawn deletes the curated files of an object, then marks the object as
// withdrawn. A fault is the result of the owner, the object of the message. A delete
// marker has no journal entry.
func (t *transaction) writeWithdrawn(owner, id object.ID, w withdrawal) journalWrite {
	return journalWrite{owner, func(ctx context.Context) error {
		if t.loader.Files != nil {
			if err := t.loader.Files.DeleteFiles(ctx, t.dataset, id); err != nil {
				return err
			}
		}
		err := t.loader.Journal.Withdrawn(ctx, id, journal.Withdrawal{By: w.By, Reason: w.Note, LoadID: w.loadID})
		if errors.Is(err, journal.ErrNotFound) {
			return nil
		}
		return err
	}}
}
