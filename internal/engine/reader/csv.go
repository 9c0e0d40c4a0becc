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

// Bad quotes refuse the object (rule Q). A reader can only guess the start of the next
// record.
var (
	errTextAfterQuote = errors.New("there is text after a closing quote")
	errOpenQuote      = errors.New("its quote is never closed")
)

// CSV reads records by RFC 4180, strictly: "\n" ends a record, and a "\r" before the
// "\n" is dropped. A quote has a meaning only as the first byte of a field. Text after
// a closing quote refuses the object. An empty line is no record.
type CSV struct {
	window    *window
	delimiter byte
	header    bool
	number    int64
	line      int64
	newlines  int64 // in the current record
	rawEnd    int   // end of the current record
	// block has the last records.
	block Block
}

// NewCSV returns a reader of uncompressed text.
func NewCSV(source io.Reader, delimiter byte) *CSV {
	return &CSV{window: newWindow(source), delimiter: delimiter, line: 1}
}

// Header reads the first record: the column names. Call Header once, before any other
// method. An object without a record is refused. A name without quotes and with a "\r"
// inside is refused, too: lines that end in "\r" would all be names of the header.
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
		if !record.Quoted[i] && bytes.IndexByte(field, '\r') >= 0 {
			return nil, fault.Permanentf("read header", fault.BadHeader, "the name of column %d has a CR inside and no quotes: lines must end in LF or CRLF", i+1)
		}
		names[i] = string(field)
	}
	c.header, c.number = false, 0
	return names, nil
}

// Next returns the next record, or io.EOF after the last. Any other error is a fault
// with the number of the record.
func (c *CSV) Next() (Record, error) { return c.read() }

func (c *CSV) read() (Record, error) {
	block, err := c.NextBlock(1)
	if err != nil {
		return Record{}, err
	}
	return block.Record(0), nil
}

// NextBlock returns the next records, at most the given number, or io.EOF after the
// last. Any other error is a fault with the number of the record. The block is valid
// until the next call.
func (c *CSV) NextBlock(limit int) (*Block, error) {
	for {
		c.block.reset(c.window.unread(), c.number+1)
		size, err := c.splitAll(limit)
		c.window.skip(size)
		switch {
		case c.block.Len() > 0: // the next call returns the error again
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

// splitAll splits the block's text into records, at most the given number, and skips
// empty lines. size is the number of used bytes.
func (c *CSV) splitAll(limit int) (size int, err error) {
	b := &c.block
	for b.Len() < limit && size < len(b.Text) {
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

// refuse returns a fault with the number and line of the record, so that an operator
// finds the record in an editor.
func (c *CSV) refuse(code fault.Code, cause error) error {
	name := fmt.Sprintf("record %d", c.number+1)
	if c.header {
		name = "the header"
	}
	return fault.Permanentf("read record", code, "%s (line %d): %w", name, c.line, cause)
}

// split splits the record at b[at] into fields and sets rawEnd. end is the start of the
// next record. complete is false if b ends before the record.
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

// end ends a record with an unquoted last field. start is the start of that field. A
// "\r" before the line end isn't a part of the field.
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

// indexFieldEnd returns the index of the first delimiter or "\n" from index at on, or
// len(b). The loop tests eight bytes at once: subtracting 1 sets the high bit of the
// first zero byte, and of no byte before.
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

// quotedField appends the field with the opening quote b[open]. end is the index after
// the closing quote.
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
			return 0, false, nil // possibly the first of two quotes
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

// endAfterQuote ends a record with a quoted last field. Only a line end or the end of
// the object may follow.
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
