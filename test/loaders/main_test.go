//go:build endtoend

// Package processes_test runs loaders as processes of the operating system,
// against the laptop's Snowflake, its S3 and its journal: many at once, and
// killed at every statement.
package processes_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop/laptoptest"
)

var (
	runs = flag.Int("runs", 1, "how often the loaders run")
	seed = flag.Uint64("seed", 0, "of the first run's order; 0 takes the clock")
)

// idleBlocker is Snowflake's five minutes, made short: a killed loader's
// transaction is aborted once another one waits for it this long. It is longer
// than a living loader pauses between two statements on a busy machine.
const idleBlocker = 2 * time.Second

// parallelCases is how many cases run at once: most of their time is waiting for
// what a killed loader left locked.
const parallelCases = "6"

// TestMain is the loader if the process was started as one.
func TestMain(m *testing.M) {
	if orders := os.Getenv(settingsVariable); orders != "" {
		os.Exit(runLoader(orders))
	}
	if err := flag.Set("test.parallel", parallelCases); err != nil {
		panic(err)
	}
	os.Exit(laptoptest.MainWith(m, idleBlocker, "aws", "snowflake"))
}
