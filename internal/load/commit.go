package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// record inserts the ledger rows of the objects to load.
func (t *transaction) record(ctx context.Context) error {
	for _, o := range t.toLoad {
		row := LedgerRow{
			ID: o.id(), Object: o.Object, Generation: o.Generation, LoadID: t.loadID,
			Contract: o.Contract, Engine: o.Engine, Attempt: o.Attempt, ContentHash: o.ContentHash,
			Files: len(o.Data), RowsRead: o.RowsRead, RowsWritten: o.RowsWritten, RowsRejected: o.RowsRejected,
			CopyQueryID: t.firstQuery(Rows.names(o)), RejectsQueryID: t.firstQuery(Rejects.names(o)),
			TransformedAt: o.FinishedAt, StartedAt: t.lock.TakenAt,
			ExtraColumns: o.ExtraColumns, AbsentColumns: o.AbsentColumns,
			Bytes: o.bytes(), TransformStartedAt: o.StartedAt, DuplicateOf: t.duplicateOf[o.id()],
		}
		if before := t.ledger[KeyOf(o.Object)]; before.ID == o.id() { // a reload
			row.Held, row.AcceptedAt, row.AcceptedBy = before.Held, before.AcceptedAt, before.AcceptedBy
		}
		if o.withdrawal != nil {
			row.WithdrawnAt, row.WithdrawnBy, row.WithdrawnNote = t.lock.TakenAt, o.withdrawal.By, o.withdrawal.Note
		}
		for _, name := range Rows.names(o) {
			row.RowsLoaded += t.copied[name].rows
		}
		t.newRows = append(t.newRows, row)
	}
	return t.session.Record(ctx, t.newRows)
}

func (t *transaction) firstQuery(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return t.copied[names[0]].queryID
}

// checkLedger proves before COMMIT that no object and no key has two ledger rows.
// Snowflake doesn't enforce unique keys.
func (t *transaction) checkLedger(ctx context.Context) error {
	keys := keysOf(t.toLoad)
	count, err := t.session.CountLedger(ctx, keys)
	if err != nil {
		return err
	}
	if want := int64(len(keys)); count != (LedgerCount{Rows: want, Objects: want, Keys: want}) {
		return t.ledgerFault("check ledger", "%d keys have %d ledger rows of %d objects", want, count.Rows, count.Objects)
	}
	return nil
}

// commitCheckTimeout bounds the read of the ledger after an error of COMMIT. By then
// the invocation's time may be over.
const commitCheckTimeout = 15 * time.Second

// commit commits. After an error the result is unknown, so a new session counts the
// ledger rows of this load id. If all rows are there, the transaction is committed.
// Otherwise the fault is commit_unknown: the commit may still happen, but the next
// attempt waits for the lock and then sees the rows.
func (t *transaction) commit(ctx context.Context) error {
	err := t.session.Commit(ctx)
	if err == nil {
		t.committed = true
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitCheckTimeout)
	defer cancel()
	count, checkErr := t.countCommitted(ctx)
	if checkErr == nil && count == len(t.toLoad) {
		t.committed = true
		return nil
	}
	return t.withDataset(fault.Dependency("commit", fault.CommitUnknown, errors.Join(err, checkErr)))
}

func (t *transaction) countCommitted(ctx context.Context) (int, error) {
	session, err := t.loader.Warehouse.Open(ctx, t.dataset, t.loadID)
	if err != nil {
		return 0, fmt.Errorf("read ledger by load id: %w", err)
	}
	objects, err := session.LoadedBy(ctx, t.loadID)
	if closeErr := session.Close(); closeErr != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "session not closed", telemetry.KeyLoadID, t.loadID, telemetry.KeyError, closeErr.Error())
	}
	return len(objects), err
}

// announce publishes the committed load. It also publishes earlier loads whose loader
// may have crashed between COMMIT and announcement. After a fault the result is false,
// and the journal must not be written: the objects stay transformed, and all messages
// of the group come back.
func (t *transaction) announce(ctx context.Context) bool {
	if err := t.dropAnnounced(ctx); err != nil {
		t.results.fail(t.group, err)
		return false
	}
	announcements := t.announcements(ctx)
	if len(announcements) == 0 {
		return true
	}
	for _, n := range announcements {
		if err := t.loader.Publisher.Publish(ctx, n); err != nil {
			t.results.fail(t.group, err)
			return false
		}
	}
	if err := t.announceDeliveries(ctx); err != nil {
		t.results.fail(t.group, err)
		return false
	}
	if err := t.reportNewColumns(ctx); err != nil {
		t.results.fail(t.group, err)
		return false
	}
	return true
}

