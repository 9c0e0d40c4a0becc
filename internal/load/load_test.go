package load_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/load/loadtest"
)

// lockTimeout is the lock timeout of the fake. Two concurrent loaders need less time.
const lockTimeout = 500 * time.Millisecond

func TestSuitePassesOnFake(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockTimeout = lockTimeout
	t.Run("suite", func(t *testing.T) { loadtest.Run(t, fake) })
	t.Run("refusals", func(t *testing.T) { loadtest.CheckRefusals(t, fake) })
	if n := fake.OpenSessions(); n != 0 {
		t.Errorf("%d sessions were left open", n)
	}
}
