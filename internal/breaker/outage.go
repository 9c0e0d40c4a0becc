// Package breaker stops calls to a dependency during an outage, and lets one
// caller at a time test whether the dependency answers again.
package breaker

import (
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// Snowflake is the dependency of every load.
const Snowflake = "snowflake"

// Dependencies are the dependencies with a breaker.
var Dependencies = []string{Snowflake}

// Outage is the current outage of a dependency, or the last one. The zero value
// is a dependency without any outage so far.
type Outage struct {
	Dependency string
	// ID is unique for each outage.
	ID string
	// Open is true while the outage lasts.
	Open bool
	// Since is the start of the outage. Ended is the end, or the zero time while
	// the outage lasts.
	Since, Ended time.Time
	// Until is the time of the next probe.
	Until time.Time
	// Failures counts the successive failures with Code.
	Failures int
	// Code, Cause and QueryID belong to the last failure.
	Code    fault.Code
	Cause   string
	QueryID string
	// Notice is the last notice that people got of the outage; empty for none.
	Notice Notice
}

// Notice is a mail about an outage. The value is stored in the journal, and is the
// state in the mail's JSON part.
type Notice string

const (
	// NoticeStarted is the notice of an outage that lasts.
	NoticeStarted Notice = "away"
	// NoticeEnded is the notice of the outage's end. NoticeEnded follows NoticeStarted
	// only.
	NoticeEnded Notice = "back"
)
