package load_test

import (
	"context"
	"errors"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// TestCrashAfterCommitStillSupersedesOldVersions: a crashed loader replaced a version.
// The ledger has no row of the replaced version, but the bucket lists the version. So
// the journal has the version as superseded in the end.
func TestCrashAfterCommitStillSupersedesOldVersions(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	first := fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	fixture.MustHandle(t, first)
	second := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 5})
	fixture.Versions[second.Object.Key] = []string{"v3", "v2", "v1", "v0"}
	fixture.Publisher.Unavailable = true // the crashed loader came as far as the announcement
	loadtest.CheckFault(t, fixture.Handle(t, second)[0], fault.TopicAway, fault.RetryAfter, second.ID)
	fixture.CheckState(t, first.ID, journal.Loaded)
	fixture.Publisher.Unavailable = false
	fixture.MustHandle(t, second)
	fixture.CheckRows(t, map[object.ID]int64{second.ID: 5})
	fixture.CheckState(t, first.ID, journal.Superseded)
	fixture.CheckState(t, second.ID, journal.Loaded)
}

// TestLoadOfNewerVersionEndsOlderFailures: a failed older version of the key becomes
// superseded. A failed newer version stays failed, and so does another key.
func TestLoadOfNewerVersionEndsOlderFailures(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	older := fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
	unordered := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Rows: 3})
	newer := fixture.Deliver(t, loadtest.Delivery{Version: "v4", Sequencer: "4", Rows: 3})
	other := fixture.Deliver(t, loadtest.Delivery{Key: "other.csv", Version: "v1", Sequencer: "1", Rows: 3})
	for _, d := range []loadtest.Delivered{older, unordered, newer, other} {
		fixture.Journal.Set(d.ID, journal.Failed)
	}
	loaded := fixture.Deliver(t, loadtest.Delivery{Version: "v3", Sequencer: "3", Rows: 5})
	fixture.Versions[loaded.Object.Key] = []string{"v4", "v3", "v2", "v1"}
	fixture.MustHandle(t, loaded)
	for id, want := range map[object.ID]journal.State{
		older.ID: journal.Superseded, unordered.ID: journal.Superseded, loaded.ID: journal.Loaded,
		newer.ID: journal.Failed, other.ID: journal.Failed,
	} {
		fixture.CheckState(t, id, want)
	}
	if entry, err := fixture.Journal.Get(t.Context(), older.ID); err != nil || entry.SupersededBy != loaded.ID {
		t.Errorf("the older version is superseded by %s, %v", entry.SupersededBy, err)
	}
}

// failingJournal fails one write about an object.
type failingJournal struct {
	*loadtest.Journal

	object object.ID
	failed bool
}

func (j *failingJournal) fail(id object.ID) error {
	if id != j.object || j.failed {
		return nil
	}
	j.failed = true
	return fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
}

func (j *failingJournal) Superseded(ctx context.Context, id, by object.ID) error {
	if err := j.fail(id); err != nil {
		return err
	}
	return j.Journal.Superseded(ctx, id, by)
}

func (j *failingJournal) Withdrawn(ctx context.Context, id object.ID, w journal.Withdrawal) error {
	if err := j.fail(id); err != nil {
		return err
	}
	return j.Journal.Withdrawn(ctx, id, w)
}

// TestLostWriteAboutOlderVersionIsWrittenAgain: the journal answers the write about the
// replaced version with an error. The message must come back, and its own object must
// not be done: otherwise the older version would stay loaded in the journal.
func TestLostWriteAboutOlderVersionIsWrittenAgain(t *testing.T) {
	t.Parallel()
	for name, withdraws := range map[string]bool{"replaced": false, "withdrawn": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fixture := loadtest.NewFixture(t, loadtest.NewFake())
			first := fixture.Deliver(t, loadtest.Delivery{Version: "v1", Sequencer: "1", Rows: 3})
			fixture.MustHandle(t, first)
			second := fixture.Deliver(t, loadtest.Delivery{Version: "v2", Sequencer: "2", Rows: 5})
			fixture.Versions[second.Object.Key] = []string{"v2", "v1"}
			older, newer, rows := journal.Superseded, journal.Loaded, map[object.ID]int64{second.ID: 5}
			if withdraws {
				second = fixture.Withdrawal(second)
				older, newer, rows = journal.Withdrawn, journal.Withdrawn, map[object.ID]int64{}
			}
			fixture.Loader.Journal = &failingJournal{Journal: fixture.Journal, object: first.ID}
			if f := fault.As(fixture.Handle(t, second)[0]); f == nil || f.Code != fault.JournalAway {
				t.Fatalf("fault %v, want %s: the message must come back", f, fault.JournalAway)
			}
			fixture.CheckState(t, second.ID, journal.Transformed)
			fixture.MustHandle(t, second)
			fixture.CheckState(t, first.ID, older)
			fixture.CheckState(t, second.ID, newer)
			fixture.CheckRows(t, rows)
		})
	}
}
