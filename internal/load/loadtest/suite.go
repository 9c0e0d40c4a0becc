package loadtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/object"
)

// Case is one case of the suite, in a dataset of its own.
type Case func(t testing.TB, w *Fixture)

// Cases are what any warehouse must pass, by name.
var Cases = map[string]Case{
	"one object":                        oneObject,
	"rejects":                           objectWithRejects,
	"no rows":                           objectWithoutRows,
	"several files":                     severalFiles,
	"redelivery":                        deliveredTwice,
	"the journal forgot":                journalForgot,
	"five deliveries at once":           fiveAtOnce,
	"two versions in order":             versionsInOrder,
	"two versions in reverse order":     versionsInReverse,
	"two versions in one group":         versionsTogether,
	"the newer version is poisoned":     newerVersionIsBad,
	"a version without a sequencer":     noSequencer,
	"reload":                            reload,
	"lying receipt":                     wrongRowCount,
	"lying receipt of rejects":          wrongRejectCount,
	"missing file":                      missingFile,
	"poison in a group of ten":          badObjectInGroup,
	"two poisons in a group":            twoBadObjectsInGroup,
	"files in the load history":         inHistory,
	"paused":                            paused,
	"table behind":                      tableBehind,
	"lock busy":                         lockBusy,
	"commit unknown, applied":           commitApplied,
	"commit unknown, not applied":       commitLost,
	"commit unknown, nobody to ask":     commitCheckFails,
	"waiting objects come along":        waitingObjectsJoin,
	"a waiting object that is at fault": badWaitingObject,
	"no tables":                         noTables,
	"two loaders meet":                  twoLoadersMeet,
	"two loaders meet, one by one":      twoLoadersInTurn,
	"a skipped file of unknown rows":    unknownRows,
	"many objects":                      manyObjects,

	"duplicate content":                          duplicateWarned,
	"duplicate content that is meant":            duplicateLoaded,
	"duplicate content, refused":                 duplicateRefused,
	"duplicate content in one group":             duplicateTogether,
	"duplicate content whose first went":         duplicateAfterFirstChanged,
	"duplicate content that is no key's newest":  duplicateNewer,
	"duplicate content of a poisoned object":     duplicateOfBadObject,
	"duplicate content of objects without a row": duplicateEmpty,
	"duplicate content under the same key":       duplicateSameKey,
	"duplicate content that left in the group":   duplicateOfReplacedContent,
	"a key that is no delivery's":                noDelivery,
}

// Run runs every case.
func Run(t *testing.T, bench WarehouseUnderTest) {
	for name, run := range Cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, NewFixture(t, bench))
		})
	}
}

func oneObject(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	w.MustHandle(t, d)
	got := w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	w.CheckState(t, d.ID, journal.Loaded)
	if len(got.Ledger) != 1 || got.LockRows != 1 {
		t.Fatalf("the ledger has %d rows and %d lock rows, want one of each", len(got.Ledger), got.LockRows)
	}
	row := got.Ledger[0]
	if diff := cmp.Diff(d.Object, row.Object); diff != "" {
		t.Errorf("object in the ledger (-want +got):\n%s", diff)
	}
	r := d.Receipt
	if row.Contract != r.Contract || row.Engine != r.Engine || row.Attempt != r.Attempt || row.ContentHash != r.ContentHash || row.Files != 1 {
		t.Errorf("the ledger row isn't the receipt's: %+v", row)
	}
	if row.CopyQueryID == "" || row.RejectsQueryID != "" {
		t.Errorf("query ids %q and %q, want one for the rows only", row.CopyQueryID, row.RejectsQueryID)
	}
	if row.Bytes != r.Data[0].Bytes || row.DuplicateOf != "" {
		t.Errorf("%d bytes, want the receipt's %d; duplicate of %q, want none", row.Bytes, r.Data[0].Bytes, row.DuplicateOf)
	}
	if !row.TransformStartedAt.Equal(r.StartedAt) || !row.TransformedAt.Equal(r.FinishedAt) || row.StartedAt.IsZero() || row.LoadedAt.Before(row.StartedAt) {
		t.Errorf("times %v, %v, %v, %v", row.TransformStartedAt, row.TransformedAt, row.StartedAt, row.LoadedAt)
	}
	entry, _ := w.Journal.Get(t.Context(), d.ID)
	if entry.LoadID != row.LoadID || entry.QueryID != row.CopyQueryID || entry.RowsLoaded != 3 {
		t.Errorf("journal %+v doesn't say what the ledger says", entry)
	}
	want := []load.Announcement{{Dataset: w.Dataset, LoadID: row.LoadID, Rows: 3, Objects: 1}}
	if diff := cmp.Diff(want, w.Publisher.Published()); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
}

