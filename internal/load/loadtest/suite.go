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

// Case is one case of the suite. Each case has a separate dataset.
type Case func(t testing.TB, fixture *Fixture)

// Cases are the cases by name. Every warehouse must pass all cases.
var Cases = map[string]Case{
	"one object":                                 oneObject,
	"rejects":                                    objectWithRejects,
	"no rows":                                    objectWithoutRows,
	"several files":                              severalFiles,
	"redelivery":                                 deliveredTwice,
	"the journal lost the load":                  journalLostLoad,
	"five deliveries at once":                    fiveAtOnce,
	"two versions in order":                      versionsInOrder,
	"two versions in reverse order":              versionsInReverse,
	"two versions in one group":                  versionsTogether,
	"the newer version is bad":                   newerVersionIsBad,
	"a version without a sequencer":              noSequencer,
	"reload":                                     reload,
	"wrong row count in the receipt":             wrongRowCount,
	"wrong reject count in the receipt":          wrongRejectCount,
	"missing file":                               missingFile,
	"one bad object in a group of ten":           badObjectInGroup,
	"two bad objects in a group":                 twoBadObjectsInGroup,
	"files in the load history":                  inHistory,
	"paused":                                     paused,
	"table behind":                               tableBehind,
	"lock busy":                                  lockBusy,
	"commit unknown, applied":                    commitApplied,
	"commit unknown, not applied":                commitLost,
	"commit unknown, ledger not readable":        commitCheckFails,
	"waiting objects join the group":             waitingObjectsJoin,
	"a bad waiting object":                       badWaitingObject,
	"no tables":                                  noTables,
	"two loaders meet":                           twoLoadersMeet,
	"two loaders in turn":                        twoLoadersInTurn,
	"a skipped file with rows but no ledger row": unknownRows,
	"many objects":                               manyObjects,

	"duplicate content":                                    duplicateWarned,
	"duplicate content, allowed by the contract":           duplicateLoaded,
	"duplicate content, refused":                           duplicateRefused,
	"duplicate content in one group":                       duplicateTogether,
	"duplicate content after a change of the first object": duplicateAfterFirstChanged,
	"duplicate content in a newer version":                 duplicateNewer,
	"duplicate content of a bad object":                    duplicateOfBadObject,
	"duplicate content of objects without a row":           duplicateEmpty,
	"duplicate content under the same key":                 duplicateSameKey,
	"duplicate content, replaced in the same group":        duplicateOfReplacedContent,
	"ends are recorded":                                    endsAreRecorded,
	"withdrawal":                                           withdrawLoaded,
	"withdrawal, then a new version":                       withdrawnPutAgain,
	"withdrawal before the load":                           withdrawBeforeLoad,
	"withdrawal of an older version":                       withdrawOfOlderVersion,
	"delete marker in any order":                           deleteMarkerInAnyOrder,
	"withdrawal stopped after COMMIT":                      withdrawalStoppedAfterCommit,
	"withdrawal during a pause":                            withdrawPaused,
	"withdrawal by hand":                                   withdrawByHand,
	"a key outside every delivery":                         noDelivery,
}

// Run runs every case.
func Run(t *testing.T, warehouse WarehouseUnderTest) {
	for name, run := range Cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, NewFixture(t, warehouse))
		})
	}
}

func oneObject(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, d)
	got := fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	fixture.CheckState(t, d.ID, journal.Loaded)
	if len(got.Ledger) != 1 || got.LockRows != 1 {
		t.Fatalf("the ledger has %d rows and %d lock rows, want one of each", len(got.Ledger), got.LockRows)
	}
	row := got.Ledger[0]
	if diff := cmp.Diff(d.Object, row.Object); diff != "" {
		t.Errorf("object in the ledger (-want +got):\n%s", diff)
	}
	r := d.Receipt
	if row.Contract != r.Contract || row.Engine != r.Engine || row.Attempt != r.Attempt || row.ContentHash != r.ContentHash || row.Files != 1 {
		t.Errorf("the ledger row differs from the receipt: %+v", row)
	}
	if row.CopyQueryID == "" || row.RejectsQueryID != "" {
		t.Errorf("query ids %q and %q, want one for the rows only", row.CopyQueryID, row.RejectsQueryID)
	}
	if row.Bytes != r.Data[0].Bytes || row.DuplicateOf != "" {
		t.Errorf("%d bytes, want %d from the receipt; duplicate of %q, want none", row.Bytes, r.Data[0].Bytes, row.DuplicateOf)
	}
	if !row.TransformStartedAt.Equal(r.StartedAt) || !row.TransformedAt.Equal(r.FinishedAt) || row.StartedAt.IsZero() || row.LoadedAt.Before(row.StartedAt) {
		t.Errorf("times %v, %v, %v, %v", row.TransformStartedAt, row.TransformedAt, row.StartedAt, row.LoadedAt)
	}
	entry, _ := fixture.Journal.Get(t.Context(), d.ID)
	if entry.LoadID != row.LoadID || entry.QueryID != row.CopyQueryID || entry.RowsLoaded != 3 {
		t.Errorf("the journal entry %+v differs from the ledger", entry)
	}
	want := []load.Announcement{{Dataset: fixture.Dataset, LoadID: row.LoadID, Rows: 3, Objects: 1}}
	if diff := cmp.Diff(want, fixture.Publisher.Published()); diff != "" {
		t.Errorf("announcements (-want +got):\n%s", diff)
	}
}

