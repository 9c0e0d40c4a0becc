package reader

import (
	"bytes"
	"errors"
	"io"

	"github.com/firn-data/firn/internal/fault"
)

// NDJSON reads one record a line: "\n" ends it, one "\r" before it is dropped,
// and a line without any byte is no record. It doesn't look into the record.
type NDJSON struct {
	window *window
	number int64
	line   int64
	// searched is how much of the unread bytes is known to hold no line end.
	searched int
	read     bool
}

// NewNDJSON returns a reader of the stream, which must hold plain bytes.
func NewNDJSON(source io.Reader) *NDJSON {
	return &NDJSON{window: newWindow(source), line: 1}
}

// Next returns the next record, or io.EOF after the last. Any other error is a
// fault that names the record. An object without any byte is refused.
func (n *NDJSON) Next() (Record, error) {
	for {
		unread := n.window.unread()
		n.read = n.read || len(unread) > 0
		end := bytes.IndexByte(unread[n.searched:], '\n')
		switch {
		case end >= 0:
			end += n.searched
			if record, ok, err := n.cut(unread[:end], end+1); ok || err != nil {
				return record, err
			}
		case n.window.last && len(unread) == 0:
			return Record{}, n.finish()
		case n.window.last:
			if record, ok, err := n.cut(unread, len(unread)); ok || err != nil {
				return record, err
			}
		default:
			n.searched = len(unread)
			if err := n.fill(); err != nil {
				return Record{}, err
			}
		}
	}
}

// cut takes size bytes, of which raw without a last "\r" is the record. It
// returns false for a blank line.
func (n *NDJSON) cut(raw []byte, size int) (Record, bool, error) {
	raw = bytes.TrimSuffix(raw, carriageReturn)
	line := n.line
	if len(raw) > MaxRecord {
		return Record{}, false, n.tooLong()
	}
	n.window.skip(size)
	n.line++
	n.searched = 0
	if len(raw) == 0 {
		return Record{}, false, nil
	}
	n.number++
	return Record{Number: n.number, Line: line, Raw: raw}, true, nil
}

var carriageReturn = []byte{'\r'}

func (n *NDJSON) fill() error {
	err := n.window.more()
	if errors.Is(err, errWindowFull) {
		return n.tooLong()
	}
	return err
}

func (n *NDJSON) tooLong() error {
	return fault.Permanentf("read record", fault.RecordTooLong, "record %d (line %d): %w", n.number+1, n.line, errTooLong)
}

func (n *NDJSON) finish() error {
	if !n.read {
		refused := fault.Permanentf("read object", fault.EmptyObject, "the object holds no byte")
		refused.Hint = "The file is empty; put the complete file again."
		return refused
	}
	return io.EOF
}
