//go:build endtoend

// Package processes_test runs loaders as processes of the operating system, with the
// laptop's Snowflake, S3 and journal. One test runs many loaders at once, and one test
// kills a loader at every statement.
package processes_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/laptop/laptoptest"
)

var (
	runs = flag.Int("runs", 1, "number of runs of the loaders")
	seed = flag.Uint64("seed", 0, "seed of the first run's random order; 0 means the current time")
)

// idleTransactionTimeout replaces Snowflake's five minutes. Snowflake aborts an idle transaction of
// this age if another transaction waits. So the transaction of a killed loader ends soon.
// Even on a busy machine, a living loader pauses for a shorter time between two
// statements.
const idleTransactionTimeout = 2 * time.Second

// parallelCases is the number of parallel cases. Most cases wait for the lock of a
// killed loader most of the time.
const parallelCases = "6"

// TestMain runs a loader if the process was started with settings.
func TestMain(m *testing.M) {
	if settings := os.Getenv(settingsVariable); settings != "" {
		os.Exit(runLoader(settings))
	}
	if err := flag.Set("test.parallel", parallelCases); err != nil {
		panic(err)
	}
	os.Exit(laptoptest.MainWith(m, idleTransactionTimeout, "aws", "snowflake"))
}
