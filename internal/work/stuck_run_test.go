package work_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/work"
)

func TestStuckRunKeepsItsValues(t *testing.T) {
	t.Parallel()
	want := work.StuckRun{Stage: work.Route, Dataset: "station.event", RunID: "r1", Before: time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC)}
	body := want.Encode()
	if text := `{"stage":"route","dataset":"station.event","run_id":"r1","before":"2026-12-01T06:00:00Z"}`; body != text {
		t.Errorf("body is %s, want %s", body, text)
	}
	got, err := work.DecodeStuckRun(body)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDecodeStuckRunRefusesIncompleteMessage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `{}`, `{"stage":"load","dataset":"a.b","run_id":"r","before":"2026-12-01T06:00:00Z"}`,
		`{"stage":"route","run_id":"r","before":"2026-12-01T06:00:00Z"}`, `{"stage":"route","dataset":"a.b","before":"2026-12-01T06:00:00Z"}`,
		`{"stage":"route","dataset":"a.b","run_id":"r"}`,
	} {
		if got, err := work.DecodeStuckRun(body); err == nil {
			t.Errorf("%s is %+v", body, got)
		}
	}
}
