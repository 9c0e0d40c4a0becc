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

// sameContent is the content hash of all duplicates.
const sameContent = "sha256:same"

// setDuplicatePolicy gives the loader a contract with this setting of
// firn.duplicateContent.
func (f *Fixture) setDuplicatePolicy(policy contract.DuplicateContent) {
	f.Contract = ModeContract(f.Dataset)
	f.Contract.DuplicateContent = policy
	f.Loader = f.NewLoaderOn(f.Warehouse)
}

// checkDuplicates checks the duplicates in the ledger, each with its original, and the
// number of duplicates in all announcements.
func (f *Fixture) checkDuplicates(t testing.TB, c Contents, want map[object.ID]object.ID, announced int) {
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
	inJournal := make(map[object.ID]object.ID)
	for _, row := range c.Ledger {
		if entry, err := f.Journal.Get(t.Context(), row.ID); err == nil && entry.DuplicateOf != "" {
			inJournal[row.ID] = entry.DuplicateOf
		}
	}
	if diff := cmp.Diff(want, inJournal); diff != "" {
		t.Errorf("duplicates in the journal (-want +got):\n%s", diff)
	}
	sum := 0
	for _, n := range f.Publisher.Published() {
		sum += n.Duplicates
	}
	if sum != announced {
		t.Errorf("the announcements count %d duplicates, want %d", sum, announced)
	}
}

func duplicateWarned(t testing.TB, fixture *Fixture) { // the default, for a loader without a contract
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, second, fixture.Deliver(t, Delivery{Key: "c.csv", Rows: 1}))
	third := fixture.Deliver(t, Delivery{Key: "d.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, third)
	reloaded := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent, Generation: 1})
	fixture.MustHandle(t, reloaded)
	c := fixture.Warehouse.Contents(t, fixture.Dataset)
	if c.Rows[first.ID] != 3 || c.Rows[second.ID] != 3 || c.Rows[third.ID] != 3 {
		t.Errorf("rows %v, want 3 of each object", c.Rows)
	}
	fixture.checkDuplicates(t, c, map[object.ID]object.ID{second.ID: first.ID, third.ID: first.ID}, 3)
}

func duplicateLoaded(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.LoadDuplicate)
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, second)
	c := fixture.CheckRows(t, map[object.ID]int64{first.ID: 3, second.ID: 3})
	fixture.checkDuplicates(t, c, map[object.ID]object.ID{second.ID: first.ID}, 0)
}

func duplicateRefused(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	other := fixture.Deliver(t, Delivery{Key: "c.csv", Rows: 1})
	errs := fixture.Handle(t, second, other)
	f := CheckFault(t, errs[0], fault.DuplicateContent, fault.Permanent, second.ID)
	if errs[1] != nil {
		t.Errorf("the other object: %v", errs[1])
	}
	c := fixture.CheckRows(t, map[object.ID]int64{first.ID: 3, other.ID: 1})
	fixture.checkDuplicates(t, c, map[object.ID]object.ID{}, 0)
	for _, row := range c.Ledger {
		if row.ID == first.ID && !(strings.Contains(f.Cause(), first.Object.URI()) && strings.Contains(f.Cause(), first.Object.Version) && strings.Contains(f.Cause(), row.LoadID)) {
			t.Errorf("the cause %q lacks the key, the version or the load %s of the first object", f.Cause(), row.LoadID)
		}
	}
	fixture.MustHandle(t, fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent, Generation: 1}))
	fixture.CheckRows(t, map[object.ID]int64{first.ID: 3, other.ID: 1})
}

// duplicateTogether: which of two is first doesn't matter, that only one loads
// does.
func duplicateTogether(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	errs := fixture.Handle(t, first, second)
	if errs[0] != nil {
		t.Errorf("the first: %v", errs[0])
	}
	CheckFault(t, errs[1], fault.DuplicateContent, fault.Permanent, second.ID)
	fixture.CheckRows(t, map[object.ID]int64{first.ID: 3})
}

// duplicateAfterFirstChanged: a redrive loads a refused duplicate, after a new version
// of the other key has replaced the same content.
func duplicateAfterFirstChanged(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Version: "v1", Sequencer: "1", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	CheckFault(t, fixture.Handle(t, second)[0], fault.DuplicateContent, fault.Permanent, second.ID)
	fixture.Journal.Set(second.ID, journal.Failed)
	newer := fixture.Deliver(t, Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 4})
	fixture.MustHandle(t, newer)
	fixture.CheckRows(t, map[object.ID]int64{newer.ID: 4})
	fixture.MustHandle(t, second)
	fixture.CheckRows(t, map[object.ID]int64{newer.ID: 4, second.ID: 3})
	fixture.CheckState(t, second.ID, journal.Loaded)
}

