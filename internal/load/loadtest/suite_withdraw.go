package loadtest

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// withdrawnBy and withdrawnNote are the person and the reason of a fixture's
// withdrawals.
const (
	withdrawnBy   = "ann"
	withdrawnNote = "it's the wrong file"
)

// Withdrawal returns the work that withdraws a delivered object.
func (f *Fixture) Withdrawal(d Delivered) Delivered {
	d.Work = work.Work{
		Stage: work.Load, Dataset: f.Dataset, Object: d.Object, Generation: d.Receipt.Generation,
		Withdraw: &work.Withdrawal{By: withdrawnBy, Note: withdrawnNote},
	}
	return d
}

// DeleteMarker returns the work of a delete marker of a delivered object's key: a
// version without a file and without a journal entry.
func (f *Fixture) DeleteMarker(of Delivered, version, sequencer string) Delivered {
	o := object.Object{Bucket: of.Object.Bucket, Key: of.Object.Key, Version: version, Sequencer: object.NormalizeSequencer(sequencer)}
	return f.Withdrawal(Delivered{ID: o.ID(), Object: o})
}

// end is the expected end of a delivered object's rows.
type end struct {
	of     Delivered
	reason load.EndReason
	// by is the delivered object of the load that ended the rows. Unused for a
	// withdrawal.
	by Delivered
}

// checkEnded compares the dataset's part of the table of ended rows with the expected
// ends. The load ids come from the announcements, in the order of the loads.
func (f *Fixture) checkEnded(t testing.TB, loadIDs map[object.ID][]string, ends ...end) {
	t.Helper()
	var want []load.EndedRow
	for _, e := range ends {
		r := e.of.Receipt
		row := load.LedgerRow{
			ID: e.of.ID, Object: object.Object{Bucket: e.of.Object.Bucket, Key: e.of.Object.Key, Version: e.of.Object.Version},
			Generation: r.Generation, LoadID: loadIDs[e.of.ID][r.Generation], RowsLoaded: r.RowsWritten, RowsRejected: r.RowsRejected,
		}
		ended := load.EndedRow{Row: row, Reason: e.reason, By: withdrawnBy, Note: withdrawnNote}
		if e.reason != load.Withdrawn {
			ended.By, ended.Note = loadIDs[e.by.ID][e.by.Receipt.Generation], ""
		}
		want = append(want, ended)
	}
	got := f.Warehouse.Contents(t, f.Dataset).Ended
	SortEnded(want)
	SortEnded(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("table of ended rows (-want +got):\n%s", diff)
	}
}

// SortEnded sorts ended rows by object and generation.
func SortEnded(rows []load.EndedRow) {
	slices.SortFunc(rows, func(a, b load.EndedRow) int {
		return cmp.Or(cmp.Compare(a.Row.ID, b.Row.ID), cmp.Compare(a.Row.Generation, b.Row.Generation), cmp.Compare(a.Row.LoadID, b.Row.LoadID))
	})
}

// loadAndNote loads a delivery and notes the load id for its generation.
func (f *Fixture) loadAndNote(t testing.TB, loadIDs map[object.ID][]string, d Delivered) {
	t.Helper()
	f.MustHandle(t, d)
	for _, row := range f.Warehouse.Contents(t, f.Dataset).Ledger {
		if row.ID == d.ID {
			loadIDs[d.ID] = append(loadIDs[d.ID], row.LoadID)
		}
	}
}

// checkWithdrawn checks the ledger row, the journal entry and the curated files of a
// withdrawn object.
func (f *Fixture) checkWithdrawn(t testing.TB, d Delivered) {
	t.Helper()
	for _, row := range f.Warehouse.Contents(t, f.Dataset).Ledger {
		if row.ID == d.ID && (!row.IsWithdrawn() || row.WithdrawnBy != withdrawnBy || row.WithdrawnNote != withdrawnNote || row.RowsRead+row.RowsLoaded+row.RowsRejected != 0) {
			t.Errorf("ledger row of a withdrawn object: %+v", row)
		}
	}
	entry, err := f.Journal.Get(t.Context(), d.ID)
	if err != nil || entry.State != journal.Withdrawn || entry.WithdrawnBy != withdrawnBy || entry.Reason != withdrawnNote {
		t.Errorf("journal entry of a withdrawn object: %+v, %v", entry, err)
	}
	if !f.Files.Deleted(d.ID) {
		t.Errorf("the curated files of the withdrawn object %s are left", d.ID)
	}
}

