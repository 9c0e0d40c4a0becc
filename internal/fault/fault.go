// Package fault defines the error of firn's stages. A fault names the operation, the
// object, the cause and the next step. The disposition decides whether a stage retries.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Disposition decides whether firn processes the message again.
type Disposition int

const (
	// Retry delivers the message again after a growing delay and counts as an attempt.
	// After the last allowed attempt the fault is Permanent. Retry is the zero value,
	// so firn retries an unknown error and reports the error in the end.
	Retry Disposition = iota
	// RetryAfter delivers the message again after a delay and never counts: a
	// dependency is the cause, not the object.
	RetryAfter
	// Permanent fails the object at once, because a retry would have the same result.
	Permanent
)

// String returns the name of the disposition in logs and mails.
func (d Disposition) String() string {
	return [...]string{"retry", "retry_after", "permanent"}[d]
}

// Fault is an error with a code, a hint and a disposition.
type Fault struct {
	// Stage is the stage that found the fault. Empty for the stage that reports the
	// fault.
	Stage string
	// Op is the failed operation, as a verb phrase: "read landing object".
	Op string
	// Code is the fixed name for mails, the runbook and redrive.
	Code Code
	// Disposition decides whether firn processes the message again.
	Disposition Disposition
	// Hint is the next step for a person. Empty for the hint of the code.
	Hint string
	// Subject is the affected object's URI, key or table.
	Subject string
	// ObjectID is the journal's id of the object; empty if unknown.
	ObjectID string
	// Generation is the generation of the object in the failed work. The journal drops
	// a fault of an earlier generation than the object's.
	Generation int
	// Dataset is "<source>.<entity>"; empty for a key without a dataset.
	Dataset string
	// Attempt is the number of the failed attempt, from 1. It is 0 for a stage that
	// doesn't count; the queue's receive count is used instead.
	Attempt int
	// QueryID is Snowflake's id of the failed statement; empty for none.
	QueryID string
	// RunID is the id of the failed Glue run or ingestion run; empty for none.
	RunID string
	// After is the shortest delay before the next attempt; 0 for the backoff's own
	// delay.
	After time.Duration
	// Err is the cause.
	Err error
}

// Error returns operation, subject, code, query id and cause on one line.
func (f *Fault) Error() string {
	text := f.Op
	if f.Subject != "" {
		text += " " + f.Subject
	}
	text += ": " + string(f.Code)
	if f.QueryID != "" {
		text += " (query " + f.QueryID + ")"
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Cause returns the text of the cause, or of the whole fault if there is no cause.
func (f *Fault) Cause() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return f.Error()
}

// Advice returns the fault's hint, or the hint of the code.
func (f *Fault) Advice() string {
	if f.Hint != "" {
		return f.Hint
	}
	return f.Code.Hint()
}

// ForObject returns a copy of err as a fault with the object's id, generation, dataset
// and subject. Values from an inner stage stay: an id stays with its generation. An
// error without a fault becomes a Retry with the code Unexpected. err must not be nil.
func ForObject(err error, objectID string, generation int, dataset, subject string) *Fault {
	f := *As(err)
	if f.ObjectID == "" {
		f.ObjectID, f.Generation = objectID, generation
	}
	if f.Dataset == "" {
		f.Dataset = dataset
	}
	if f.Subject == "" {
		f.Subject = subject
	}
	return &f
}

// As returns the fault in err's chain. An error without a fault becomes a Retry with
// the code Unexpected. As(nil) is nil.
func As(err error) *Fault {
	if err == nil {
		return nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Op: "handle message", Code: Unexpected, Disposition: Retry, Err: err}
}

// Is reports whether the fault in err's chain has the code.
func Is(err error, code Code) bool {
	f := As(err)
	return f != nil && f.Code == code
}

// Permanentf returns a permanent fault whose cause has a formatted text.
func Permanentf(op string, code Code, format string, args ...any) *Fault {
	return &Fault{Op: op, Code: code, Disposition: Permanent, Err: fmt.Errorf(format, args...)}
}

// Retryable returns a fault with the disposition Retry.
func Retryable(op string, code Code, err error) *Fault {
	return &Fault{Op: op, Code: code, Disposition: Retry, Err: err}
}

// Dependency returns a fault of a dependency, with the disposition RetryAfter.
func Dependency(op string, code Code, err error) *Fault {
	return &Fault{Op: op, Code: code, Disposition: RetryAfter, Err: err}
}
