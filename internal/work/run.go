package work

import (
	"strings"
	"time"
)

const runTime = "20060102T150405Z"

// RunID returns the id of the ingestion run of a dataset from start to end: two times in
// UTC, in whole seconds. Equal intervals have equal ids.
func RunID(start, end time.Time) string {
	return start.Format(runTime) + "-" + end.Format(runTime)
}

// IntervalOf returns the times in the id of an ingestion run. The result is false for a
// text that isn't the id of a run.
func IntervalOf(runID string) (start, end time.Time, found bool) {
	first, last, _ := strings.Cut(runID, "-")
	start, startErr := time.Parse(runTime, first)
	end, endErr := time.Parse(runTime, last)
	return start, end, startErr == nil && endErr == nil
}
