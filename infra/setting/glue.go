package setting

import (
	"fmt"
	"slices"
	"time"
)

// Glue is what a run of the Glue job gets, and when one is started.
type Glue struct {
	// WorkerType is the size of each worker. firn:glueWorkerType; defaults to
	// G.1X, which has 4 processors and 16 GB (glue/latest/dg, worker-types).
	WorkerType string
	// Workers is their number, the driver among them. firn:glueWorkers; 2 to
	// 299, defaults to 2.
	Workers int
	// Timeout ends a run that takes longer, and firn tries its objects again.
	// firn:glueTimeoutMinutes; 1 to 10080, defaults to 120.
	Timeout time.Duration
	// ConcurrentRuns is how many runs there may be at once: more wait in Glue's
	// own queue. firn:glueConcurrentRuns; 1 to 1000, defaults to 4.
	ConcurrentRuns int
	// Flex takes spare capacity: cheaper, but a run may wait for 20 minutes
	// until it starts. For G.1X and G.2X only. firn:glueFlex; defaults to false.
	Flex bool
	// Window is how long objects are collected for a run. 0 takes up to 10 at
	// once, without waiting. firn:glueWindowSeconds; 0 to 300 (lambda/latest/dg,
	// services-sqs-configure), defaults to 60.
	Window time.Duration
}

// workerTypes are those of Spark jobs; the first is the default.
var workerTypes = []string{"G.1X", "G.2X", "G.4X", "G.8X", "G.12X", "G.16X", "R.1X", "R.2X", "R.4X", "R.8X"}

// flexWorkers are the types that have spare capacity (glue/latest/dg, add-job).
var flexWorkers = []string{"G.1X", "G.2X"}

func (r *reader) glue() Glue {
	g := Glue{
		WorkerType:     r.choice("glueWorkerType", workerTypes...),
		Workers:        r.number("glueWorkers", 2, 2, 299),
		Timeout:        time.Duration(r.number("glueTimeoutMinutes", 120, 1, 7*24*60)) * time.Minute,
		ConcurrentRuns: r.number("glueConcurrentRuns", 4, 1, 1000),
		Flex:           r.choice("glueFlex", "false", "true") == "true",
		Window:         time.Duration(r.number("glueWindowSeconds", 60, 0, 300)) * time.Second,
	}
	if g.Flex && slices.Contains(workerTypes, g.WorkerType) && !slices.Contains(flexWorkers, g.WorkerType) {
		r.faults = append(r.faults, fmt.Sprintf("%sglueFlex is true, but workers of type %s have no spare capacity: take G.1X or G.2X", Prefix, g.WorkerType))
	}
	return g
}
