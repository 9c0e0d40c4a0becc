package setting

import (
	"fmt"
	"slices"
	"time"
)

// Glue holds the settings of the Glue job and of the start of its runs.
type Glue struct {
	// WorkerType is the size of each worker. G.1X has 4 processors and 16 GB
	// (glue/latest/dg, worker-types). firn:glueWorkerType; default G.1X.
	WorkerType string
	// Workers is the number of workers, including the driver. firn:glueWorkers; 2 to
	// 299, default 2.
	Workers int
	// Timeout is the longest duration of a run. Glue stops a longer run, and firn tries
	// the run's objects again. firn:glueTimeoutMinutes; 1 to 10080, default 120.
	Timeout time.Duration
	// ConcurrentRuns is the largest number of runs at the same time. Further runs wait
	// in Glue's queue. firn:glueConcurrentRuns; 1 to 1000, default 4.
	ConcurrentRuns int
	// Flex uses spare capacity. Flex is cheaper, but a run may wait 20 minutes for its
	// start. Only for G.1X and G.2X. firn:glueFlex; default false.
	Flex bool
	// Window is the time in which firn collects objects for a run. 0 means no waiting
	// and at most 10 objects at once. firn:glueWindowSeconds; 0 to 300
	// (lambda/latest/dg, services-sqs-configure), default 60.
	Window time.Duration
}

// workerTypes lists the worker types of Spark jobs. The first type is the default.
var workerTypes = []string{"G.1X", "G.2X", "G.4X", "G.8X", "G.12X", "G.16X", "R.1X", "R.2X", "R.4X", "R.8X"}

// flexWorkers lists the worker types with spare capacity (glue/latest/dg, add-job).
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
		r.faults = append(r.faults, fmt.Sprintf("%sglueFlex is true, but workers of type %s have no spare capacity: use G.1X or G.2X", Prefix, g.WorkerType))
	}
	return g
}
