package ingest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// week returns the shipped FeatureCollection, decompressed.
func week(t testing.TB) []byte {
	t.Helper()
	body, err := readWeek()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

var readWeek = sync.OnceValues(func() ([]byte, error) {
	files, err := filepath.Glob("../../datasets/usgs/event/*.geojson.gz")
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("the shipped week should be one file, not %v (%v)", files, err)
	}
	file, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
})

// isWholeWeek checks that the newest parts hold every feature of the shipped
// week as it was shipped, once, by time.
func isWholeWeek(t *testing.T, w *world) {
	t.Helper()
	var shipped struct {
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(week(t), &shipped); err != nil {
		t.Fatal(err)
	}
	want := make(map[int64]string) // no two events of the week share a time
	for _, raw := range shipped.Features {
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			t.Fatal(err)
		}
		want[timeOf(t, raw)] = compact.String()
	}
	rows := w.rows(t)
	if len(rows) != len(want) || len(want) != 1707 {
		t.Fatalf("%d rows landed, %d were shipped", len(rows), len(want))
	}
	for i, at := range slices.Sorted(maps.Keys(want)) {
		if rows[i] != want[at] {
			t.Fatalf("row %d is\n%s\nand was shipped as\n%s", i+1, rows[i], want[at])
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

// event is a feature of a made-up collection.
type event struct {
	id   string
	time time.Time
}

func collectionOf(events []event) []byte {
	features := make([]string, len(events))
	for i, e := range events {
		features[i] = fmt.Sprintf(`{"type":"Feature","properties":{"time":%d,"mag":1.0},"id":%q}`, e.time.UnixMilli(), e.id)
	}
	return []byte(`{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`)
}

// minutes are made-up events of the first day of February 2018, one a minute
// from midnight: e00, e01 and so on.
func minutes(n int) []event {
	events := make([]event, n)
	for i := range events {
		events[i] = event{
			id: fmt.Sprintf("e%02d", i), time: time.Date(2018, 2, 1, 0, i, 0, 0, time.UTC),
		}
	}
	return events
}

// oneDay asks for the day of minutes.
const oneDay = `{"dataset":"usgs.event","start":"2018-02-01T00:00:00Z","end":"2018-02-02T00:00:00Z","hop":0}`

const oneDayPrefix = "usgs/event/run=20180201T000000Z-20180202T000000Z/"

// landed returns the ids of all rows in the newest parts, in order.
func landed(t tester, w *world) string {
	t.Helper()
	var names []string
	for _, row := range w.rows(t) {
		names = append(names, idOf(t, row))
	}
	return strings.Join(names, " ")
}

func idsOf(events []event) string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.id
	}
	return strings.Join(names, " ")
}

// failsAs checks the fault that a handler returned.
func failsAs(t *testing.T, err error, code fault.Code, disposition fault.Disposition, contain ...string) *fault.Fault {
	t.Helper()
	if err == nil {
		t.Fatal("it succeeded")
	}
	f := fault.As(err)
	if f.Code != code || f.Disposition != disposition {
		t.Fatalf("fault is %s, %s, not %s, %s: %v", f.Code, f.Disposition, code, disposition, err)
	}
	for _, text := range contain {
		if !strings.Contains(err.Error()+" "+f.Advice(), text) {
			t.Errorf("%q isn't in: %v (%s)", text, err, f.Advice())
		}
	}
	return f
}
