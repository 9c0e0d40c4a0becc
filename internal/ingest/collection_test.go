package ingest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// weekEvents is the number of events in week.
const weekEvents = 1707

// week returns a made-up FeatureCollection of 1,707 events between
// 2018-01-31T01:50Z and 2018-02-07T01:11Z, the newest first. Some events have no
// magnitude, and no two have the same time.
func week(testing.TB) []byte {
	first := time.Date(2018, 1, 31, 1, 50, 0, 0, time.UTC)
	features := make([]string, weekEvents)
	for i := range features {
		magnitude := fmt.Sprint(float64(i%60) / 10)
		if i%50 == 9 {
			magnitude = "null"
		}
		at := first.Add(time.Duration(i) * (353*time.Second + 123*time.Millisecond)).UnixMilli()
		features[len(features)-1-i] = fmt.Sprintf(`{"type": "Feature", "id": "aa%06d",
			"properties": {"mag": %s, "place": "%dkm N of Río Ñ & \"Old Mill\"", "time": %d, "updated": %d, "types": ",origin,phase-data,"},
			"geometry": {"type": "Point", "coordinates": [%v, -17.25, null]}}`, i, magnitude, i%90, at, at+60_000, float64(i)/100)
	}
	return []byte(`{"type": "FeatureCollection", "features": [` + strings.Join(features, ",\n") + "]}\n")
}

// checkWholeWeek checks that the newest parts have every feature of the week unchanged,
// once, in the order of time.
func checkWholeWeek(t *testing.T, w *fixture) {
	t.Helper()
	var served struct {
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(week(t), &served); err != nil {
		t.Fatal(err)
	}
	want := make(map[int64]string) // all events of the week have different times
	for _, raw := range served.Features {
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			t.Fatal(err)
		}
		want[timeOf(t, raw)] = compact.String()
	}
	rows := w.rows(t)
	if len(rows) != len(want) || len(want) != weekEvents {
		t.Fatalf("%d records landed, want %d", len(rows), len(want))
	}
	for i, at := range slices.Sorted(maps.Keys(want)) {
		if rows[i] != want[at] {
			t.Fatalf("record %d (got, want):\n%s\n%s", i+1, rows[i], want[at])
		}
	}
}

func timeOf(t testing.TB, raw json.RawMessage) int64 {
	t.Helper()
	var feature struct {
		Properties struct{ Time int64 } `json:"properties"`
	}
	if err := json.Unmarshal(raw, &feature); err != nil {
		t.Fatal(err)
	}
	return feature.Properties.Time
}

func idOf(t tester, row string) string {
	t.Helper()
	var feature struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(row), &feature); err != nil {
		t.Fatalf("row %.80s: %v", row, err)
	}
	return feature.ID
}

// madeUpEvent is a feature of a made-up collection.
type madeUpEvent struct {
	id   string
	time time.Time
}

func collectionOf(events []madeUpEvent) []byte {
	features := make([]string, len(events))
	for i, e := range events {
		features[i] = fmt.Sprintf(`{"type":"Feature","properties":{"time":%d,"mag":1.0},"id":%q}`, e.time.UnixMilli(), e.id)
	}
	return []byte(`{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`)
}

// minutes returns n made-up events from midnight of 2018-02-01, one in each minute:
// e00, e01 and so on.
func minutes(n int) []madeUpEvent {
	events := make([]madeUpEvent, n)
	for i := range events {
		events[i] = madeUpEvent{
			id: fmt.Sprintf("e%02d", i), time: time.Date(2018, 2, 1, 0, i, 0, 0, time.UTC),
		}
	}
	return events
}

// oneDay is a request for the day of the events in minutes.
const oneDay = `{"dataset":"station.event","start":"2018-02-01T00:00:00Z","end":"2018-02-02T00:00:00Z","hop":0}`

const oneDayPrefix = "station/event/run=20180201T000000Z-20180202T000000Z/"

// landedIDs returns the ids of all rows in the newest parts, in order.
func landedIDs(t tester, w *fixture) string {
	t.Helper()
	var names []string
	for _, row := range w.rows(t) {
		names = append(names, idOf(t, row))
	}
	return strings.Join(names, " ")
}

func idsOf(events []madeUpEvent) string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.id
	}
	return strings.Join(names, " ")
}

// checkFault checks the fault of a handler, and returns the fault.
func checkFault(t *testing.T, err error, code fault.Code, disposition fault.Disposition, contain ...string) *fault.Fault {
	t.Helper()
	if err == nil {
		t.Fatal("the handler returned no fault")
	}
	f := fault.As(err)
	if f.Code != code || f.Disposition != disposition {
		t.Fatalf("fault is %s, %s, want %s, %s: %v", f.Code, f.Disposition, code, disposition, err)
	}
	for _, text := range contain {
		if !strings.Contains(err.Error()+" "+f.Advice(), text) {
			t.Errorf("%q isn't in: %v (%s)", text, err, f.Advice())
		}
	}
	return f
}