// endsAreRecorded: the table of ended rows has the replaced version, the reloaded
// generation and the withdrawn object, each with its load.
func endsAreRecorded(t testing.TB, fixture *Fixture) {
	loadIDs := make(map[object.ID][]string)
	old := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3, Rejects: 1})
	fixture.loadAndNote(t, loadIDs, old)
	fixture.checkEnded(t, loadIDs)
	empty := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "2", Rows: 0})
	fixture.loadAndNote(t, loadIDs, empty)
	fresh := fixture.Deliver(t, Delivery{Version: "v3", Sequencer: "3", Rows: 2})
	fixture.loadAndNote(t, loadIDs, fresh)
	again := fixture.Deliver(t, Delivery{Version: "v3", Sequencer: "3", Rows: 4, Generation: 1})
	fixture.loadAndNote(t, loadIDs, again)
	fixture.MustHandle(t, fixture.Withdrawal(again))
	fixture.MustHandle(t, old, empty, fresh, again)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.checkEnded(t, loadIDs,
		end{old, load.Replaced, empty}, end{empty, load.Replaced, fresh}, end{fresh, load.Reloaded, again}, end{again, load.Withdrawn, Delivered{}})
}

// withdrawLoaded withdraws one of two loaded objects. A repeated message changes
// nothing.
func withdrawLoaded(t testing.TB, fixture *Fixture) {
	loadIDs := make(map[object.ID][]string)
	d := fixture.Deliver(t, Delivery{Key: "wrong.csv", Sequencer: "1", Rows: 3, Rejects: 2})
	fixture.loadAndNote(t, loadIDs, d)
	other := fixture.Deliver(t, Delivery{Key: "right.csv", Sequencer: "2", Rows: 2, Rejects: 1})
	fixture.loadAndNote(t, loadIDs, other)
	for range 2 {
		fixture.MustHandle(t, fixture.Withdrawal(d))
		got := fixture.CheckRows(t, map[object.ID]int64{other.ID: 2})
		if diff := gocmp.Diff(map[object.ID]int64{other.ID: 1}, got.Rejects); diff != "" {
			t.Errorf("rejects (-want +got):\n%s", diff)
		}
		fixture.checkWithdrawn(t, d)
		fixture.checkEnded(t, loadIDs, end{d, load.Withdrawn, Delivered{}})
		if fixture.Files.Deleted(other.ID) {
			t.Error("the curated files of the other object are deleted")
		}
	}
	announcements := fixture.Publisher.Published()
	last := announcements[len(announcements)-1]
	if len(announcements) != 3 || last.Withdrawn != 1 || last.Objects != 0 || last.Rows != 0 {
		t.Errorf("announcements %+v, want one of a withdrawn object at the end", announcements)
	}
}

// withdrawnPutAgain: a new version of the key loads again.
func withdrawnPutAgain(t testing.TB, fixture *Fixture) {
	loadIDs := make(map[object.ID][]string)
	d := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3, Content: "sha256:same"})
	fixture.loadAndNote(t, loadIDs, d)
	fixture.MustHandle(t, fixture.Withdrawal(d))
	again := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "2", Rows: 3, Content: "sha256:same"})
	fixture.MustHandle(t, again)
	fixture.MustHandle(t, fixture.Withdrawal(d)) // an old message
	got := fixture.CheckRows(t, map[object.ID]int64{again.ID: 3})
	if row := got.Ledger[0]; len(got.Ledger) != 1 || row.IsWithdrawn() || row.DuplicateOf != "" {
		t.Errorf("ledger %+v", got.Ledger)
	}
	fixture.CheckState(t, again.ID, journal.Loaded)
	fixture.CheckState(t, d.ID, journal.Withdrawn)
	fixture.checkEnded(t, loadIDs, end{d, load.Withdrawn, Delivered{}})
}

// withdrawBeforeLoad: the withdrawal overtakes the load of the object and of a later
// generation. No order of the messages brings rows.
func withdrawBeforeLoad(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, fixture.Withdrawal(d))
	reloaded := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 4, Generation: 1})
	fixture.MustHandle(t, d, reloaded)
	fixture.Journal.Forget(d.ID) // the ledger decides
	fixture.MustHandle(t, d, reloaded)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.checkEnded(t, nil)

	together := fixture.Deliver(t, Delivery{Key: "b.csv", Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, together, fixture.Withdrawal(together), together)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.checkWithdrawn(t, together)
}

