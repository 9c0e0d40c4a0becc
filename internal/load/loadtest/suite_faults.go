package loadtest

import (
	"fmt"
	"testing"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

func wrongRowCount(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3, Claimed: 4})
	f := CheckFault(t, w.Handle(t, d)[0], fault.ReceiptMismatch, fault.Permanent, d.ID)
	if want := fmt.Sprintf("file %s brought 3 rows, its receipt says 4", d.Receipt.Data[0].Key); f.Cause() != want {
		t.Errorf("cause %q, want %q", f.Cause(), want)
	}
	if f.QueryID == "" {
		t.Error("the fault has no query id")
	}
	w.CheckRows(t, map[object.ID]int64{})
	w.CheckState(t, d.ID, journal.Transformed)
}

func wrongRejectCount(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3, Rejects: 2})
	w.Warehouse.Put(t, load.Rejects, d.Receipt.Rejects[0].Key, File{Object: d.ID, Rows: 1})
	CheckFault(t, w.Handle(t, d)[0], fault.ReceiptMismatch, fault.Permanent, d.ID)
	if got := w.CheckRows(t, map[object.ID]int64{}); len(got.Rejects) > 0 {
		t.Errorf("rejects %v are left", got.Rejects)
	}
}

func missingFile(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3, Missing: true})
	CheckFault(t, w.Handle(t, d)[0], fault.ReceiptMissing, fault.Permanent, d.ID)
	w.CheckRows(t, map[object.ID]int64{})
	gone := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3})
	w.Receipts.Remove(*gone.Work.Receipt)
	CheckFault(t, w.Handle(t, gone)[0], fault.ReceiptMissing, fault.Permanent, gone.ID)
}

func groupOf(t testing.TB, w *Fixture, faulty map[int]Delivery) (group []Delivered, want map[object.ID]int64) {
	t.Helper()
	want = make(map[object.ID]int64)
	for i := range 10 {
		d, bad := faulty[i]
		d.Key, d.Rows = fmt.Sprintf("%d.csv", i), int64(i+1)
		if d.Claimed != 0 {
			d.Claimed = d.Rows + 1
		}
		delivered := w.Deliver(t, d)
		group = append(group, delivered)
		if !bad {
			want[delivered.ID] = d.Rows
		}
	}
	return group, want
}

func badObjectInGroup(t testing.TB, w *Fixture) {
	group, want := groupOf(t, w, map[int]Delivery{4: {Broken: true}})
	for i, err := range w.Handle(t, group...) {
		if i == 4 {
			CheckFault(t, err, fault.CopyRefused, fault.Permanent, group[4].ID)
		} else if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	w.CheckRows(t, want)
}

func twoBadObjectsInGroup(t testing.TB, w *Fixture) {
	group, want := groupOf(t, w, map[int]Delivery{2: {Missing: true}, 7: {Claimed: 1}})
	for i, err := range w.Handle(t, group...) {
		switch {
		case i == 2:
			CheckFault(t, err, fault.ReceiptMissing, fault.Permanent, group[2].ID)
		case i == 7:
			CheckFault(t, err, fault.ReceiptMismatch, fault.Permanent, group[7].ID)
		case err != nil:
			t.Errorf("message %d: %v", i, err)
		}
	}
	w.CheckRows(t, want)
}

func inHistory(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3, Rejects: 1, Files: 2})
	w.MustHandle(t, d)
	w.Warehouse.Erase(t, w.Dataset, d.ID)
	w.CheckRows(t, map[object.ID]int64{})
	w.Journal.Set(d.ID, journal.Transformed)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

// unknownRows: the table has rows that no ledger row stands for. Copying again
// would double them. A load history that has forgotten the file can't tell; then
// dbt's test of the ledger's sum against the table does.
func unknownRows(t testing.TB, w *Fixture) {
	if fake, ok := w.Warehouse.(*Fake); ok && fake.HistoryForgets {
		return
	}
	d := w.Deliver(t, Delivery{Rows: 3})
	session, err := w.Warehouse.Open(t.Context(), w.Dataset, "by hand")
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Copy(t.Context(), load.Rows, namesOf(d), false); err != nil {
		t.Fatal(err)
	}
	if err := session.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	f := CheckFault(t, w.Handle(t, d)[0], fault.LedgerBroken, fault.Permanent, d.ID)
	if want := "the table has 3 rows of it that no ledger row stands for"; f.Cause() != want {
		t.Errorf("cause %q, want %q", f.Cause(), want)
	}
	if got := w.Warehouse.Contents(t, w.Dataset).Rows[d.ID]; got != 3 {
		t.Errorf("%d rows, want the 3 that were there", got)
	}
}

