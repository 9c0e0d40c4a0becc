package fault

import (
	"maps"
	"slices"
	"time"
)

const (
	// soon is for causes that only a person can remove.
	soon = 5 * time.Minute
	// later is for causes that often pass without help.
	later = 15 * time.Minute
)

// reportAfter has each code with which an object can wait, and the time without progress
// after which a mail reports the wait. Zero means never.
var reportAfter = map[Code]time.Duration{
	AccessDenied:     soon,
	KeyRefused:       soon,
	StoreAway:        later,
	JournalAway:      later,
	QueueAway:        later,
	TopicAway:        later,
	GlueAway:         later,
	SecretAway:       soon,
	SnowflakeAway:    later,
	SnowflakeRefused: soon,
	WarehouseAway:    soon,
	StatementTimeout: later,
	LockBusy:         2 * later, // a long load holds the lock, and the others wait for it
	TableBehind:      soon,
	TableMissing:     soon,
	DatasetPaused:    0, // a person asked for the wait
	SourceAway:       later,
	CommitUnknown:    later,
	// The cause of these waits is a lost message, a long queue, or a function that doesn't
	// start.
	NotTried: time.Hour,
}

// ReportAfter returns the time without progress after which a mail reports a wait with
// the code. The result is false for a code that no mail reports: a pause, or a fault that
// ends by itself after a few counted attempts.
func (c Code) ReportAfter() (time.Duration, bool) {
	after := reportAfter[c]
	return after, after > 0
}

// Waiting returns each code with which an object can wait, sorted.
func Waiting() []Code { return slices.Sorted(maps.Keys(reportAfter)) }