func objectWithRejects(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 4, Rejects: 2})
	fixture.MustHandle(t, d)
	got := fixture.CheckRows(t, map[object.ID]int64{d.ID: 4})
	if got.Rejects[d.ID] != 2 || got.Ledger[0].RejectsQueryID == "" {
		t.Errorf("%d rejects by query %q, want 2", got.Rejects[d.ID], got.Ledger[0].RejectsQueryID)
	}
}

func objectWithoutRows(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 0})
	fixture.MustHandle(t, d)
	if got := fixture.CheckRows(t, map[object.ID]int64{}); len(got.Ledger) != 1 {
		t.Errorf("the ledger has %d rows, want 1", len(got.Ledger))
	}
	fixture.CheckState(t, d.ID, journal.Loaded)
}

func severalFiles(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Rows: 10, Files: 3})
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 10})
}

func deliveredTwice(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, d, d)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	if n := len(fixture.Publisher.Published()); n != 1 {
		t.Errorf("%d announcements, want 1", n)
	}
}

// journalLostLoad: a loader crashed between COMMIT and the journal. The ledger decides,
// and the load is announced at least once.
func journalLostLoad(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, d)
	fixture.Journal.Set(d.ID, journal.Transformed)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	fixture.CheckState(t, d.ID, journal.Loaded)
	announcements := fixture.Publisher.Published()
	if len(announcements) != 2 || !cmp.Equal(announcements[0], announcements[1]) {
		t.Errorf("announcements %+v, want the same one twice", announcements)
	}
	fixture.Journal.Forget(d.ID)
	fixture.MustHandle(t, d)
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func fiveAtOnce(t testing.TB, fixture *Fixture) {
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { fixture.HandleUntilDone(t, d) })
	}
	all.Wait()
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
	fixture.CheckState(t, d.ID, journal.Loaded)
}

// maxMeetingTime is the longest wait of a loader for a second loader. The second loader
// can't come while the first loader has the lock.
const maxMeetingTime = 50 * time.Millisecond

// twoLoadersMeet lets two loaders handle one object at the same time. Both read the
// journal before the first write. On a warehouse without a lock, both transactions are
// open before the first COMMIT.
func twoLoadersMeet(t testing.TB, fixture *Fixture) {
	inTwoLoaders(t, fixture, func(d Delivered) { fixture.HandleUntilDone(t, d) })
}

// twoLoadersInTurn lets a second loader start during the first loader's transaction, so
// the second loader waits for the lock. The second loader may fail, but the object must
// be loaded only once.
func twoLoadersInTurn(t testing.TB, fixture *Fixture) {
	inTwoLoaders(t, fixture, func(d Delivered) { fixture.Handle(t, d) })
}

// inTwoLoaders runs handle for one object in two loaders, whose transactions meet. The
// object must be loaded only once.
func inTwoLoaders(t testing.TB, fixture *Fixture, handle func(Delivered)) {
	t.Helper()
	fixture.Loader = fixture.NewLoaderOn(&MeetingWarehouse{Warehouse: fixture.Warehouse, Expected: 2, Timeout: maxMeetingTime})
	d := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { handle(d) })
	}
	both.Wait()
	fixture.CheckRows(t, map[object.ID]int64{d.ID: 3})
}

func versionsInOrder(t testing.TB, fixture *Fixture) {
	first := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "0A", Rows: 3, Rejects: 1})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "00ff", Rows: 5})
	fixture.MustHandle(t, second)
	got := fixture.CheckRows(t, map[object.ID]int64{second.ID: 5})
	if len(got.Rejects) != 0 {
		t.Errorf("rejects %v of the replaced version are left", got.Rejects)
	}
	fixture.CheckState(t, first.ID, journal.Superseded)
	fixture.CheckState(t, second.ID, journal.Loaded)
}

func versionsInReverse(t testing.TB, fixture *Fixture) {
	second := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "00ff", Rows: 5})
	fixture.MustHandle(t, second)
	first := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "0A", Rows: 3})
	fixture.MustHandle(t, first)
	fixture.CheckRows(t, map[object.ID]int64{second.ID: 5})
	fixture.CheckState(t, first.ID, journal.Superseded)
	fixture.CheckState(t, second.ID, journal.Loaded)
}

func versionsTogether(t testing.TB, fixture *Fixture) {
	want := make(map[object.ID]int64)
	var group []Delivered
	for i, key := range []string{"a.csv", "b.csv"} {
		older := fixture.Deliver(t, Delivery{Key: key, Version: "v1", Sequencer: "1", Rows: 3})
		newer := fixture.Deliver(t, Delivery{Key: key, Version: "v2", Sequencer: "2", Rows: 5})
		want[newer.ID] = 5
		if i == 0 {
			group = append(group, older, newer)
		} else {
			group = append(group, newer, older)
		}
	}
	fixture.MustHandle(t, group...)
	fixture.CheckRows(t, want)
	fixture.CheckState(t, group[0].ID, journal.Superseded)
	fixture.CheckState(t, group[3].ID, journal.Superseded)
}

