package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/local/fdsn"
)

func TestIngestLandsWholeWeek(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ pageSize, parts int }{{500, 4}, {1707, 1}, {569, 3}} {
		t.Run(fmt.Sprint(test.pageSize), func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, week(t), test.pageSize)
			if err := w.handle(wholeWeek); err != nil {
				t.Fatal(err)
			}
			checkWholeWeek(t, w)
			m := w.manifest(t, weekPrefix+ingest.ManifestName)
			if m.Rows != 1707 || len(m.Parts) != test.parts || m.Passes != 1 || len(w.parts()) != test.parts {
				t.Errorf("manifest has %d rows, %d parts, %d passes; the bucket has %d parts", m.Rows, len(m.Parts), m.Passes, len(w.parts()))
			}
			if want := weekPrefix + "part-00001.ndjson.gz"; m.Parts[0].Key != want {
				t.Errorf("first part is %s, want %s", m.Parts[0].Key, want)
			}
			if !strings.HasSuffix(m.Source, "/query?endtime=2018-02-07T02%3A00%3A00&format=geojson&orderby=time-asc&starttime=2018-01-31T00%3A00%3A00") {
				t.Errorf("manifest's source is %s", m.Source)
			}
		})
	}
}

func TestRepeatedMessageDoesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(10)), 5)
	for range 3 {
		if err := w.handle(oneDay); err != nil {
			t.Fatal(err)
		}
	}
	for key, versions := range w.puts {
		if len(versions) != 1 {
			t.Errorf("%s was written %d times", key, len(versions))
		}
	}
	if w.requests.Load() != 4 { // two pages between two counts
		t.Errorf("%d requests to the source, want 4", w.requests.Load())
	}
}

func TestScheduledMessageTakesTheDayBefore(t *testing.T) {
	t.Parallel()
	w := newFixture(t, week(t), 500)
	if err := w.handle(`{"dataset":"station.event","scheduled":"2018-02-03T01:30:00+01:00"}`); err != nil {
		t.Fatal(err)
	}
	m := w.manifest(t, "station/event/run=20180202T000000Z-20180203T000000Z/"+ingest.ManifestName)
	if m.Rows == 0 || m.Rows != len(w.rows(t)) {
		t.Errorf("manifest has %d rows, %d records landed", m.Rows, len(w.rows(t)))
	}
}

// TestKillAtAnyStepLosesNothing kills the stage before every step, then repeats the
// message.
func TestKillAtAnyStepLosesNothing(t *testing.T) {
	t.Parallel()
	geojson := collectionOf(minutes(20))
	undisturbed := newFixture(t, geojson, 6)
	if err := undisturbed.handle(oneDay); err != nil {
		t.Fatal(err)
	}
	if got := landedIDs(t, undisturbed); got != idsOf(minutes(20)) || len(undisturbed.parts()) != 4 {
		t.Fatalf("%d parts hold %s", len(undisturbed.parts()), got)
	}
	for killAt := 1; killAt <= undisturbed.steps; killAt++ {
		t.Run(fmt.Sprint(killAt), func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, geojson, 6)
			w.killAt = killAt
			_ = checkFault(t, w.handle(oneDay), fault.Crashed, fault.Retry)
			if err := w.handle(oneDay); err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(undisturbed.parts(), w.parts(), bytes.Equal) {
				t.Errorf("parts differ from the parts of an undisturbed run")
			}
			checkRewrites(t, w)
		})
	}
}

// checkRewrites allows a single rewritten object, as after a kill between a write and
// its checkpoint. A rewritten part must have the same bytes.
func checkRewrites(t *testing.T, w *fixture) {
	t.Helper()
	rewritten := 0
	for key, versions := range w.puts {
		rewritten += len(versions) - 1
		for _, body := range versions[1:] {
			if strings.HasSuffix(key, ".gz") && !bytes.Equal(body, versions[0]) {
				t.Errorf("%s was written again with other bytes", key)
			}
		}
	}
	if rewritten > 1 {
		t.Errorf("%d objects were written again", rewritten)
	}
}

func TestRunContinuesInNewMessageBeforeDeadline(t *testing.T) {
	t.Parallel()
	w := newFixture(t, week(t), 100)
	w.putTakes = time.Minute
	w.sent = []string{wholeWeek}
	for invocation := 0; invocation < len(w.sent); invocation++ { //nolint:intrange // the list grows while it is walked
		ctx, cancel := context.WithDeadline(t.Context(), w.clock.Add(5*time.Minute))
		if err := w.handleUntil(ctx, w.sent[invocation]); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	want := []string{wholeWeek}
	for hop := 1; hop <= 3; hop++ {
		want = append(want, strings.Replace(wholeWeek, `"hop":0`, fmt.Sprintf(`"hop":%d`, hop), 1))
	}
	if diff := cmp.Diff(want, w.sent); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	checkWholeWeek(t, w)
	checkRewrites(t, w)
}

func TestRunWithTooManyHopsFails(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(7)), 3)
	ctx, cancel := context.WithDeadline(t.Context(), w.clock.Add(29*time.Second))
	defer cancel()
	last := strings.Replace(oneDay, `"hop":0`, `"hop":100`, 1)
	f := checkFault(t, w.handleUntil(ctx, last), fault.Exhausted, fault.Permanent, "0 of 7 records after 100 hops", "shorter intervals")
	if f.RunID != "20180201T000000Z-20180202T000000Z" || f.Dataset != "station.event" {
		t.Errorf("fault names run %q of dataset %q", f.RunID, f.Dataset)
	}
	if len(w.sent) != 0 {
		t.Errorf("messages were sent: %v", w.sent)
	}
}

