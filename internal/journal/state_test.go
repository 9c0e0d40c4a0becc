package journal_test

import (
	"slices"
	"testing"

	"github.com/firn-data/firn/internal/journal"
)

var states = []journal.State{
	journal.Received, journal.Transforming, journal.Transformed, journal.Loaded,
	journal.Superseded, journal.Withdrawn, journal.Failed, journal.Dismissed, journal.Ignored,
}

func TestFinalStates(t *testing.T) {
	t.Parallel()
	for _, state := range states {
		want := slices.Contains([]journal.State{journal.Loaded, journal.Superseded, journal.Withdrawn, journal.Dismissed, journal.Ignored}, state)
		if state.Final() != want {
			t.Errorf("%s: Final = %t", state, !want)
		}
	}
}
