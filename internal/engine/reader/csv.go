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
	rawEnd    int   // of that record
	// block holds the fields of the records that were split last.
	block Block
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

func (c *CSV) read() (Record, error) {
	block, err := c.NextBlock(1)
	if err != nil {
		return Record{}, err
	}
	return block.Record(0), nil
}

// NextBlock returns the next records, 1 to most, or io.EOF after the last. Any
// other error is a fault that names the record. The block is valid until the
// next call.
func (c *CSV) NextBlock(most int) (*Block, error) {
	for {
		c.block.reset(c.window.unread(), c.number+1)
		size, err := c.splitAll(most)
		c.window.skip(size)
		switch {
		case c.block.Len() > 0: // an error comes again with the next block
			return &c.block, nil
		case err != nil:
			return nil, err
		case c.window.last && len(c.window.unread()) == 0:
			return nil, io.EOF
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// splitAll splits the block's text into records, most of them at most, and
// skips blank lines. It returns the bytes that it took.
func (c *CSV) splitAll(most int) (size int, err error) {
	b := &c.block
	for b.Len() < most && size < len(b.Text) {
		fields, unquoted := len(b.fields), len(b.unquoted)
		end, complete, err := c.split(b.Text, size)
		switch {
		case err != nil:
			err = c.refuse(fault.BadQuoting, err)
		case complete && c.rawEnd-size > MaxRecord:
			err = c.refuse(fault.RecordTooLong, errTooLong)
		}
		if err != nil || !complete {
			b.fields, b.unquoted = b.fields[:fields], b.unquoted[:unquoted]
			return size, err
		}
		if c.rawEnd > size {
			c.number++
			b.add(Span{uint32(size), uint32(c.rawEnd)}, c.line)
		} else {
			b.fields = b.fields[:fields]
		}
		c.line += c.newlines
		size = end
	}
	return size, nil
}

func (c *CSV) fill() error {
	err := c.window.readMore()
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

// split cuts the record that begins at b[at] into fields, and sets where its
// raw text ends. It returns where the next record begins, or incomplete if b
// ends before the record does.
func (c *CSV) split(b []byte, at int) (end int, complete bool, err error) {
	c.newlines = 0
	delimiters := uint64(c.delimiter) * everyByte
	for {
		if at < len(b) && b[at] == '"' {
			at, complete, err = c.quotedField(b, at)
			if !complete || err != nil {
				return 0, false, err
			}
			if at == len(b) || b[at] != c.delimiter {
				return c.endAfterQuote(b, at)
			}
			at++
			continue
		}
		start := at
		at = indexFieldEnd(b, at, delimiters)
		if at == len(b) && !c.window.last {
			return 0, false, nil
		}
		c.block.fields = append(c.block.fields, Span{uint32(start), uint32(at)})
		if at == len(b) || b[at] == '\n' {
			return c.end(b, start, at)
		}
		at++
	}
}

// end ends a record whose last field, from start on, wasn't quoted: the "\r"
// before the line end is no part of it.
func (c *CSV) end(b []byte, start, at int) (end int, complete bool, err error) {
	end = at
	if at < len(b) {
		c.newlines++
		end++
	}
	if at > start && b[at-1] == '\r' {
		at--
		c.block.fields[len(c.block.fields)-1].End--
	}
	c.rawEnd = at
	return end, true, nil
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// indexFieldEnd returns the index of the first delimiter or "\n" from at on, or
// len(b). It looks at eight bytes at once: subtracting 1 sets the high bit of
// the first byte that is zero, and none before it.
func indexFieldEnd(b []byte, at int, delimiters uint64) int {
	for at+8 <= len(b) {
		word := binary.LittleEndian.Uint64(b[at:])
		x, y := word^delimiters, word^'\n'*everyByte
		if ends := ((x-everyByte)&^x | (y-everyByte)&^y) & highBits; ends != 0 {
			return at + bits.TrailingZeros64(ends)>>3
		}
		at += 8
	}
	for at < len(b) && b[at] != byte(delimiters) && b[at] != '\n' {
		at++
	}
	return at
}

// quotedField appends the field whose opening quote is b[open]. It returns the
// index after the closing quote.
func (c *CSV) quotedField(b []byte, open int) (end int, complete bool, err error) {
	block := &c.block
	start, at, from := open+1, open+1, len(block.unquoted)
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
		block.unquoted = append(block.unquoted, b[start:at]...)
		at++
		start = at
	}
	value := Span{uint32(start), uint32(at - 1)}
	if len(block.unquoted) > from {
		block.unquoted = append(block.unquoted, b[start:at-1]...)
		value = Span{uint32(from) | inUnquoted, uint32(len(block.unquoted)) | inUnquoted}
	}
	c.newlines += int64(bytes.Count(b[open:at], newline))
	block.fields = append(block.fields, value)
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