// duplicateNewer: a refused version doesn't count, so an older version of the same key
// is loaded.
func duplicateNewer(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, first)
	older := fixture.Deliver(t, Delivery{Key: "b.csv", Version: "v1", Sequencer: "1", Rows: 2})
	newer := fixture.Deliver(t, Delivery{Key: "b.csv", Version: "v2", Sequencer: "2", Rows: 3, Content: sameContent})
	errs := fixture.Handle(t, older, newer)
	if errs[0] != nil {
		t.Errorf("the older version: %v", errs[0])
	}
	CheckFault(t, errs[1], fault.DuplicateContent, fault.Permanent, newer.ID)
	fixture.CheckRows(t, map[object.ID]int64{first.ID: 3, older.ID: 2})
	fixture.CheckState(t, older.ID, journal.Loaded)
}

func duplicateOfBadObject(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Rows: 3, Claimed: 4, Content: sameContent})
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	errs := fixture.Handle(t, first, second)
	CheckFault(t, errs[0], fault.ReceiptMismatch, fault.Permanent, first.ID)
	if errs[1] != nil {
		t.Errorf("the first object loaded nothing, the second failed: %v", errs[1])
	}
	c := fixture.CheckRows(t, map[object.ID]int64{second.ID: 3})
	fixture.checkDuplicates(t, c, map[object.ID]object.ID{}, 0)
}

func duplicateEmpty(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	fixture.MustHandle(t, fixture.Deliver(t, Delivery{Key: "a.csv", Content: sameContent}))
	fixture.MustHandle(t, fixture.Deliver(t, Delivery{Key: "b.csv", Content: sameContent}))
	filled := fixture.Deliver(t, Delivery{Key: "c.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, filled)
	fixture.Journal.Set(filled.ID, journal.Transformed) // both objects are in one group
	fixture.MustHandle(t, filled, fixture.Deliver(t, Delivery{Key: "d.csv", Content: sameContent}))
	fixture.checkDuplicates(t, fixture.CheckRows(t, map[object.ID]int64{filled.ID: 3}), map[object.ID]object.ID{}, 0)
}

// duplicateSameKey: a new version with the same content as its older version is no
// duplicate, although another key has the content too.
func duplicateSameKey(t testing.TB, fixture *Fixture) {
	first := fixture.Deliver(t, Delivery{Key: "a.csv", Version: "v1", Sequencer: "1", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, second)
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	newer := fixture.Deliver(t, Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, newer)
	c := fixture.CheckRows(t, map[object.ID]int64{newer.ID: 3, second.ID: 3})
	fixture.checkDuplicates(t, c, map[object.ID]object.ID{second.ID: first.ID}, 1)
}

// duplicateOfReplacedContent: a replacement in the same transaction removes the content
// of another key, so the second object is no duplicate.
func duplicateOfReplacedContent(t testing.TB, fixture *Fixture) {
	fixture.setDuplicatePolicy(contract.RefuseDuplicate)
	fixture.MustHandle(t, fixture.Deliver(t, Delivery{Key: "a.csv", Version: "v1", Sequencer: "1", Rows: 3, Content: sameContent}))
	newer := fixture.Deliver(t, Delivery{Key: "a.csv", Version: "v2", Sequencer: "2", Rows: 4})
	moved := fixture.Deliver(t, Delivery{Key: "b.csv", Rows: 3, Content: sameContent})
	fixture.MustHandle(t, newer, moved)
	fixture.CheckRows(t, map[object.ID]int64{newer.ID: 4, moved.ID: 3})
}

// noDelivery: a file without a place in a delivery would never become current, so the
// object is refused.
func noDelivery(t testing.TB, fixture *Fixture) {
	fixture.Contract = ModeContract(fixture.Dataset)
	fixture.Contract.Mode, fixture.Contract.Delivery = contract.Snapshot, &contract.Delivery{Key: "{delivery}/{part}-of-{parts}.csv"}
	fixture.Loader = fixture.NewLoaderOn(fixture.Warehouse)
	fits := fixture.Deliver(t, Delivery{Key: "2026-01/1-of-1.csv", Rows: 3})
	other := fixture.Deliver(t, Delivery{Key: "2026-01/more.csv", Rows: 3})
	errs := fixture.Handle(t, fits, other)
	if errs[0] != nil {
		t.Errorf("a file of a delivery: %v", errs[0])
	}
	CheckFault(t, errs[1], fault.NoDelivery, fault.Permanent, other.ID)
	fixture.CheckRows(t, map[object.ID]int64{fits.ID: 3})
}
