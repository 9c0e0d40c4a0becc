// Package reader splits the bytes of an object into records. It decompresses, finds the
// start and end of each record, and keeps its raw text, number and line. The package
// refuses unreadable objects; package row checks the values.
package reader

import (
	"errors"
	"io"
)

// MaxRecord is the maximum length of a record in bytes, without its line end. A longer
// record refuses the object: the cause is nearly always an open quote.
const MaxRecord = 16 << 20

// windowSize is the first size of the window in bytes. The size doubles up to
// MaxRecord.
const windowSize = 1 << 20

// maxEmptyReads is the allowed number of consecutive reads without bytes.
const maxEmptyReads = 100

var errWindowFull = errors.New("the record doesn't fit into the window")

// Record is one record. Its slices are valid until the next record is read.
type Record struct {
	// Number is the number of the record, from 1. The header and empty lines don't
	// count.
	Number int64
	// Line is the number of the record's first line, from 1.
	Line int64
	// Raw is the record as written in the object, without its line end.
	Raw []byte
	// Fields are the values of a CSV record, without quotes. Nil for NDJSON.
	Fields [][]byte
	// Quoted reports for each of the Fields whether the value was in quotes.
	Quoted []bool
}

// window is a sliding view of a stream. The unread bytes always start at a record.
type window struct {
	source     io.Reader
	buffer     []byte
	start, end int
	// last reports that the stream has no bytes after the unread bytes.
	last bool
}

func newWindow(source io.Reader) *window {
	return &window{source: source, buffer: make([]byte, windowSize)}
}

func (w *window) unread() []byte { return w.buffer[w.start:w.end] }

func (w *window) skip(n int) { w.start += n }

// readMore reads until the window is full or the stream ends. The unread bytes stay,
// but all earlier slices become invalid. errWindowFull means unread bytes of the
// maximum record length.
func (w *window) readMore() error {
	w.end = copy(w.buffer, w.unread())
	w.start = 0
	if w.end == len(w.buffer) {
		if !w.grow() {
			return errWindowFull
		}
	}
	for empty := 0; w.end < len(w.buffer); {
		n, err := w.source.Read(w.buffer[w.end:])
		w.end += n
		if errors.Is(err, io.EOF) {
			w.last = true
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty == maxEmptyReads {
			return io.ErrNoProgress
		}
	}
	return nil
}

// grow makes room for a record of MaxRecord bytes, its "\r\n" and one more byte.
func (w *window) grow() bool {
	const largest = MaxRecord + 3
	if len(w.buffer) >= largest {
		return false
	}
	grown := make([]byte, min(2*len(w.buffer), largest))
	copy(grown, w.buffer[:w.end])
	w.buffer = grown
	return true
}
