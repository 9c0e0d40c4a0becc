package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
)

// TestFaultIsOneLogLine logs a fault with the logger of a context, like a stage.
func TestFaultIsOneLogLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := telemetry.WithLogger(t.Context(), telemetry.NewLogger(&out, "load"))
	f := &fault.Fault{
		Op: "copy", Code: fault.CopyRefused, Disposition: fault.Permanent, Subject: "RAW.A\nB",
		ObjectID: "o1", Dataset: "shop.order", QueryID: "q1", Err: errors.New("no column a"),
	}
	telemetry.Logger(ctx).ErrorContext(ctx, "message failed", telemetry.Fault(f)...)
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != 1 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if _, timed := got["time"]; !timed {
		t.Error("the line has no time")
	}
	delete(got, "time")
	want := map[string]any{
		"level": "ERROR", "msg": "message failed", "stage": "load", "op": "copy", "code": "copy_refused",
		"outcome": "permanent", "object": "o1", "dataset": "shop.order", "query_id": "q1", "err": f.Error(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

// TestContextWithoutLoggerDiscardsLog logs without a logger in the context.
func TestContextWithoutLoggerDiscardsLog(t *testing.T) {
	t.Parallel()
	telemetry.Logger(t.Context()).Info("discarded")
	if telemetry.Discard().Enabled(t.Context(), 8) {
		t.Error("the logger of Discard is enabled")
	}
}
