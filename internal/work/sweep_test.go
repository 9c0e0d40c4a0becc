package work_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/work"
)

func TestSweepDecodesAsEncoded(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	grace, stuck := work.Seconds(0), work.Seconds(90*time.Second)
	for name, want := range map[string]work.Sweep{
		"schedule": {At: at},
		"operator": {At: at, All: true, Grace: &grace, Stuck: &stuck},
		"stuck":    {At: at, StuckPlace: &work.StuckPlace{State: "received", Shard: "a", After: "b"}},
		"page":     {At: at, Page: &work.Page{Since: at.Add(-time.Hour), Until: at, Key: "a b", Version: "v1"}},
	} {
		got, err := work.DecodeSweep(want.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// The message of the schedule.
	if got, err := work.DecodeSweep(`{"sweep":"2026-11-30T12:00:00Z"}`); err != nil || !got.At.Equal(at) || got.Grace.Or(time.Hour) != time.Hour {
		t.Errorf("got %+v, %v", got, err)
	}
	if grace.Or(time.Hour) != 0 {
		t.Error("a grace of 0 reads as no grace")
	}
}

func TestDecodeSweepRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no JSON":               "rubbish",
		"an event":              `{"Records": []}`,
		"work":                  work.Work{Stage: work.Route, Object: landed}.Encode(),
		"no time":               `{"sweep": "soon"}`,
		"a negative time":       `{"sweep": "2026-11-30T12:00:00Z", "grace_seconds": -1}`,
		"a time too large":      `{"sweep": "2026-11-30T12:00:00Z", "stuck_seconds": 99999999999}`,
		"half a second":         `{"sweep": "2026-11-30T12:00:00Z", "stuck_seconds": 0.5}`,
		"a place without state": `{"sweep": "2026-11-30T12:00:00Z", "stuck_place": {"shard": "a"}}`,
		"a place and a page":    `{"sweep": "2026-11-30T12:00:00Z", "stuck_place": {"state": "received"}, "page": {"key": "k"}}`,
		"a page without key":    `{"sweep": "2026-11-30T12:00:00Z", "page": {"since": "2026-11-30T12:00:00Z", "until": "2026-11-30T12:00:00Z"}}`,
	} {
		if s, err := work.DecodeSweep(body); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
}
