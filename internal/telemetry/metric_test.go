package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/telemetry"
)

func newMetrics(out *bytes.Buffer) *telemetry.Metrics {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	return &telemetry.Metrics{Out: out, Environment: "dev", Now: func() time.Time { return at }}
}

// TestMetricIsOneLineOfEmbeddedFormat compares the line with the specification: values
// and dimensions are on the root, and dimensions are texts.
func TestMetricIsOneLineOfEmbeddedFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	telemetry.Put(telemetry.WithMetrics(t.Context(), newMetrics(&out)), map[telemetry.Metric]float64{telemetry.OldestWait: 90.5})
	if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Fatalf("%d lines: %q", lines, out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"environment": "dev", "OldestWait": 90.5,
		"_aws": map[string]any{
			"Timestamp": float64(1796115600000),
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace": "firn", "Dimensions": []any{[]any{"environment"}},
				"Metrics": []any{map[string]any{"Name": "OldestWait", "Unit": "Seconds"}},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

// TestUnknownMetricIsRefused: a new metric costs money, so a metric needs an entry in the
// list.
func TestUnknownMetricIsRefused(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := newMetrics(&out).Put(map[telemetry.Metric]float64{"Other": 1}); err == nil || out.Len() > 0 {
		t.Errorf("error %v, output %q", err, out.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("the log is closed") }

// TestFailedMetricIsLogged: a failed write never stops the work.
func TestFailedMetricIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&log, "alert"))
	ctx = telemetry.WithMetrics(ctx, &telemetry.Metrics{Out: brokenWriter{}, Now: time.Now})
	telemetry.Put(ctx, map[telemetry.Metric]float64{telemetry.Heartbeat: 1})
	if !strings.Contains(log.String(), "the log is closed") {
		t.Errorf("log %q", log.String())
	}
	telemetry.Put(t.Context(), map[telemetry.Metric]float64{telemetry.Heartbeat: 1}) // no writer, no effect
}
