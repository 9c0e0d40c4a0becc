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

func wrongRowCount(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3, Claimed: 4})
	f := CheckFault(t, fixture.Handle(t, d)[0], fault.ReceiptMismatch, fault.Permanent, d.ID)
	if want := fmt.Sprintf("COPY counted 3 rows of file %s, but the receipt counts 4; the load was rolled back", d.Receipt.Data[0].Key); f.Cause() != want {
		t.Errorf("cause %q, want %q", f.Cause(), want)
	}
	if f.QueryID == "" {
		t.Error("the fault has no query id")
	}
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.CheckState(t, d.ID, journal.Transformed)
}

func wrongRejectCount(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3, Rejects: 2})
	fixture.Warehouse.Put(t, load.Rejects, d.Receipt.Rejects[0].Key, File{Object: d.ID, Rows: 1})
	CheckFault(t, fixture.Handle(t, d)[0], fault.ReceiptMismatch, fault.Permanent, d.ID)
	if got := fixture.CheckRows(t, map[object.ID]int64{}); len(got.Rejects) > 0 {
		t.Errorf("rejects %v are left", got.Rejects)
	}
}

func missingFile(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3, Missing: true})
	CheckFault(t, fixture.Handle(t, d)[0], fault.ReceiptMissing, fault.Permanent, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
	gone := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3})
	fixture.Receipts.Remove(*gone.Work.Receipt)
	CheckFault(t, fixture.Handle(t, gone)[0], fault.ReceiptMissing, fault.Permanent, gone.ID)
}

// groupOf delivers ten objects of 1 to 10 rows. The map has the faulty ones by index;
// a Claimed other than 0 becomes the row count plus 1. The result want lacks them.
func groupOf(t testing.TB, fixture *Fixture, faulty map[int]Delivery) (group []Delivered, want map[object.ID]int64) {
	t.Helper()
	want = make(map[object.ID]int64)
	for i := range 10 {
		d, bad := faulty[i]
		d.Key, d.Rows = fmt.Sprintf("%d.csv", i), int64(i+1)
		if d.Claimed != 0 {
			d.Claimed = d.Rows + 1
		}
		delivered := fixture.Deliver(t, d)
		group = append(group, delivered)
		if !bad {
			want[delivered.ID] = d.Rows
		}
	}
	return group, want
}

func badObjectInGroup(t testing.TB, fixture *Fixture) {
	group, want := groupOf(t, fixture, map[int]Delivery{4: {Broken: true}})
	for i, err := range fixture.Handle(t, group...) {
		if i == 4 {
			CheckFault(t, err, fault.CopyRefused, fault.Permanent, group[4].ID)
		} else if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	fixture.CheckRows(t, want)
}

func twoBadObjectsInGroup(t testing.TB, fixture *Fixture) {
	group, want := groupOf(t, fixture, map[int]Delivery{2: {Missing: true}, 7: {Claimed: 1}})
	for i, err := range fixture.Handle(t, group...) {
		switch {
		case i == 2:
			CheckFault(t, err, fault.ReceiptMissing, fault.Permanent, group[2].ID)
		case i == 7:
			CheckFault(t, err, fault.ReceiptMismatch, fault.Permanent, group[7].ID)
		case err != nil:
			t.Errorf("message %d: %v", i, err)
		}
	}
	fixture.CheckRows(t, want)
}

// inHistory: the object's rows were deleted by hand, but the load history still has the
// object's files.
func inHistory(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3, Rejects: 1, Files: 2})
	fixture.MustHandle(t, d)
	fixture.Warehouse.Erase(t, fixture.Dataset, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.Journal.Set(d.ID, journal.Transformed)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

// unknownRows: the table has rows of an object without a ledger row. Another copy would
// double these rows. A load history that has forgotten the file can't detect the fault.
// In this case only dbt's test of the ledger against the table detects the fault.
func unknownRows(t testing.TB, fixture *Fixture) {
	if fake, ok := fixture.Warehouse.(*Fake); ok && fake.HistoryForgets {
		return
	}
	d := fixture.Deliver(t, Delivery{Rows: 3})
	session, err := fixture.Warehouse.Open(t.Context(), fixture.Dataset, "by hand")
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
	f := CheckFault(t, fixture.Handle(t, d)[0], fault.LedgerBroken, fault.Permanent, d.ID)
	if want := "the table has 3 rows of the object without a ledger row"; f.Cause() != want {
		t.Errorf("cause %q, want %q", f.Cause(), want)
	}
	if got := fixture.Warehouse.Contents(t, fixture.Dataset).Rows[d.ID]; got != 3 {
		t.Errorf("%d rows, want the earlier 3", got)
	}
}

func namesOf(d Delivered) []string {
	var names []string
	for _, f := range d.Receipt.Data {
		names = append(names, f.Key)
	}
	return names
}

func paused(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3})
	fixture.Warehouse.Pause(t, fixture.Dataset, true)
	CheckFault(t, fixture.Handle(t, d)[0], fault.DatasetPaused, fault.RetryAfter, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.Warehouse.Pause(t, fixture.Dataset, false)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func tableBehind(t testing.TB, fixture *Fixture) {
	ahead := fixture.Deliver(t, Delivery{Key: "new.csv", Rows: 3, Contract: "1.10.0"})
	fits := fixture.Deliver(t, Delivery{Key: "old.csv", Rows: 2, Contract: "0.9.0"})
	errs := fixture.Handle(t, ahead, fits)
	CheckFault(t, errs[0], fault.TableBehind, fault.RetryAfter, ahead.ID)
	if errs[1] != nil {
		t.Errorf("the object with an older contract: %v", errs[1])
	}
	fixture.CheckRows(t, map[object.ID]int64{fits.ID: 2})
}

func lockBusy(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3})
	release := fixture.HoldLock(t)
	CheckFault(t, fixture.Handle(t, d)[0], fault.LockBusy, fault.RetryAfter, d.ID)
	release()
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func commitApplied(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3})
	fixture.Loader = fixture.NewLoaderOn(&LostCommit{Warehouse: fixture.Warehouse, Applied: true})
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	fixture.CheckState(t, d.ID, journal.Loaded)
}

