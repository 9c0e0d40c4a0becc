// Package reader splits an object's bytes into records: it decompresses,
// finds where a record begins and ends, and keeps its raw text, number and
// line. What a record is, and what refuses the whole object, is decided here;
// what a value means is not.
package reader

import (
	"errors"
	"io"
)

// MaxRecord is the longest record in bytes, without its line end. A longer one
// refuses the object: it is nearly always a quote that was never closed.
const MaxRecord = 16 << 20

// windowSize is the first size of the window; it doubles up to MaxRecord.
const windowSize = 1 << 20

// maxEmptyReads bounds how often a source may return nothing in a row.
const maxEmptyReads = 100

var errWindowFull = errors.New("the record doesn't fit into the window")

// Record is one record. Its slices are valid until the next one is read.
type Record struct {
	// Number counts the records from 1, without header and blank lines.
	Number int64
	// Line is the line on which the record begins, from 1.
	Line int64
	// Raw is the record as it stands in the object, without its line end.
	Raw []byte
	// Fields are a CSV record's values, without their quotes. Nil for NDJSON.
	Fields [][]byte
}

// window is a sliding view of a stream that always begins at a record.
type window struct {
	source     io.Reader
	buffer     []byte
	start, end int
	// last says that nothing comes after the unread bytes.
	last bool
}

func newWindow(source io.Reader) *window {
	return &window{source: source, buffer: make([]byte, windowSize)}
}

func (w *window) unread() []byte { return w.buffer[w.start:w.end] }

func (w *window) skip(n int) { w.start += n }

// readMore reads until the window is full or the stream ends. It keeps the unread
// bytes, and invalidates every slice that was taken before. It returns
// errWindowFull if the unread bytes are as long as a record may be.
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

// grow makes room for a record of MaxRecord bytes, its "\r\n" and one more.
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