// newerVersionIsBad: only a loaded version replaces an older version.
func newerVersionIsBad(t testing.TB, fixture *Fixture) {
	older := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	newer := fixture.Deliver(t, Delivery{Version: "v2", Sequencer: "2", Rows: 5, Claimed: 6})
	errs := fixture.Handle(t, newer, older)
	CheckFault(t, errs[0], fault.ReceiptMismatch, fault.Permanent, newer.ID)
	if errs[1] != nil {
		t.Errorf("the older version: %v", errs[1])
	}
	fixture.CheckRows(t, map[object.ID]int64{older.ID: 3})
	fixture.CheckState(t, older.ID, journal.Loaded)
}

func noSequencer(t testing.TB, fixture *Fixture) {
	found := fixture.Deliver(t, Delivery{Version: "v2", Rows: 5})
	announced := fixture.Deliver(t, Delivery{Version: "v1", Sequencer: "9", Rows: 3})
	fixture.Versions[found.Object.Key] = []string{"v2", "v1"}
	fixture.MustHandle(t, announced)
	fixture.MustHandle(t, found)
	fixture.MustHandle(t, announced)
	fixture.CheckRows(t, map[object.ID]int64{found.ID: 5})
	fixture.CheckState(t, announced.ID, journal.Superseded)
}

func reload(t testing.TB, fixture *Fixture) {
	first := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, first)
	reloaded := fixture.Deliver(t, Delivery{Sequencer: "1", Rows: 4, Rejects: 1, Generation: 1})
	fixture.MustHandle(t, reloaded)
	fixture.CheckRows(t, map[object.ID]int64{reloaded.ID: 4})
	fixture.CheckState(t, reloaded.ID, journal.Loaded)
	fixture.Journal.Set(reloaded.ID, journal.Transformed)
	fixture.MustHandle(t, first, reloaded)
	got := fixture.CheckRows(t, map[object.ID]int64{reloaded.ID: 4})
	if got.Ledger[0].Generation != 1 {
		t.Errorf("the ledger has generation %d, want 1", got.Ledger[0].Generation)
	}
}

// waitingObjectsJoin: an object without a message waits in the journal, and joins the
// group of another object.
func waitingObjectsJoin(t testing.TB, fixture *Fixture) {
	waiting := fixture.Deliver(t, Delivery{Key: "waiting.csv", Rows: 2})
	requested := fixture.Deliver(t, Delivery{Key: "requested.csv", Rows: 3})
	fixture.MustHandle(t, requested)
	fixture.CheckRows(t, map[object.ID]int64{waiting.ID: 2, requested.ID: 3})
	fixture.CheckState(t, waiting.ID, journal.Loaded)
	if n := len(fixture.Publisher.Published()); n != 1 {
		t.Errorf("%d announcements, want 1: one transaction", n)
	}
	fixture.MustHandle(t, waiting)
	fixture.CheckRows(t, map[object.ID]int64{waiting.ID: 2, requested.ID: 3})
}

// manyObjects uses more objects than one statement takes as separate binds. The lists
// are in the statements that insert, read, count and delete. The objects are new rows,
// replaced versions and files of the load history.
func manyObjects(t testing.TB, fixture *Fixture) {
	const n = 40
	old, fresh, want := make([]Delivered, n), make([]Delivered, n), make(map[object.ID]int64)
	for i := range n {
		old[i] = fixture.Deliver(t, Delivery{Key: fmt.Sprintf("it's %d.csv", i), Version: "v1", Sequencer: "1", Rows: 1, Rejects: 1})
	}
	fixture.MustHandle(t, old...)
	for i := range n {
		fresh[i] = fixture.Deliver(t, Delivery{Key: fmt.Sprintf("it's %d.csv", i), Version: "v2", Sequencer: "2", Rows: 2})
		want[fresh[i].ID] = 2
	}
	fixture.MustHandle(t, fresh[:10]...) // the other objects wait in the journal
	got := fixture.CheckRows(t, want)
	if len(got.Ledger) != n || len(got.Rejects) != 0 {
		t.Errorf("%d ledger rows and rejects of %d objects, want %d and none", len(got.Ledger), len(got.Rejects), n)
	}
	for _, row := range got.Ledger {
		if row.TransformedAt.IsZero() || row.StartedAt.IsZero() || row.Files != 1 || row.Object.Size != 100 {
			t.Fatalf("a ledger row lost a value: %+v", row)
		}
	}
	if transactions := len(fixture.Publisher.Published()); transactions != 2 {
		t.Errorf("%d transactions, want 2", transactions)
	}
	for _, d := range fresh {
		fixture.Warehouse.Erase(t, fixture.Dataset, d.ID)
		fixture.Journal.Set(d.ID, journal.Transformed)
	}
	fixture.MustHandle(t, fresh[0])
	fixture.CheckRows(t, want)
}
