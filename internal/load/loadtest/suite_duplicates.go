package loadtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// sameContent is the content of the objects that are alike.
const sameContent = "sha256:same"

// setDuplicatePolicy gives the world's loader a contract that says it.
func (w *Fixture) setDuplicatePolicy(what contract.DuplicateContent) {
	w.Contract = ModeContract(w.Dataset)
	w.Contract.DuplicateContent = what
	w.Loader = w.NewLoaderOn(w.Warehouse)
}

// checkDuplicates holds whose duplicates the ledger has, and how many of them
// the news told.
func (w *Fixture) checkDuplicates(t testing.TB, c Contents, want map[object.ID]object.ID, told int) {
	t.Helper()
	got := make(map[object.ID]object.ID)
	for _, row := range c.Ledger {
		if row.DuplicateOf != "" {
			got[row.ID] = row.DuplicateOf
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("duplicates in the ledger (-want +got):\n%s", diff)
	}
	sum := 0
	for _, n := range w.Publisher.Published() {
		sum += n.Duplicates
	}
	if sum != told {
		t.Errorf("the news told of %d duplicates, want %d", sum, told)
	}
}

func duplicateWarned(t testing.TB, w *Fixture) { // what a loader does that knows no contract
	first := w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, first)
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, second, w.Deliver(t, Delivery{Key: "c.csv", Rows: 1}))
	third := w.Deliver(t, Delivery{Key: "d.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, third)
	again := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent, Generation: 1})
	w.MustHandle(t, again)
	c := w.Warehouse.Contents(t, w.Dataset)
	if c.Rows[first.ID] != 3 || c.Rows[second.ID] != 3 || c.Rows[third.ID] != 3 {
		t.Errorf("rows %v, want all", c.Rows)
	}
	w.checkDuplicates(t, c, map[object.ID]object.ID{second.ID: first.ID, third.ID: first.ID}, 3)
}

func duplicateLoaded(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.LoadDuplicate)
	first := w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, first)
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, second)
	c := w.CheckRows(t, map[object.ID]int64{first.ID: 3, second.ID: 3})
	w.checkDuplicates(t, c, map[object.ID]object.ID{second.ID: first.ID}, 0)
}

func duplicateRefused(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	first := w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, first)
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	other := w.Deliver(t, Delivery{Key: "c.csv", Rows: 1})
	errs := w.Handle(t, second, other)
	f := CheckFault(t, errs[0], fault.DuplicateContent, fault.Permanent, second.ID)
	if errs[1] != nil {
		t.Errorf("the other object: %v", errs[1])
	}
	c := w.CheckRows(t, map[object.ID]int64{first.ID: 3, other.ID: 1})
	w.checkDuplicates(t, c, map[object.ID]object.ID{}, 0)
	for _, row := range c.Ledger {
		if row.ID == first.ID && !(strings.Contains(f.Cause(), first.Object.URI()) && strings.Contains(f.Cause(), first.Object.Version) && strings.Contains(f.Cause(), row.LoadID)) {
			t.Errorf("the cause %q doesn't name key, version and load %s of the first", f.Cause(), row.LoadID)
		}
	}
	w.MustHandle(t, w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent, Generation: 1}))
	w.CheckRows(t, map[object.ID]int64{first.ID: 3, other.ID: 1})
}

// duplicateTogether: which of two is first doesn't matter, that only one loads
// does.
func duplicateTogether(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	first := w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	errs := w.Handle(t, first, second)
	if errs[0] != nil {
		t.Errorf("the first: %v", errs[0])
	}
	CheckFault(t, errs[1], fault.DuplicateContent, fault.Permanent, second.ID)
	w.CheckRows(t, map[object.ID]int64{first.ID: 3})
}

// duplicateAfterFirstChanged: a refused object is redriven once the one that had its
// bytes has others.
func duplicateAfterFirstChanged(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	first := w.Deliver(t, Delivery{Key: "a.csv", Version: "v1", Sequencer: "1", Rows: 3, Content: sameContent})
	w.MustHandle(t, first)
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	CheckFault(t, w.Handle(t, second)[0], fault.DuplicateContent, fault.Permanent, second.ID)
	w.Journal.Set(second.ID, journal.Failed)
	newer := w.Deliver(t, Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 4})
	w.MustHandle(t, newer)
	w.CheckRows(t, map[object.ID]int64{newer.ID: 4})
	w.MustHandle(t, second)
	w.CheckRows(t, map[object.ID]int64{newer.ID: 4, second.ID: 3})
	w.CheckState(t, second.ID, journal.Loaded)
}