func namesOf(d Delivered) []string {
	var names []string
	for _, f := range d.Receipt.Data {
		names = append(names, f.Key)
	}
	return names
}

func paused(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3})
	w.Warehouse.Pause(t, w.Dataset, true)
	CheckFault(t, w.Handle(t, d)[0], fault.DatasetPaused, fault.RetryAfter, d.ID)
	w.CheckRows(t, map[object.ID]int64{})
	w.Warehouse.Pause(t, w.Dataset, false)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func tableBehind(t testing.TB, w *Fixture) {
	ahead := w.Deliver(t, Delivery{Key: "new.csv", Rows: 3, Contract: "1.10.0"})
	fits := w.Deliver(t, Delivery{Key: "old.csv", Rows: 2, Contract: "0.9.0"})
	errs := w.Handle(t, ahead, fits)
	CheckFault(t, errs[0], fault.TableBehind, fault.RetryAfter, ahead.ID)
	if errs[1] != nil {
		t.Errorf("an object under an older contract: %v", errs[1])
	}
	w.CheckRows(t, map[object.ID]int64{fits.ID: 2})
}

func lockBusy(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3})
	release := w.HoldLock(t)
	CheckFault(t, w.Handle(t, d)[0], fault.LockBusy, fault.RetryAfter, d.ID)
	release()
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func commitApplied(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3})
	w.Loader = w.NewLoaderOn(&LostCommit{Warehouse: w.Warehouse, Applied: true})
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	w.CheckState(t, d.ID, journal.Loaded)
}

func commitLost(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3})
	w.Loader = w.NewLoaderOn(&LostCommit{Warehouse: w.Warehouse})
	CheckFault(t, w.Handle(t, d)[0], fault.CommitUnknown, fault.RetryAfter, d.ID)
	w.CheckRows(t, map[object.ID]int64{})
	w.Loader = w.NewLoaderOn(w.Warehouse)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func commitCheckFails(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3})
	w.Loader = w.NewLoaderOn(&LostCommit{Warehouse: w.Warehouse, Applied: true, CheckFails: true})
	CheckFault(t, w.Handle(t, d)[0], fault.CommitUnknown, fault.RetryAfter, d.ID)
	w.CheckState(t, d.ID, journal.Transformed)
	w.Loader = w.NewLoaderOn(w.Warehouse)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	if n := len(w.Publisher.Published()); n != 1 {
		t.Errorf("%d news, want 1", n)
	}
}

func badWaitingObject(t testing.TB, w *Fixture) {
	w.Deliver(t, Delivery{Key: "quiet.csv", Rows: 2, Claimed: 9})
	gone := w.Deliver(t, Delivery{Key: "gone.csv", Rows: 2})
	w.Receipts.Remove(*gone.Work.Receipt)
	asked := w.Deliver(t, Delivery{Key: "asked.csv", Rows: 3})
	w.MustHandle(t, asked)
	w.CheckRows(t, map[object.ID]int64{asked.ID: 3})
}

func noTables(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 3})
	d.Work.Dataset = "unknown" + w.Dataset
	receipt := d.Receipt
	receipt.Dataset = d.Work.Dataset
	receipt.Data, receipt.RowsRead, receipt.RowsWritten = nil, 0, 0
	w.Receipts.Put(*d.Work.Receipt, receipt)
	failed := w.Loader.Handle(t.Context(), []batch.Message{w.Message(d)})
	for _, err := range failed {
		CheckFault(t, err, fault.TableMissing, fault.Permanent, d.ID)
	}
	if len(failed) != 1 {
		t.Errorf("%d failed, want 1", len(failed))
	}
}