func objectWithRejects(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 4, Rejects: 2})
	w.MustHandle(t, d)
	got := w.CheckRows(t, map[object.ID]int64{d.ID: 4})
	if got.Rejects[d.ID] != 2 || got.Ledger[0].RejectsQueryID == "" {
		t.Errorf("%d rejects by query %q, want 2", got.Rejects[d.ID], got.Ledger[0].RejectsQueryID)
	}
}

func objectWithoutRows(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 0})
	w.MustHandle(t, d)
	if got := w.CheckRows(t, map[object.ID]int64{}); len(got.Ledger) != 1 {
		t.Errorf("the ledger has %d rows, want 1", len(got.Ledger))
	}
	w.CheckState(t, d.ID, journal.Loaded)
}

func severalFiles(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Rows: 10, Files: 3})
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 10})
}

func deliveredTwice(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	w.MustHandle(t, d, d)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	if n := len(w.Publisher.Published()); n != 1 {
		t.Errorf("%d news, want 1", n)
	}
}

// journalForgot is a loader that died between COMMIT and journal: the ledger
// decides, and the news is out at least once.
func journalForgot(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	w.MustHandle(t, d)
	w.Journal.Set(d.ID, journal.Transformed)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	w.CheckState(t, d.ID, journal.Loaded)
	news := w.Publisher.Published()
	if len(news) != 2 || news[0] != news[1] {
		t.Errorf("news %+v, want the same twice", news)
	}
	w.Journal.Forget(d.ID)
	w.MustHandle(t, d)
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func fiveAtOnce(t testing.TB, w *Fixture) {
	d := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { w.HandleUntilDone(t, d) })
	}
	all.Wait()
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
	w.CheckState(t, d.ID, journal.Loaded)
}

// meetingTime is how long a loader waits for another that can't come, because
// the lock keeps it out.
const meetingTime = 50 * time.Millisecond

// twoLoadersMeet lets two loaders handle one object at once: each reads the journal
// before the other writes it. On a warehouse that lets them, both are in their
// transaction before either commits.
func twoLoadersMeet(t testing.TB, w *Fixture) {
	w.Loader = w.NewLoaderOn(&MeetingWarehouse{Warehouse: w.Warehouse, Expected: 2, Timeout: meetingTime})
	d := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { w.HandleUntilDone(t, d) })
	}
	both.Wait()
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

// twoLoadersInTurn lets a second loader come while the first is in its transaction:
// it waits for the lock. It may be refused, as long as nothing is loaded twice.
func twoLoadersInTurn(t testing.TB, w *Fixture) {
	w.Loader = w.NewLoaderOn(&MeetingWarehouse{Warehouse: w.Warehouse, Expected: 2, Timeout: meetingTime})
	d := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { w.Handle(t, d) })
	}
	both.Wait()
	w.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func versionsInOrder(t testing.TB, w *Fixture) {
	first := w.Deliver(t, Delivery{Version: "v1", Sequencer: "0A", Rows: 3, Rejects: 1})
	w.MustHandle(t, first)
	second := w.Deliver(t, Delivery{Version: "v2", Sequencer: "00ff", Rows: 5})
	w.MustHandle(t, second)
	got := w.CheckRows(t, map[object.ID]int64{second.ID: 5})
	if len(got.Rejects) != 0 {
		t.Errorf("rejects %v of the replaced version are left", got.Rejects)
	}
	w.CheckState(t, first.ID, journal.Superseded)
	w.CheckState(t, second.ID, journal.Loaded)
}

func versionsInReverse(t testing.TB, w *Fixture) {
	second := w.Deliver(t, Delivery{Version: "v2", Sequencer: "00ff", Rows: 5})
	w.MustHandle(t, second)
	first := w.Deliver(t, Delivery{Version: "v1", Sequencer: "0A", Rows: 3})
	w.MustHandle(t, first)
	w.CheckRows(t, map[object.ID]int64{second.ID: 5})
	w.CheckState(t, first.ID, journal.Superseded)
	w.CheckState(t, second.ID, journal.Loaded)
}

func versionsTogether(t testing.TB, w *Fixture) {
	want := make(map[object.ID]int64)
	var group []Delivered
	for i, key := range []string{"a.csv", "b.csv"} {
		older := w.Deliver(t, Delivery{Key: key, Version: "v1", Sequencer: "1", Rows: 3})
		newer := w.Deliver(t, Delivery{Key: key, Version: "v2", Sequencer: "2", Rows: 5})
		want[newer.ID] = 5
		if i == 0 {
			group = append(group, older, newer)
		} else {
			group = append(group, newer, older)
		}
	}
	w.MustHandle(t, group...)
	w.CheckRows(t, want)
	w.CheckState(t, group[0].ID, journal.Superseded)
	w.CheckState(t, group[3].ID, journal.Superseded)
}

