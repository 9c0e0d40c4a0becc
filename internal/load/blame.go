package load

import (
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// groupError is an error of a group that some of its objects caused.
type groupError struct {
	err error
	// certain are the bad objects, proved by row counts.
	certain map[object.ID]*fault.Fault
	// suspects are the objects whose files are named in Snowflake's message.
	suspects map[object.ID]bool
}

func (b *groupError) Error() string { return b.err.Error() }

func (b *groupError) Unwrap() error { return b.err }

// copyError blames the objects whose files the error of a COPY names. What isn't
// an object's fault (no answer, no grant, no table) is returned as it is.
func copyError(err error, group []readyObject, files func(readyObject) []string) error {
	f := fault.As(err)
	if f.Disposition == fault.RetryAfter || f.Code == fault.TableMissing {
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

// countError blames objects that counts prove to be wrong; nil if there are none.
func countError(certain map[object.ID]*fault.Fault) error {
	for _, f := range certain {
		return &groupError{err: f, certain: certain}
	}
	return nil
}