// TestSourceChangeBetweenPagesIsRetried changes the source between two pages. The run
// returns a fault, and the next attempt lands the changed records.
func TestSourceChangeBetweenPagesIsRetried(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change []fdsn.Option // request 1 is a count, 2 to 5 are pages, 6 is a count
		cause  string
		ids    string
		parts  int
	}{
		{"one late record before the page", []fdsn.Option{fdsn.AppearsAt(3, "e00")}, "record 4 is repeated", "e00 e01 e02 e03 e04 e05 e06 e07 e08 e09", 4},
		{"two late records before the page", []fdsn.Option{fdsn.AppearsAt(3, "e00"), fdsn.AppearsAt(3, "e01")}, "record 4 has the time 2018-02-01T00:03:00Z, before 2018-02-01T00:04:00Z", "e00 e01 e02 e03 e04 e05 e06 e07 e08 e09", 4},
		{"one late record after the page", []fdsn.Option{fdsn.AppearsAt(3, "e09")}, "9 records fetched, but the source has 10 now and had 9 before", "e00 e01 e02 e03 e04 e05 e06 e07 e08 e09", 4},
		{"one withdrawn record before the page", []fdsn.Option{fdsn.WithdrawnAt(3, "e00")}, "9 records fetched, but the source has 9 now and had 10 before", "e01 e02 e03 e04 e05 e06 e07 e08 e09", 3},
		{"one withdrawn record after the page", []fdsn.Option{fdsn.WithdrawnAt(5, "e09")}, "9 records fetched, but the source has 9 now and had 10 before", "e00 e01 e02 e03 e04 e05 e06 e07 e08", 3},
		{"one withdrawn record after the last page", []fdsn.Option{fdsn.WithdrawnAt(6, "e09")}, "10 records fetched, but the source has 9 now and had 10 before", "e00 e01 e02 e03 e04 e05 e06 e07 e08", 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, collectionOf(minutes(10)), 3, test.change...)
			_ = checkFault(t, w.handle(oneDay), fault.SourceAway, fault.Retry, test.cause, "fetches all pages again")
			if err := w.handle(oneDay); err != nil {
				t.Fatal(err)
			}
			if got := landedIDs(t, w); got != test.ids {
				t.Errorf("landed records: %s, want %s", got, test.ids)
			}
			m := w.manifest(t, oneDayPrefix+ingest.ManifestName)
			if len(m.Parts) != test.parts {
				t.Errorf("manifest has %d parts, want %d", len(m.Parts), test.parts)
			}
		})
	}
}

// TestAnyIntervalLandsEachRecordOnce compares the landed records with a simple filter,
// for any interval and page size. Records may have equal times, and times at the ends
// of the interval.
func TestAnyIntervalLandsEachRecordOnce(t *testing.T) {
	t.Parallel()
	base := time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		halfSeconds := rapid.SliceOfN(rapid.IntRange(0, 24), 0, 40).Draw(t, "half seconds")
		start := rapid.IntRange(0, 11).Draw(t, "start")
		end := rapid.IntRange(start+1, 12).Draw(t, "end")
		pageSize := rapid.IntRange(1, 45).Draw(t, "page size")
		interval := ingest.Interval{
			Start: base.Add(time.Duration(start) * time.Second), End: base.Add(time.Duration(end) * time.Second),
		}
		var events []madeUpEvent
		want := make(map[string]bool)
		for n, half := range halfSeconds {
			e := madeUpEvent{id: fmt.Sprintf("e%d", n), time: base.Add(time.Duration(half) * time.Second / 2)}
			events = append(events, e)
			if !e.time.Before(interval.Start) && e.time.Before(interval.End) {
				want[e.id] = true
			}
		}
		w := startFixture(t, collectionOf(events), pageSize)
		defer w.server.Close()
		if err := w.handle(ingest.Request{Dataset: "station.event", Interval: interval}.Encode()); err != nil {
			t.Fatalf("ingest: %v", err)
		}
		got := make(map[string]bool)
		for _, row := range w.rows(t) {
			id := idOf(t, row)
			if got[id] {
				t.Fatalf("%s landed twice", id)
			}
			got[id] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("ids (-want +got):\n%s", diff)
		}
	})
}

func TestEmptyIntervalHasAManifestOnly(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]fdsn.Option{"empty collection": nil, "no content": {fdsn.NoContent()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, collectionOf(minutes(3)), 500, options...)
			if err := w.handle(`{"dataset":"station.event","start":"2017-01-01T00:00:00Z","end":"2017-01-02T00:00:00Z"}`); err != nil {
				t.Fatal(err)
			}
			m := w.manifest(t, "station/event/run=20170101T000000Z-20170102T000000Z/"+ingest.ManifestName)
			if m.Rows != 0 || len(w.puts) != 1 {
				t.Errorf("%d rows, objects %v", m.Rows, sortedKeys(w.puts))
			}
		})
	}
}

func TestOneBadMessageLeavesTheOthers(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(3)), 500)
	failed := w.stage.Handler()(t.Context(), []batch.Message{
		{ID: "bad", Body: "{"}, {ID: "good", Body: oneDay},
	})
	_ = checkFault(t, failed["bad"], fault.BadRequest, fault.Permanent)
	if failed["good"] != nil || len(w.rows(t)) != 3 {
		t.Errorf("the good message: %v, %d rows", failed["good"], len(w.rows(t)))
	}
}
