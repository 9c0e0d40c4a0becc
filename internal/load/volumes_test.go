package load_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// recordedVolumes keeps the volumes of each call, or refuses each call.
type recordedVolumes struct {
	calls [][]journal.Volume
	err   error
	// before runs before each record.
	before func()
}

func (v *recordedVolumes) AddVolumes(_ context.Context, _ string, loaded []journal.Volume) error {
	if v.before != nil {
		v.before()
	}
	v.calls = append(v.calls, loaded)
	return v.err
}

// TestVolumesOfNewObjectsAreRecorded: one record for each transaction with new objects. A
// repeated message of a loaded object records nothing.
func TestVolumesOfNewObjectsAreRecorded(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	volumes := &recordedVolumes{}
	fixture.Loader.Volumes = volumes
	first := fixture.Deliver(t, loadtest.Delivery{Key: "a.csv", Rows: 3})
	second := fixture.Deliver(t, loadtest.Delivery{Key: "b.csv", Rows: 5})
	fixture.MustHandle(t, first, second)
	fixture.MustHandle(t, first)
	if len(volumes.calls) != 1 || len(volumes.calls[0]) != 2 {
		t.Fatalf("calls %+v", volumes.calls)
	}
	read := make(map[object.ID]int64)
	for _, v := range volumes.calls[0] {
		read[v.ID] = v.Read
		if v.LoadedAt.IsZero() || v.Key == "" {
			t.Errorf("volume %+v has no time or no key", v)
		}
	}
	if read[first.ID] != 3 || read[second.ID] != 5 {
		t.Errorf("records %v", read)
	}
}

// TestLoadIsDoneWithoutVolumes: the record is for a mail about the volume. A refused
// record delays no load.
func TestLoadIsDoneWithoutVolumes(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	fixture.Loader.Volumes = &recordedVolumes{err: errors.New("throttled")}
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	fixture.MustHandle(t, d)
	fixture.CheckState(t, d.ID, journal.Loaded)
}

// TestVolumesAreRecordedBeforeObjectIsDone: the journal's write fails after the record, or
// the function is killed. Then the message comes back, and the next loader records the
// same volume.
func TestVolumesAreRecordedBeforeObjectIsDone(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	volumes := &recordedVolumes{before: func() { fixture.CheckState(t, d.ID, journal.Transformed) }}
	fixture.Loader.Volumes = volumes
	fixture.Journal.Unavailable = true
	if failed := fixture.Loader.Handle(t.Context(), []batch.Message{fixture.Message(d)}); len(failed) != 1 {
		t.Fatalf("the journal doesn't answer: %v", failed)
	}
	fixture.Journal.Unavailable = false
	fixture.MustHandle(t, d)
	fixture.CheckState(t, d.ID, journal.Loaded)
	if len(volumes.calls) != 2 {
		t.Fatalf("calls %+v", volumes.calls)
	}
	if diff := cmp.Diff(volumes.calls[0], volumes.calls[1]); diff != "" {
		t.Errorf("second record (-first +second):\n%s", diff)
	}
}
