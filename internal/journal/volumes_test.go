//go:build standin

package journal_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

func volume(i int, at time.Time) journal.Volume {
	return journal.Volume{
		ID: object.ID(fmt.Sprint("o", i)), Key: fmt.Sprint("shop/order/", i), LoadedAt: at, Read: int64(i), Rejected: 1,
		RejectsByRule: map[string]int64{"a:required": 1},
	}
}

// TestVolumesKeepNewestLoads adds more loads than the record holds, some of them twice.
func TestVolumesKeepNewestLoads(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for i := range 70 {
		for range 2 { // the second record of a load changes nothing
			if err := b.AddVolumes(t.Context(), b.dataset, []journal.Volume{volume(i, at)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := b.Volumes(t.Context(), b.dataset)
	if err != nil || len(got.Loads) != 64 || got.Loads[0].Read != 6 || got.Loads[63].Read != 69 {
		t.Fatalf("%d loads, %v: %+v", len(got.Loads), err, got)
	}
	if diff := cmp.Diff(map[string]map[string]int64{"2026-12-01": {"a:required": 70}}, got.Rejects); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
	again := volume(69, at)
	again.Generation = 1
	if err := b.AddVolumes(t.Context(), b.dataset, []journal.Volume{again}); err != nil {
		t.Fatal(err)
	}
	if got, err = b.Volumes(t.Context(), b.dataset); err != nil || got.Loads[63].Generation != 1 {
		t.Errorf("a reload isn't recorded: %+v, %v", got.Loads, err)
	}
}

// TestVolumesAreInOrderOfLoads: an earlier load may come later to the record. A full record
// takes no load from before its oldest load.
func TestVolumesAreInOrderOfLoads(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	add := func(numbers ...int) {
		t.Helper()
		var added []journal.Volume
		for _, i := range numbers {
			added = append(added, volume(i, at.Add(time.Duration(i)*time.Minute)))
		}
		if err := b.AddVolumes(t.Context(), b.dataset, added); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, first, loads int) {
		t.Helper()
		v, err := b.Volumes(t.Context(), b.dataset)
		if err != nil || len(v.Loads) != loads || v.Rejects["2026-12-01"]["a:required"] != int64(loads) {
			t.Fatalf("%s: %d loads, rejects %v, %v", when, len(v.Loads), v.Rejects, err)
		}
		for i, load := range v.Loads {
			if load.Read != int64(first+i) {
				t.Errorf("%s: load %d has %d records, want %d", when, i, load.Read, first+i)
			}
		}
	}
	add(5, 3)
	add(4)
	check("a late load", 3, 3)
	for i := 6; i < 3+64; i++ {
		add(i)
	}
	add(2)
	check("a load from before the full record", 3, 64)
}

// TestVolumesOfSimultaneousLoadsAreAllKept: no writer overwrites another one.
func TestVolumesOfSimultaneousLoadsAreAllKept(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var writers sync.WaitGroup
	faults := make([]error, 4)
	for i := range faults {
		writers.Go(func() {
			faults[i] = b.AddVolumes(t.Context(), b.dataset, []journal.Volume{volume(i, b.clock())})
		})
	}
	writers.Wait()
	got, err := b.Volumes(t.Context(), b.dataset)
	if err != nil || len(got.Loads) != len(faults) {
		t.Errorf("%d loads, %v, %v", len(got.Loads), err, faults)
	}
}

// TestVolumesCheckedMovesForwardAndForgetsReportedDays: the time of the comparison never
// moves back, and a reported day leaves the record.
func TestVolumesCheckedMovesForwardAndForgetsReportedDays(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	monday := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for i := range 5 {
		if err := b.AddVolumes(t.Context(), b.dataset, []journal.Volume{volume(i, monday.AddDate(0, 0, i))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, until := range []time.Time{monday.AddDate(0, 0, 3), monday} {
		if err := b.VolumesChecked(t.Context(), b.dataset, until, "2026-12-02"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Volumes(t.Context(), b.dataset)
	if err != nil || !got.CheckedUntil.Equal(monday.AddDate(0, 0, 3)) {
		t.Errorf("checked until %s, %v", got.CheckedUntil, err)
	}
	want := map[string]map[string]int64{"2026-12-03": {"a:required": 1}, "2026-12-04": {"a:required": 1}}
	if diff := cmp.Diff(want, got.Rejects); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
}