// duplicateNewer: a version that is refused takes no part, so an older one of
// its key loads.
func duplicateNewer(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	first := w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, first)
	older := w.Deliver(t, Delivery{Key: "b.csv", Version: "v1", Sequencer: "1", Rows: 2})
	newer := w.Deliver(t, Delivery{Key: "b.csv", Version: "v2", Sequencer: "2", Rows: 3, Content: sameContent})
	errs := w.Handle(t, older, newer)
	if errs[0] != nil {
		t.Errorf("the older version: %v", errs[0])
	}
	CheckFault(t, errs[1], fault.DuplicateContent, fault.Permanent, newer.ID)
	w.CheckRows(t, map[object.ID]int64{first.ID: 3, older.ID: 2})
	w.CheckState(t, older.ID, journal.Loaded)
}

func duplicateOfBadObject(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	first := w.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Claimed: 4, Content: sameContent})
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	errs := w.Handle(t, first, second)
	CheckFault(t, errs[0], fault.ReceiptMismatch, fault.Permanent, first.ID)
	if errs[1] != nil {
		t.Errorf("nothing of the first was loaded: %v", errs[1])
	}
	c := w.CheckRows(t, map[object.ID]int64{second.ID: 3})
	w.checkDuplicates(t, c, map[object.ID]object.ID{}, 0)
}

func duplicateEmpty(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	w.MustHandle(t, w.Deliver(t, Delivery{Key: "a.csv", Content: sameContent}))
	w.MustHandle(t, w.Deliver(t, Delivery{Key: "b.csv", Content: sameContent}))
	filled := w.Deliver(t, Delivery{Key: "c.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, filled)
	w.Journal.Set(filled.ID, journal.Transformed) // so that the group has both
	w.MustHandle(t, filled, w.Deliver(t, Delivery{Key: "d.csv", Content: sameContent}))
	w.checkDuplicates(t, w.CheckRows(t, map[object.ID]int64{filled.ID: 3}), map[object.ID]object.ID{}, 0)
}

// duplicateSameKey: what a key had already isn't brought twice, whoever else
// has it too.
func duplicateSameKey(t testing.TB, w *Fixture) {
	first := w.Deliver(t, Delivery{Key: "a.csv", Version: "v1", Sequencer: "1", Rows: 3, Content: sameContent})
	w.MustHandle(t, first)
	second := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, second)
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	newer := w.Deliver(t, Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 3, Content: sameContent})
	w.MustHandle(t, newer)
	c := w.CheckRows(t, map[object.ID]int64{newer.ID: 3, second.ID: 3})
	w.checkDuplicates(t, c, map[object.ID]object.ID{second.ID: first.ID}, 1)
}

// duplicateOfReplacedContent: a content that its key gives up in the same transaction is
// nobody's.
func duplicateOfReplacedContent(t testing.TB, w *Fixture) {
	w.setDuplicatePolicy(contract.RefuseDuplicate)
	w.MustHandle(t, w.Deliver(t, Delivery{Key: "a.csv", Version: "v1", Sequencer: "1", Rows: 3, Content: sameContent}))
	newer := w.Deliver(t, Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 4})
	moved := w.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	w.MustHandle(t, newer, moved)
	w.CheckRows(t, map[object.ID]int64{newer.ID: 4, moved.ID: 3})
}

// noDelivery: a file that would never be current isn't loaded in silence.
func noDelivery(t testing.TB, w *Fixture) {
	w.Contract = ModeContract(w.Dataset)
	w.Contract.Mode, w.Contract.Delivery = contract.Snapshot, &contract.Delivery{Key: "{delivery}/{part}-of-{parts}.csv"}
	w.Loader = w.NewLoaderOn(w.Warehouse)
	fits := w.Deliver(t, Delivery{Key: "2026-01/1-of-1.csv", Rows: 3})
	other := w.Deliver(t, Delivery{Key: "2026-01/more.csv", Rows: 3})
	errs := w.Handle(t, fits, other)
	if errs[0] != nil {
		t.Errorf("a part of a delivery: %v", errs[0])
	}
	CheckFault(t, errs[1], fault.NoDelivery, fault.Permanent, other.ID)
	w.CheckRows(t, map[object.ID]int64{fits.ID: 3})
}