// newerVersionIsBad: only what is loaded supersedes.
func newerVersionIsBad(t testing.TB, w *Fixture) {
	older := w.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	newer := w.Deliver(t, Delivery{Version: "v2", Sequencer: "2", Rows: 5, Claimed: 6})
	errs := w.Handle(t, newer, older)
	CheckFault(t, errs[0], fault.ReceiptMismatch, fault.Permanent, newer.ID)
	if errs[1] != nil {
		t.Errorf("the older version: %v", errs[1])
	}
	w.CheckRows(t, map[object.ID]int64{older.ID: 3})
	w.CheckState(t, older.ID, journal.Loaded)
}

func noSequencer(t testing.TB, w *Fixture) {
	found := w.Deliver(t, Delivery{Version: "v2", Rows: 5})
	announced := w.Deliver(t, Delivery{Version: "v1", Sequencer: "9", Rows: 3})
	w.Versions[found.Object.Key] = []string{"v2", "v1"}
	w.MustHandle(t, announced)
	w.MustHandle(t, found)
	w.MustHandle(t, announced)
	w.CheckRows(t, map[object.ID]int64{found.ID: 5})
	w.CheckState(t, announced.ID, journal.Superseded)
}

func reload(t testing.TB, w *Fixture) {
	first := w.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	w.MustHandle(t, first)
	again := w.Deliver(t, Delivery{Sequencer: "1", Rows: 4, Rejects: 1, Generation: 1})
	w.MustHandle(t, again)
	w.CheckRows(t, map[object.ID]int64{again.ID: 4})
	w.CheckState(t, again.ID, journal.Loaded)
	w.Journal.Set(again.ID, journal.Transformed)
	w.MustHandle(t, first, again)
	got := w.CheckRows(t, map[object.ID]int64{again.ID: 4})
	if got.Ledger[0].Generation != 1 {
		t.Errorf("generation %d stands, want 1", got.Ledger[0].Generation)
	}
}

// groupOf delivers ten objects of which some are at fault.
// inHistory: somebody deleted the rows, the load history has the files still.
func waitingObjectsJoin(t testing.TB, w *Fixture) {
	quiet := w.Deliver(t, Delivery{Key: "quiet.csv", Rows: 2})
	asked := w.Deliver(t, Delivery{Key: "asked.csv", Rows: 3})
	w.MustHandle(t, asked)
	w.CheckRows(t, map[object.ID]int64{quiet.ID: 2, asked.ID: 3})
	w.CheckState(t, quiet.ID, journal.Loaded)
	if n := len(w.Publisher.Published()); n != 1 {
		t.Errorf("%d news, want one transaction's", n)
	}
	w.MustHandle(t, quiet)
	w.CheckRows(t, map[object.ID]int64{quiet.ID: 2, asked.ID: 3})
}

// manyObjects are more than a statement takes as binds of their own, with what
// is written, read, counted and deleted by such lists: new rows, versions that
// give way, a file that the load history has.
func manyObjects(t testing.TB, w *Fixture) {
	const n = 40
	old, fresh, want := make([]Delivered, n), make([]Delivered, n), make(map[object.ID]int64)
	for i := range n {
		old[i] = w.Deliver(t, Delivery{Key: fmt.Sprintf("it's %d.csv", i), Version: "v1", Sequencer: "1", Rows: 1, Rejects: 1})
	}
	w.MustHandle(t, old...)
	for i := range n {
		fresh[i] = w.Deliver(t, Delivery{Key: fmt.Sprintf("it's %d.csv", i), Version: "v2", Sequencer: "2", Rows: 2})
		want[fresh[i].ID] = 2
	}
	w.MustHandle(t, fresh[:10]...) // the others wait in the journal
	got := w.CheckRows(t, want)
	if len(got.Ledger) != n || len(got.Rejects) != 0 {
		t.Errorf("%d ledger rows and rejects of %d objects, want %d and none", len(got.Ledger), len(got.Rejects), n)
	}
	for _, row := range got.Ledger {
		if row.TransformedAt.IsZero() || row.StartedAt.IsZero() || row.Files != 1 || row.Object.Size != 100 {
			t.Fatalf("a ledger row lost what it was given: %+v", row)
		}
	}
	if transactions := len(w.Publisher.Published()); transactions != 2 {
		t.Errorf("%d transactions, want 2", transactions)
	}
	for _, d := range fresh {
		w.Warehouse.Erase(t, w.Dataset, d.ID)
		w.Journal.Set(d.ID, journal.Transformed)
	}
	w.MustHandle(t, fresh[0])
	w.CheckRows(t, want)
}
