package load

import (
	"strings"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// blame is an error of a group that some of its objects caused.
type blame struct {
	err error
	// certain are the objects that counts prove to be wrong.
	certain map[object.ID]*fault.Fault
	// suspects are the objects that Snowflake's message names.
	suspects map[object.ID]bool
}

func (b *blame) Error() string { return b.err.Error() }

func (b *blame) Unwrap() error { return b.err }

// ofCopy blames the objects whose files the error of a COPY names. What isn't
// an object's fault (no answer, no grant, no table) is returned as it is.
func ofCopy(err error, group []readyObject, files func(readyObject) []string) error {
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
	return &blame{err: err, suspects: suspects}
}

// accuse blames objects that counts prove to be wrong; nil if there are none.
func accuse(certain map[object.ID]*fault.Fault) error {
	for _, f := range certain {
		return &blame{err: f, certain: certain}
	}
	return nil
}