// dropAnnounced removes two kinds of objects from alreadyLoaded, because they need no
// announcement: objects that the journal has as done, and objects without a message in
// this invocation.
func (t *transaction) dropAnnounced(ctx context.Context) error {
	requested := slices.DeleteFunc(t.alreadyLoaded, func(f loadedRow) bool { return !f.object.requested })
	done, faults := t.loader.areDone(ctx, len(requested), func(i int) goal { return requested[i].object.goal() })
	t.alreadyLoaded = nil
	for i, f := range requested {
		if faults[i] != nil {
			return faults[i]
		}
		if !done[i] {
			t.alreadyLoaded = append(t.alreadyLoaded, f)
		}
	}
	return nil
}

// announcements returns an announcement for each load, the load of this transaction
// first.
func (t *transaction) announcements(ctx context.Context) []Announcement {
	var all []Announcement
	var keys [][]string
	index := make(map[string]int)
	add := func(row LedgerRow, receipt work.Receipt) {
		i, found := index[row.LoadID]
		if !found {
			i = len(all)
			index[row.LoadID] = i
			all, keys = append(all, Announcement{Dataset: t.dataset, LoadID: row.LoadID}), append(keys, nil)
		}
		if row.IsWithdrawn() {
			all[i].Withdrawn++
			return
		}
		keys[i] = append(keys[i], row.Object.Key)
		all[i].Objects++
		all[i].addRejects(receipt)
		if t.reportsDuplicate(row) {
			all[i].Duplicates++
		}
		all[i].Rows += row.RowsLoaded
	}
	for i, row := range t.newRows {
		add(row, t.toLoad[i].Receipt)
	}
	for _, f := range t.alreadyLoaded {
		add(f.row, f.object.Receipt)
	}
	for i := range all {
		t.addDeliveries(ctx, &all[i], keys[i])
	}
	return all
}

// addRejects adds the rejects of an object's receipt.
func (n *Announcement) addRejects(r work.Receipt) {
	n.Rejected += r.RowsRejected
	for rule, rejects := range r.RejectsByRule {
		if n.RejectsByRule == nil {
			n.RejectsByRule = make(map[string]int64)
		}
		n.RejectsByRule[rule] += rejects
	}
}

// writeJournal writes the state of the ledger to the journal. The journal has an object
// of a message as done only after all other writes of the message: a message of a done
// object is acknowledged without a look at the ledger. So after a crash or a failed write
// before, the message comes back, and the next loader makes all writes.
func (t *transaction) writeJournal(ctx context.Context) {
	t.writeAll(ctx, append(t.writeOlder(), t.writeWithdrawals(false)...))
	t.recordVolumes(ctx)
	t.writeAll(ctx, append(t.writeOwn(ctx), t.writeWithdrawals(true)...))
}

// recordVolumes records the sizes of the loaded objects, also of an earlier load whose
// loader may have crashed before its record. The journal counts no load twice. An error
// is only logged: the rows are in the table, and a missing size can only cause a wrong
// mail about the volume.
func (t *transaction) recordVolumes(ctx context.Context) {
	if t.loader.Volumes == nil {
		return
	}
	var volumes []journal.Volume
	add := func(row LedgerRow, receipt work.Receipt) {
		if row.IsWithdrawn() || receipt.Generation != row.Generation { // a late message of an earlier generation
			return
		}
		volumes = append(volumes, journal.Volume{
			ID: row.ID, Key: row.Object.Key, Generation: row.Generation, LoadedAt: row.StartedAt,
			Read: row.RowsRead, Rejected: row.RowsRejected, RejectsByRule: receipt.RejectsByRule,
		})
	}
	for _, f := range t.alreadyLoaded {
		add(f.row, f.object.Receipt)
	}
	for i, row := range t.newRows {
		add(row, t.toLoad[i].Receipt)
	}
	if len(volumes) == 0 {
		return
	}
	if err := t.loader.Volumes.AddVolumes(ctx, t.dataset, volumes); err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "volumes not recorded", append(telemetry.Fault(fault.As(err)), telemetry.KeyDataset, t.dataset)...)
	}
}

// journalWrite is a write to the journal.
type journalWrite struct {
	// owner is the object whose message causes the write. The fault of the write is the
	// result of the owner.
	owner object.ID
	write func(ctx context.Context) error
}

// writeOlder returns the writes about the older versions of the loaded objects' keys.
func (t *transaction) writeOlder() []journalWrite {
	var writes []journalWrite
	for _, f := range t.alreadyLoaded {
		if !f.row.IsWithdrawn() {
			writes = append(writes, t.writeOlderSuperseded(f.row))
		}
	}
	successor := make(map[Key]object.ID)
	for _, row := range t.newRows {
		successor[KeyOf(row.Object)] = row.ID
		if !row.IsWithdrawn() {
			writes = append(writes, t.writeFailuresSuperseded(row))
		}
	}
	for _, old := range t.replaced {
		if by := successor[KeyOf(old.Object)]; by != old.ID && !old.IsWithdrawn() && !t.isWithdrawn(by) {
			writes = append(writes, t.writeSuperseded(by, old.ID, by))
		}
	}
	return writes
}

