//go:build standin

package operator_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/work"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.FixedZone("", 3600))
	if _, err := f.Sweep(t.Context(), now, -time.Second, time.Hour); err == nil {
		t.Error("Sweep with a negative grace: no error")
	}
	asked, err := f.Sweep(t.Context(), now, 0, 90*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	bodies := f.takeMessages(t.Context(), t, "route")
	if len(bodies) != 1 || bodies[0] != asked.Encode() {
		t.Fatalf("sent %q", bodies)
	}
	got, err := work.DecodeSweep(bodies[0])
	if err != nil || !got.At.Equal(now) || !got.All || got.Grace.Or(time.Hour) != 0 || got.Stuck.Or(0) != 90*time.Second {
		t.Errorf("got %+v, %v", got, err)
	}
}
