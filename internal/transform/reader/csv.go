package reader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/firn-data/firn/internal/fault"
)

// Why a record's quotes refuse the object (rule Q): a reader that resumes after
// either would guess where records begin.
var (
	errTextAfterQuote = errors.New("there is text after a closing quote")
	errOpenQuote      = errors.New("its quote is never closed")
)

// CSV reads records as RFC 4180 defines them, and strictly so: "\n" ends a
// record, one "\r" before it is dropped, a quote counts only as the first byte
// of a field, and text after a closing quote refuses the object. A line
// without any byte is no record.
type CSV struct {
	window    *window
	delimiter byte
	header    bool
	number    int64
	line      int64
	newlines  int64 // in the record that is being split
	rawEnd    int
	fields    [][]byte
	unquoted  []byte // the values that had doubled quotes
}

// NewCSV returns a reader of the stream, which must hold plain bytes.
func NewCSV(source io.Reader, delimiter byte) *CSV {
	return &CSV{window: newWindow(source), delimiter: delimiter, line: 1}
}

// Header reads the first record: the column names. It must be called first,
// and once. An object without a record is refused.
func (c *CSV) Header() ([]string, error) {
	c.header = true
	record, err := c.read()
	if errors.Is(err, io.EOF) {
		return nil, fault.Permanentf("read header", fault.EmptyObject, "the object holds no header line")
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, len(record.Fields))
	for i, field := range record.Fields {
		names[i] = string(field)
	}
	c.header, c.number = false, 0
	return names, nil
}

// Next returns the next record, or io.EOF after the last. Any other error is a
// fault that names the record.
func (c *CSV) Next() (Record, error) { return c.read() }

// read skips blank lines and asks for more bytes until the record is whole.
func (c *CSV) read() (Record, error) {
	for {
		unread := c.window.unread()
		size, complete, err := c.split(unread)
		switch {
		case err != nil:
			return Record{}, c.refuse(fault.BadQuoting, err)
		case complete && c.rawEnd == 0:
			c.advance(size)
		case complete && c.rawEnd > MaxRecord:
			return Record{}, c.refuse(fault.RecordTooLong, errTooLong)
		case complete:
			c.number++
			record := Record{Number: c.number, Line: c.line, Raw: unread[:c.rawEnd], Fields: c.fields}
			c.advance(size)
			return record, nil
		case c.window.last && len(unread) == 0:
			return Record{}, io.EOF
		default:
			if err := c.fill(); err != nil {
				return Record{}, err
			}
		}
	}
}

func (c *CSV) advance(size int) {
	c.window.skip(size)
	c.line += c.newlines
}

func (c *CSV) fill() error {
	err := c.window.more()
	if errors.Is(err, errWindowFull) {
		return c.refuse(fault.RecordTooLong, errTooLong)
	}
	return err
}

var errTooLong = fmt.Errorf("it is longer than %d MiB", MaxRecord>>20)

// refuse names the record, which the operator must find in an editor: by its
// number and its line.
func (c *CSV) refuse(code fault.Code, cause error) error {
	name := fmt.Sprintf("record %d", c.number+1)
	if c.header {
		name = "the header"
	}
	return fault.Permanentf("read record", code, "%s (line %d): %w", name, c.line, cause)
}

// split cuts the record that b begins with into fields, and sets where its raw
// text ends. It returns the bytes it takes with its line end, or incomplete if
// b ends before the record does.
func (c *CSV) split(b []byte) (size int, complete bool, err error) {
	c.fields, c.unquoted, c.newlines = c.fields[:0], c.unquoted[:0], 0
	if len(b) == 0 {
		return 0, false, nil
	}
	at := 0
	for {
		quoted := at < len(b) && b[at] == '"'
		if quoted {
			at, complete, err = c.quotedField(b, at)
		} else {
			at, complete = c.bareField(b, at)
		}
		if !complete || err != nil {
			return 0, false, err
		}
		if at < len(b) && b[at] == c.delimiter {
			at++
			continue
		}
		if quoted {
			return c.endAfterQuote(b, at)
		}
		return c.end(at, min(at+1, len(b)))
	}
}

// end ends a record whose last field wasn't quoted: the "\r" before the line
// end is no part of it.
func (c *CSV) end(rawEnd, size int) (int, bool, error) {
	if size > rawEnd {
		c.newlines++
	}
	last := len(c.fields) - 1
	if n := len(c.fields[last]); n > 0 && c.fields[last][n-1] == '\r' {
		c.fields[last] = c.fields[last][:n-1]
		rawEnd--
	}
	c.rawEnd = rawEnd
	return size, true, nil
}

// bareField appends the field that begins at b[at] and isn't quoted. It returns
// where the field ends: at a delimiter, a line end, or the end of the object.
func (c *CSV) bareField(b []byte, at int) (end int, complete bool) {
	end = c.indexEnd(b, at)
	if end == len(b) && !c.window.last {
		return 0, false
	}
	c.fields = append(c.fields, b[at:end])
	return end, true
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// zeroBytes sets the high bit of each byte that is zero in x, and no other.
func zeroBytes(x uint64) uint64 { return ^((x&^highBits + ^uint64(highBits)) | x | ^uint64(highBits)) }

// indexEnd returns the index of the first delimiter or "\n" from at on, or
// len(b). It looks at eight bytes at once.
func (c *CSV) indexEnd(b []byte, at int) int {
	delimiters := uint64(c.delimiter) * everyByte
	for ; at+8 <= len(b); at += 8 {
		word := binary.LittleEndian.Uint64(b[at:])
		if ends := zeroBytes(word^delimiters) | zeroBytes(word^('\n'*everyByte)); ends != 0 {
			return at + bits.TrailingZeros64(ends)>>3
		}
	}
	for at < len(b) && b[at] != c.delimiter && b[at] != '\n' {
		at++
	}
	return at
}

// quotedField appends the field whose opening quote is b[open]. It returns the
// index after the closing quote.
func (c *CSV) quotedField(b []byte, open int) (end int, complete bool, err error) {
	start, at, from := open+1, open+1, len(c.unquoted)
	for {
		quote := bytes.IndexByte(b[at:], '"')
		if quote < 0 {
			if c.window.last {
				return 0, false, errOpenQuote
			}
			return 0, false, nil
		}
		at += quote + 1
		if at == len(b) && !c.window.last {
			return 0, false, nil // the quote may be the first of two
		}
		if at == len(b) || b[at] != '"' {
			break
		}
		c.unquoted = append(c.unquoted, b[start:at]...)
		at++
		start = at
	}
	value := b[start : at-1]
	if len(c.unquoted) > from {
		c.unquoted = append(c.unquoted, value...)
		value = c.unquoted[from:len(c.unquoted):len(c.unquoted)]
	}
	c.newlines += int64(bytes.Count(b[open:at], newline))
	c.fields = append(c.fields, value)
	return at, true, nil
}

var newline = []byte{'\n'}

// endAfterQuote ends a record whose last field was quoted: only a line end or
// the end of the object may follow.
func (c *CSV) endAfterQuote(b []byte, at int) (size int, complete bool, err error) {
	c.rawEnd = at
	rest := b[at:]
	switch {
	case len(rest) == 0:
		return at, true, nil
	case rest[0] == '\n':
		c.newlines++
		return at + 1, true, nil
	case rest[0] != '\r':
		return 0, false, errTextAfterQuote
	case len(rest) == 1 && !c.window.last:
		return 0, false, nil
	case len(rest) == 1:
		return at + 1, true, nil
	case rest[1] == '\n':
		c.newlines++
		return at + 2, true, nil
	default:
		return 0, false, errTextAfterQuote
	}
}
