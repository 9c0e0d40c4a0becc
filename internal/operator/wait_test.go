package operator_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/operator"
)

func TestWaitForNoObjectsReturnsAtOnce(t *testing.T) {
	t.Parallel()
	o := &operator.Operator{PollEvery: time.Hour}
	if entries, err := o.Wait(t.Context(), nil, nil); err != nil || len(entries) > 0 {
		t.Errorf("Wait = %v, %v", entries, err)
	}
}

func TestHasStopped(t *testing.T) {
	t.Parallel()
	for state, want := range map[journal.State]bool{
		"": false, journal.Received: false, journal.Transforming: false, journal.Transformed: false,
		journal.Loaded: true, journal.Superseded: true, journal.Withdrawn: true, journal.Ignored: true, journal.Failed: true,
	} {
		if operator.HasStopped(journal.Entry{State: state}) != want {
			t.Errorf("HasStopped in state %q = %t", state, !want)
		}
	}
}