// writeOwn returns the writes that make the objects of messages loaded or superseded. An
// object after a failed write isn't written.
func (t *transaction) writeOwn(ctx context.Context) []journalWrite {
	var writes []journalWrite
	write := func(row LedgerRow) {
		if !row.IsWithdrawn() && t.results[row.ID].err == nil {
			writes = append(writes, t.writeLoaded(ctx, row))
		}
	}
	for _, f := range t.alreadyLoaded {
		write(f.row)
	}
	for _, row := range t.newRows {
		write(row)
	}
	for old, by := range t.superseded {
		if !t.isWithdrawn(old) && !t.isWithdrawn(by) && t.results[old].err == nil {
			writes = append(writes, t.writeSuperseded(old, old, by))
		}
	}
	return writes
}

func (t *transaction) writeSuperseded(owner, old, by object.ID) journalWrite {
	return journalWrite{owner, func(ctx context.Context) error {
		err := t.loader.Journal.Superseded(ctx, old, by)
		if errors.Is(err, journal.ErrNotFound) {
			t.warnOfLostEntry(ctx, old)
			return nil
		}
		return err
	}}
}

// writeAll runs the writes in parallel. The fault of a write is the result of its owner.
func (t *transaction) writeAll(ctx context.Context, writes []journalWrite) {
	faults := make([]error, len(writes))
	inParallel(len(writes), func(i int) { faults[i] = writes[i].write(ctx) })
	for i, w := range writes {
		t.failUnwritten(ctx, w.owner, faults[i])
	}
}

// writeOlderSuperseded marks the older versions of the row's key as superseded. An
// earlier loader replaced such a version and crashed after COMMIT. The ledger has no
// row of a replaced version, so the bucket lists the key's versions. A version that the
// bucket no longer has keeps the state.
func (t *transaction) writeOlderSuperseded(row LedgerRow) journalWrite {
	return journalWrite{row.ID, func(ctx context.Context) error {
		versions, err := t.loader.Versions.NewestFirst(ctx, KeyOf(row.Object))
		if err != nil {
			return err
		}
		older := slices.Index(versions, row.Object.Version) + 1
		if older == 0 {
			return nil
		}
		for _, version := range versions[older:] {
			old := row.Object
			old.Version = version
			if err := t.supersedeKnown(ctx, old.ID(), row.ID); err != nil {
				return err
			}
		}
		return nil
	}}
}

// writeFailuresSuperseded marks the failed older versions of the row's key as
// superseded: the table has the newer rows, so the older file needs no fix.
func (t *transaction) writeFailuresSuperseded(row LedgerRow) journalWrite {
	return journalWrite{row.ID, func(ctx context.Context) error {
		failed, err := t.loader.Journal.FailedVersions(ctx, row.Object.Bucket, row.Object.Key)
		if err != nil {
			return err
		}
		for _, other := range failed {
			if other.ID == row.ID { // a redrive whose journal entry isn't written yet
				continue
			}
			isNewer, err := t.newer(ctx, row.Object, other.Object)
			if err == nil && isNewer {
				err = t.supersedeKnown(ctx, other.ID, row.ID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// supersedeKnown marks a version as superseded. A version without a journal entry needs
// no mark, for example a delete marker.
func (t *transaction) supersedeKnown(ctx context.Context, old, by object.ID) error {
	err := t.loader.Journal.Superseded(ctx, old, by)
	if errors.Is(err, journal.ErrNotFound) {
		return nil
	}
	return err
}

func (t *transaction) writeLoaded(ctx context.Context, row LedgerRow) journalWrite {
	telemetry.Logger(ctx).InfoContext(ctx, "object loaded",
		telemetry.KeyObject, string(row.ID), telemetry.KeyKey, row.Object.Key, telemetry.KeyVersion, row.Object.Version,
		telemetry.KeyDataset, t.dataset, telemetry.KeyLoadID, row.LoadID, telemetry.KeyQueryID, row.CopyQueryID,
		telemetry.KeyRows, row.RowsRead, telemetry.KeyWritten, row.RowsLoaded, telemetry.KeyRejected, row.RowsRejected)
	return journalWrite{row.ID, func(ctx context.Context) error {
		return t.loader.Journal.Loaded(ctx, row.ID, journal.Load{
			LoadID: row.LoadID, Generation: row.Generation, QueryID: row.CopyQueryID, Rows: row.RowsLoaded, DuplicateOf: row.DuplicateOf,
		})
	}}
}

// failUnwritten fails an object after a failed journal write, so that the message comes
// back. An object without a journal entry is loaded nevertheless.
func (t *transaction) failUnwritten(ctx context.Context, id object.ID, err error) {
	switch {
	case err == nil:
	case errors.Is(err, journal.ErrNotFound):
		t.warnOfLostEntry(ctx, id)
	default:
		t.results[id] = result{err: t.faultOf(id, err)}
	}
}

func (t *transaction) warnOfLostEntry(ctx context.Context, id object.ID) {
	telemetry.Logger(ctx).WarnContext(ctx, "journal has no such object", telemetry.KeyObject, string(id), telemetry.KeyDataset, t.dataset)
}
