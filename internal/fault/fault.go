// Package fault is the error that firn's stages return: what failed, on which
// object, why, what to do about it, and whether trying again can help.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Disposition says what happens to the message whose handling failed.
type Disposition int

const (
	// Retry brings the message back after a growing delay and counts: after
	// the allowed attempts it becomes Permanent. It is the zero value, so an
	// error that nobody classified is tried again and in the end reported.
	Retry Disposition = iota
	// RetryAfter brings the message back and never counts: a dependency is
	// away, and waiting for it is no fault of the object.
	RetryAfter
	// Permanent fails the object now: trying again gives the same answer.
	Permanent
)

// String returns the disposition as logs and mails show it.
func (d Disposition) String() string {
	return [...]string{"retry", "retry_after", "permanent"}[d]
}

// Fault is an error that knows its disposition and its remedy.
type Fault struct {
	// Stage is the one that found it. Empty for the one that reports it.
	Stage string
	// Op is the operation that failed, as a verb phrase: "read landing object".
	Op string
	// Code is the stable name that mails, the runbook and redrive use.
	Code Code
	// Disposition decides what becomes of the message.
	Disposition Disposition
	// Hint is one sentence that tells a person what to do. Empty takes the
	// code's own hint.
	Hint string
	// Subject is what it happened to: an object's URI, a key, a table.
	Subject string
	// ObjectID is the journal's id of the object; empty if none is known yet.
	ObjectID string
	// Dataset is "<source>.<entity>"; empty if no dataset claims the key.
	Dataset string
	// Attempt is the number of the attempt that failed, from 1; 0 if the stage
	// doesn't count, and then the queue's receive count stands in.
	Attempt int
	// QueryID is Snowflake's id of the statement that failed, if one did.
	QueryID string
	// RunID is the Glue run or ingestion run that failed, if one did.
	RunID string
	// After is the least delay before the next try; 0 leaves it to the backoff.
	After time.Duration
	// Err is the cause.
	Err error
}

// Error returns operation, subject, code and cause on one line.
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

// Cause returns the innermost words worth reading: the cause if there is one,
// else the whole error.
func (f *Fault) Cause() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return f.Error()
}

// Advice returns the fault's own hint, or its code's.
func (f *Fault) Advice() string {
	if f.Hint != "" {
		return f.Hint
	}
	return f.Code.Hint()
}

// ForObject returns a copy of err as a fault that names an object, keeping what an
// inner stage already said. An error that is no fault becomes a Retry of code
// Unexpected.
func ForObject(err error, objectID, dataset, subject string) *Fault {
	f := *As(err)
	if f.ObjectID == "" {
		f.ObjectID = objectID
	}
	if f.Dataset == "" {
		f.Dataset = dataset
	}
	if f.Subject == "" {
		f.Subject = subject
	}
	return &f
}

// As returns the fault in err's chain, or wraps err as a Retry of code
// Unexpected. As(nil) is nil.
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

// Permanentf makes a permanent fault with a cause in words.
func Permanentf(op string, code Code, format string, args ...any) *Fault {
	return &Fault{Op: op, Code: code, Disposition: Permanent, Err: fmt.Errorf(format, args...)}
}

// Retryable makes a fault that counts and is tried again.
func Retryable(op string, code Code, err error) *Fault {
	return &Fault{Op: op, Code: code, Disposition: Retry, Err: err}
}

// Dependency makes a fault of something firn depends on: tried again without
// counting.
func Dependency(op string, code Code, err error) *Fault {
	return &Fault{Op: op, Code: code, Disposition: RetryAfter, Err: err}
}
