package load

import (
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// groupError is the error of a group, caused by some objects of the group.
type groupError struct {
	err error
	// proven are the bad objects according to row counts.
	proven map[object.ID]*fault.Fault
	// suspects are the objects whose files are named in Snowflake's message.
	suspects map[object.ID]bool
}

func (e *groupError) Error() string { return e.err.Error() }

func (e *groupError) Unwrap() error { return e.err }

// copyError returns the error of a COPY as a groupError, with the objects of the named
// files as suspects. An error without a cause in an object is returned unchanged: no
// answer, no grant or no table.
func copyError(err error, group []readyObject, files func(readyObject) []string) error {
	f := fault.As(err)
	if f.Disposition == fault.RetryAfter {
		return err
	}
	suspects := make(map[object.ID]bool)
	for _, o := range group {
		for _, name := range files(o) {
			if strings.Contains(f.Error(), name) {
				suspects[o.id()] = true
			}
		}
	}
	return &groupError{err: err, suspects: suspects}
}

// countError returns a groupError for objects with wrong row counts, or nil if there
// are none.
func countError(proven map[object.ID]*fault.Fault) error {
	for _, f := range proven {
		return &groupError{err: f, proven: proven}
	}
	return nil
}
