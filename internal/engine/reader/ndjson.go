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
	block    Block
}

// NewNDJSON returns a reader of the stream, which must hold plain bytes.
func NewNDJSON(source io.Reader) *NDJSON {
	return &NDJSON{window: newWindow(source), line: 1}
}

// Next returns the next record, or io.EOF after the last. Any other error is a
// fault that names the record. An object without any byte is refused.
func (n *NDJSON) Next() (Record, error) {
	block, err := n.NextBlock(1)
	if err != nil {
		return Record{}, err
	}
	return block.Record(0), nil
}

// NextBlock returns the next records, 1 to most, or io.EOF after the last. Any
// other error is as Next's. The block is valid until the next call.
func (n *NDJSON) NextBlock(most int) (*Block, error) {
	for {
		n.block.reset(n.window.unread(), n.number+1)
		n.read = n.read || len(n.block.Text) > 0
		size, err := n.splitAll(most)
		n.window.skip(size)
		switch {
		case n.block.Len() > 0: // an error comes again with the next block
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

// splitAll splits the block's text into records, most of them at most, and
// skips blank lines. It returns the bytes that it took.
func (n *NDJSON) splitAll(most int) (size int, err error) {
	b := &n.block
	for b.Len() < most && size < len(b.Text) {
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
