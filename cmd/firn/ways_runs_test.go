//go:build standin

package main_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/local/fdsn"
)

// stationEvents is the dataset of the runs.
const stationEvents = "station.event"

var runCases = []wayCase{
	{wayOut{code: fault.BadRequest, kind: help.Ingest}, func(t *testing.T, p *path) situation {
		p.serveSource(t, nil)
		p.purge(t, "dead")
		p.send(t, "ingest", `{"dataset":"station.event"}`)
		p.drain(t)
		if letters := p.take(t, "dead"); len(letters) != 1 {
			t.Errorf("%d dead letters, want 1", len(letters))
		}
		return p.run(t, 1)
	}},
	{wayOut{code: fault.SourceRefused, kind: help.Ingest}, failedRun(fault.SourceRefused, 2, statusOnly(http.StatusBadRequest))},
	{wayOut{code: fault.SourceAway, kind: help.Ingest}, recordedRun(fault.SourceAway, 3)},
	{wayOut{code: fault.Exhausted, kind: help.Ingest}, recordedRun(fault.Exhausted, 4)},
	{wayOut{code: fault.Crashed, kind: help.Ingest}, recordedRun(fault.Crashed, 5)},
	{wayOut{code: fault.Unexpected, kind: help.Ingest}, recordedRun(fault.Unexpected, 6)},
}

// statusOnly is a source that answers with a status only.
func statusOnly(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// day returns the interval of a run: the day of a month with events.
func day(n int) (start, end time.Time) {
	start = time.Date(2018, 2, n, 0, 0, 0, 0, time.UTC)
	return start, start.AddDate(0, 0, 1)
}

// runID returns the id of the run of a day.
func runID(n int) string { return work.RunID(day(n)) }

// run returns the situation of a day without a successful run: the run ends with a
// checkpoint and without a fault.
func (p *path) run(t *testing.T, n int) situation {
	t.Helper()
	start, end := day(n)
	return situation{subject: help.Subject{Dataset: stationEvents, Start: start, End: end}, ended: func() {
		var checkpoint struct {
			FinishedAt time.Time `json:"finished_at"`
		}
		found, err := p.stages.Checkpoint(context.WithoutCancel(t.Context()), journal.RunName{Dataset: stationEvents, ID: runID(n)}, &checkpoint)
		if err != nil || !found || checkpoint.FinishedAt.IsZero() {
			t.Errorf("the run of day %d has the checkpoint %+v, %t, %v", n, checkpoint, found, err)
		}
	}}
}

// failedRun ingests a day from a source that fails the run.
func failedRun(code fault.Code, n int, source http.Handler) func(*testing.T, *path) situation {
	return func(t *testing.T, p *path) situation {
		p.serveSource(t, source)
		start, end := day(n)
		p.firn("ingest", stationEvents, "--start", start.Format(time.RFC3339), "--end", end.Format(time.RFC3339)).succeed(t)
		p.purge(t, "dead")
		p.drain(t)
		if letters := p.take(t, "dead"); len(letters) != 1 || *letters[0].MessageAttributes["code"].StringValue != string(code) {
			t.Fatalf("dead letters %+v, want one with %s", letters, code)
		}
		p.serveSource(t, nil)
		return p.run(t, n)
	}
}

// recordedRun records the failure of a run, which no source can cause.
func recordedRun(code fault.Code, n int) func(*testing.T, *path) situation {
	return func(t *testing.T, p *path) situation {
		p.serveSource(t, nil)
		f := fault.Permanentf("test", code, "because")
		f.Dataset, f.RunID = stationEvents, runID(n)
		if _, err := p.stages.Fail(t.Context(), f, string(work.Ingest), "queue", "body"); err != nil {
			t.Fatal(err)
		}
		return p.run(t, n)
	}
}

// serveSource starts the ingest function beside a source; nil for the stand-in with the
// events of the made-up project.
func (p *path) serveSource(t *testing.T, source http.Handler) {
	t.Helper()
	if source == nil {
		file, err := os.Open(filepath.Join(project(t), "datasets/station/event/events.geojson.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if source, err = fdsn.NewHandler(file); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(source)
	t.Cleanup(server.Close)
	p.source = server.URL + "/fdsnws/event/1/query"
	p.deploy(t)
}
