//go:build endtoend

package path_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// A run of one day loads all events of the day, with one part per page of the API. A
// second run of the day changes nothing.
func TestIngestedDayIsLoadedOnce(t *testing.T) {
	t.Parallel()
	start := time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC)
	end := start.AddDate(0, 0, 1)
	const prefix = "station/event/run=20180201T000000Z-20180202T000000Z/"
	ingest := func() []object.ID {
		if _, err := stack.operator.Ingest(t.Context(), "station.event", start, end); err != nil {
			t.Fatal(err)
		}
		var parts []object.ID
		eventually(t, "the run is complete", func() (bool, string) {
			var complete bool
			var err error
			if parts, complete, err = stack.operator.RunParts(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			return complete, "no manifest"
		})
		return parts
	}
	first := ingest()
	entries, err := stack.operator.Wait(t.Context(), first, func(journal.Entry) {})
	if err != nil {
		t.Fatal(err)
	}
	var read int64
	for _, entry := range entries {
		checkState(t, entry, journal.Loaded)
		read += entry.RowsRead
	}
	const ofTheDay = "TIME >= 1517443200000 and TIME < 1517529600000"
	count := func() int64 {
		return queryNumber(t, "select count(distinct ID) as n from RAW.STATION_EVENT where "+ofTheDay)
	}
	if rows := count(); rows != read || rows == 0 {
		t.Errorf("the table has %d events, the objects have %d rows", rows, read)
	}
	if again := ingest(); len(again) != len(first) {
		t.Errorf("the second run has %d parts, want %d", len(again), len(first))
	}
}

// TestLostAndWaitingRunsAreLoaded: no queue has a message of these runs. The sweep and
// the tick of the deployed functions send the messages.
func TestLostAndWaitingRunsAreLoaded(t *testing.T) {
	for _, u := range []useCase{lostRun, waitingRun} {
		t.Run(u.name, func(t *testing.T) {
			eventually(t, u.name, u.start(t).done)
		})
	}
}