// withdrawOfOlderVersion: the withdrawal of a replaced version changes no row.
func withdrawOfOlderVersion(t testing.TB, fixture *Fixture) {
	loadIDs := make(map[object.ID][]string)
	old := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	fixture.loadAndNote(t, loadIDs, old)
	fresh := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "2", Rows: 2})
	fixture.loadAndNote(t, loadIDs, fresh)
	fixture.MustHandle(t, fixture.Withdrawal(old))
	fixture.CheckRows(t, map[object.ID]int64{fresh.ID: 2})
	fixture.CheckState(t, old.ID, journal.Withdrawn)
	fixture.CheckState(t, fresh.ID, journal.Loaded)
	if !fixture.Files.Deleted(old.ID) || fixture.Files.Deleted(fresh.ID) {
		t.Error("the curated files of the wrong version are deleted")
	}
	fixture.checkEnded(t, loadIDs, end{old, load.Replaced, fresh})
}

// deleteMarkerInAnyOrder: a delete marker withdraws the older versions of its key, also
// versions that load after the marker. A version after the marker has rows.
func deleteMarkerInAnyOrder(t testing.TB, fixture *Fixture) {
	loadIDs := make(map[object.ID][]string)
	loaded := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	fixture.loadAndNote(t, loadIDs, loaded)
	marker := fixture.DeleteMarker(loaded, "v3", "3")
	fixture.MustHandle(t, marker, marker)
	late := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "2", Rows: 4})
	fixture.MustHandle(t, late)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.checkWithdrawn(t, loaded)
	fixture.checkWithdrawn(t, late)
	fixture.checkEnded(t, loadIDs, end{loaded, load.Withdrawn, Delivered{}})
	fresh := fixture.Deliver(t, Delivery{Version: "v4", Sequencer: "4", Rows: 5})
	fixture.MustHandle(t, fresh)
	fixture.MustHandle(t, marker, late)
	fixture.CheckRows(t, map[object.ID]int64{fresh.ID: 5})
}

// withdrawalStoppedAfterCommit: S3 doesn't answer after COMMIT. The message comes back,
// although the journal has the object as loaded, and finishes the withdrawal. An object
// of another key that was reloaded in the same transaction stays loaded.
func withdrawalStoppedAfterCommit(t testing.TB, fixture *Fixture) {
	loadIDs := make(map[object.ID][]string)
	d := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	fixture.loadAndNote(t, loadIDs, d)
	other := fixture.Deliver(t, Delivery{Key: "other.csv", Sequencer: "1", Rows: 1})
	fixture.loadAndNote(t, loadIDs, other)
	reloaded := fixture.Deliver(t, Delivery{Key: "other.csv", Sequencer: "1", Rows: 2, Generation: 1})
	marker := fixture.DeleteMarker(d, "v2", "2")
	fixture.Files.SetUnavailable(true)
	CheckFault(t, fixture.Handle(t, marker, reloaded)[0], fault.StoreAway, fault.RetryAfter, "")
	fixture.CheckRows(t, map[object.ID]int64{reloaded.ID: 2})
	fixture.CheckState(t, d.ID, journal.Loaded)
	fixture.Files.SetUnavailable(false)
	fixture.loadAndNote(t, loadIDs, reloaded)
	fixture.MustHandle(t, marker)
	fixture.checkWithdrawn(t, d)
	fixture.CheckState(t, reloaded.ID, journal.Loaded)
	fixture.checkEnded(t, loadIDs, end{d, load.Withdrawn, Delivered{}}, end{other, load.Reloaded, reloaded})
}

// withdrawPaused: a withdrawal waits for the end of a pause.
func withdrawPaused(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, d)
	fixture.Warehouse.Pause(t, fixture.Dataset, true)
	CheckFault(t, fixture.Handle(t, fixture.Withdrawal(d))[0], fault.DatasetPaused, fault.RetryAfter, "")
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	fixture.Warehouse.Pause(t, fixture.Dataset, false)
	fixture.MustHandle(t, fixture.Withdrawal(d))
	fixture.CheckRows(t, map[object.ID]int64{})
}

// withdrawByHand: the command's withdrawal returns the ended rows, and leaves waiting
// objects to the load function.
func withdrawByHand(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3, Rejects: 1})
	fixture.MustHandle(t, d)
	waiting := fixture.Deliver(t, Delivery{Key: "waiting.csv", Rows: 2})
	for _, want := range []int{1, 0} {
		result, err := fixture.Loader.Withdraw(t.Context(), fixture.Withdrawal(d).Work)
		if err != nil || len(result.Ended) != want {
			t.Fatalf("%d ended rows, want %d (%v)", len(result.Ended), want, err)
		}
		if want == 1 && (result.Ended[0].Row.RowsLoaded != 3 || result.Ended[0].Row.RowsRejected != 1) {
			t.Errorf("ended %+v", result.Ended[0])
		}
	}
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.checkWithdrawn(t, d)
	fixture.CheckState(t, waiting.ID, journal.Transformed)
}
