package reader

import (
	"bytes"
	"errors"
	"io"

	"github.com/firn-data/firn/internal/fault"
)

// NDJSON reads one record for each line. "\n" ends the line, and a "\r" before the "\n"
// is dropped. An empty line is no record. NDJSON doesn't parse the record.
type NDJSON struct {
	window *window
	number int64
	line   int64
	// searched is the number of unread bytes already searched for a line end.
	searched int
	read     bool
	block    Block
}

// NewNDJSON returns a reader of uncompressed text.
func NewNDJSON(source io.Reader) *NDJSON {
	return &NDJSON{window: newWindow(source), line: 1}
}

// Next returns the next record, or io.EOF after the last. Any other error is a fault
// with the number of the record. An empty object is refused.
func (n *NDJSON) Next() (Record, error) {
	block, err := n.NextBlock(1)
	if err != nil {
		return Record{}, err
	}
	return block.Record(0), nil
}

// NextBlock returns the next records, at most the given number, or io.EOF after the
// last. Other errors are as in Next. The block is valid until the next call.
func (n *NDJSON) NextBlock(limit int) (*Block, error) {
	for {
		n.block.reset(n.window.unread(), n.number+1)
		n.read = n.read || len(n.block.Text) > 0
		size, err := n.splitAll(limit)
		n.window.skip(size)
		switch {
		case n.block.Len() > 0: // the next call returns the error again
			return &n.block, nil
		case err != nil:
			return nil, err
		case n.window.last && len(n.window.unread()) == 0:
			return nil, n.finish()
		}
		if err := n.fill(); err != nil {
			return nil, err
		}
	}
}

// splitAll splits the block's text into records, at most the given number, and skips
// empty lines. size is the number of used bytes.
func (n *NDJSON) splitAll(limit int) (size int, err error) {
	b := &n.block
	for b.Len() < limit && size < len(b.Text) {
		end := bytes.IndexByte(b.Text[size+n.searched:], '\n')
		next := size + n.searched + end + 1
		switch {
		case end >= 0:
			end = next - 1
		case n.window.last:
			end, next = len(b.Text), len(b.Text)
		default:
			n.searched = len(b.Text) - size
			return size, nil
		}
		n.searched = 0
		if end > size && b.Text[end-1] == '\r' {
			end--
		}
		if end-size > MaxRecord {
			return size, n.tooLong()
		}
		if end > size {
			n.number++
			b.add(Span{uint32(size), uint32(end)}, n.line)
		}
		n.line++
		size = next
	}
	return size, nil
}

func (n *NDJSON) fill() error {
	err := n.window.readMore()
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