func commitLost(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3})
	fixture.Loader = fixture.NewLoaderOn(&LostCommit{Warehouse: fixture.Warehouse})
	CheckFault(t, fixture.Handle(t, d)[0], fault.CommitUnknown, fault.RetryAfter, d.ID)
	fixture.CheckRows(t, map[object.ID]int64{})
	fixture.Loader = fixture.NewLoaderOn(fixture.Warehouse)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func commitCheckFails(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3})
	fixture.Loader = fixture.NewLoaderOn(&LostCommit{Warehouse: fixture.Warehouse, Applied: true, CheckFails: true})
	CheckFault(t, fixture.Handle(t, d)[0], fault.CommitUnknown, fault.RetryAfter, d.ID)
	fixture.CheckState(t, d.ID, journal.Transformed)
	fixture.Loader = fixture.NewLoaderOn(fixture.Warehouse)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	if n := len(fixture.Publisher.Published()); n != 1 {
		t.Errorf("%d announcements, want 1", n)
	}
}

func badWaitingObject(t testing.TB, fixture *Fixture) {
	fixture.Deliver(t, Delivery{Key: "waiting.csv", Rows: 2, Claimed: 9})
	gone := fixture.Deliver(t, Delivery{Key: "gone.csv", Rows: 2})
	fixture.Receipts.Remove(*gone.Work.Receipt)
	requested := fixture.Deliver(t, Delivery{Key: "requested.csv", Rows: 3})
	fixture.MustHandle(t, requested)
	fixture.CheckRows(t, map[object.ID]int64{requested.ID: 3})
}

func noTables(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 3})
	d.Work.Dataset = "unknown" + fixture.Dataset
	receipt := d.Receipt
	receipt.Dataset = d.Work.Dataset
	receipt.Data, receipt.RowsRead, receipt.RowsWritten = nil, 0, 0
	d.Work.Receipt.Key = object.Attempt{Dataset: receipt.Dataset, Object: d.ID, Name: receipt.Attempt}.Receipt()
	fixture.Receipts.Put(*d.Work.Receipt, receipt)
	failed := fixture.Loader.Handle(t.Context(), []batch.Message{fixture.Message(d)})
	for _, err := range failed {
		f := CheckFault(t, err, fault.TableMissing, fault.RetryAfter, d.ID)
		if f.Dataset != d.Work.Dataset {
			t.Errorf("the fault names dataset %q, want %q", f.Dataset, d.Work.Dataset)
		}
	}
	if len(failed) != 1 {
		t.Errorf("%d messages failed, want 1", len(failed))
	}
}
