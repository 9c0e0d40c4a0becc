package transform

import (
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/work"
)

// Values of the prediction. The rates are in bytes per second of one vCPU, well below
// the measured rates in bench/README.md. A wrong "yes" costs an invocation, a wrong
// "no" costs a Glue run.
const (
	// networkRate is the network rate of a function, about 625 Mbit/s
	// (docs/decisions.md, D29).
	networkRate = 78e6
	csvRate     = 60e6
	ndjsonRate  = 45e6
	// packedRatio is the assumed ratio of unpacked size to packed size. Texts have 4 to
	// 10.
	packedRatio = 8
	// maxShareOfTime is the largest share of the remaining time for a predicted
	// transform.
	maxShareOfTime = 0.66
)

// predict returns the predicted time of the Lambda engine. size is the stored size of
// the object in bytes. Download and transform run in parallel, so the slower of them
// counts.
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

// glueAllowed reports whether Glue may transform the object: there is a Glue queue, the
// contract allows Glue, and the compression isn't zstd. Spark's zstd decoder accepts
// files refused by firn.
func (s *Stage) glueAllowed(w work.Work, c *contract.Contract) bool {
	compression, err := reader.CompressionOf(w.Object.Key, c.Format)
	return s.Glue != nil && c.Engine != contract.LambdaEngine && err == nil && compression != reader.Zstd
}

// needsGlue reports whether an object allowed on Glue must go there: the contract
// requires Glue, or this invocation has too little time for the object.
func needsGlue(w work.Work, c *contract.Contract, left time.Duration) bool {
	if c.Engine == contract.GlueEngine {
		return true
	}
	compression, err := reader.CompressionOf(w.Object.Key, c.Format)
	return err == nil && predict(w.Object.Size, compression, c.Format) > time.Duration(maxShareOfTime*float64(left))
}
