package transform

import (
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/work"
)

// What the prediction reckons with, in bytes a second and times. The rates are
// of one vCPU and well below what bench/README.md measures: a wrong "yes"
// costs an invocation, a wrong "no" costs a Glue run.
const (
	// networkRate is a function's share of the network, about 625 Mbit/s
	// (docs/decisions.md, D29).
	networkRate = 78e6
	csvRate     = 60e6
	ndjsonRate  = 45e6
	// packedRatio is how often a packed file is larger once it is unpacked:
	// texts pack 4 to 10 times.
	packedRatio = 8
	// maxShareOfTime is the share of the time that is left which a prediction may
	// take.
	maxShareOfTime = 0.66
)

// predict returns how long the Lambda's engine takes for an object of the size
// as stored. Download and work run side by side: the slower one counts.
func predict(size int64, compression reader.Compression, format contract.Format) time.Duration {
	plain := float64(size)
	if compression != reader.Plain {
		plain *= packedRatio
	}
	rate := csvRate
	if format == contract.NDJSON {
		rate = ndjsonRate
	}
	return time.Duration(max(float64(size)/networkRate, plain/rate) * float64(time.Second))
}

// glueAllowed reports whether Glue may take the object at all: there is a queue
// for it, the contract allows it, and Spark reads the compression. It has no
// decoder for zstd that refuses what firn refuses.
func (s *Stage) glueAllowed(w work.Work, c *contract.Contract) bool {
	compression, err := reader.CompressionOf(w.Object.Key, c.Format)
	return s.Glue != nil && c.Engine != contract.LambdaEngine && err == nil && compression != reader.Zstd
}

// needsGlue decides for an object that Glue may take: where the contract says
// so, and where this invocation wouldn't come to the object's end.
func needsGlue(w work.Work, c *contract.Contract, left time.Duration) bool {
	if c.Engine == contract.GlueEngine {
		return true
	}
	compression, err := reader.CompressionOf(w.Object.Key, c.Format)
	return err == nil && predict(w.Object.Size, compression, c.Format) > time.Duration(maxShareOfTime*float64(left))
}
