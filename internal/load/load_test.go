package load_test

import (
	"testing"
	"time"

	"github.com/firn-data/firn/internal/load/loadtest"
)

func TestFake(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fake.LockTimeout = 300 * time.Millisecond
	t.Run("suite", func(t *testing.T) { loadtest.Run(t, fake) })
	if n := fake.OpenSessions(); n != 0 {
		t.Errorf("%d sessions were left open", n)
	}
}
