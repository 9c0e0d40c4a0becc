package warehouse_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/load/warehouse"
)

// TestStatementTimeIsHalfOfRemainingTime: a slow statement ends while there is time for
// another try, and no statement outlives the invocation.
func TestStatementTimeIsHalfOfRemainingTime(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]time.Duration{
		280 * time.Second: 140 * time.Second,
		50 * time.Second:  30 * time.Second,
		20 * time.Second:  20 * time.Second,
	} {
		if got := warehouse.StatementTime(left); got != want {
			t.Errorf("with %v left, a statement gets %v, want %v", left, got, want)
		}
	}
}
