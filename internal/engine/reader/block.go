package reader

import "bytes"

// Block is records that follow each other, split in one go. Nothing of it is
// valid after the next is read.
type Block struct {
	// Text is what the spans lead into.
	Text []byte
	// First is the number of the first record.
	First int64
	// raws and lines are by record; starts are where a record's fields begin,
	// and one more at the end.
	raws   []Span
	lines  []int64
	starts []uint32
	fields []Span
	// unquoted are the values that had doubled quotes.
	unquoted []byte
}

// Span is a value's place: in the text or, with inUnquoted, among the values
// that had doubled quotes.
type Span struct{ Start, End uint32 }

// inUnquoted marks both ends of a span; a window is shorter than that.
const inUnquoted = 1 << 31

// Len returns the number of records.
func (b *Block) Len() int { return len(b.raws) }

// Raw returns a record as it stands in the object.
func (b *Block) Raw(i int) []byte { return b.Text[b.raws[i].Start:b.raws[i].End] }

// Spans returns the values of all records, and where each record's begin, and
// one more at the end.
func (b *Block) Spans() (values []Span, starts []uint32) { return b.fields, b.starts }

// HasByte reports whether the byte is anywhere in the records or between them.
func (b *Block) HasByte(c byte) bool {
	if b.Len() == 0 {
		return false
	}
	return bytes.IndexByte(b.Text[b.raws[0].Start:b.raws[b.Len()-1].End], c) >= 0
}

// Fields returns a CSV record's values; Value returns their bytes.
func (b *Block) Fields(i int) []Span { return b.fields[b.starts[i]:b.starts[i+1]] }

// Value returns the bytes at a place.
func (b *Block) Value(s Span) []byte {
	if s.Start&inUnquoted != 0 {
		return b.unquoted[s.Start&^inUnquoted : s.End&^inUnquoted]
	}
	return b.Text[s.Start:s.End]
}

// Record returns one record of the block.
func (b *Block) Record(i int) Record {
	record := Record{Number: b.First + int64(i), Line: b.lines[i], Raw: b.Raw(i)}
	for _, field := range b.Fields(i) {
		record.Fields = append(record.Fields, b.Value(field))
	}
	return record
}

func (b *Block) reset(text []byte, first int64) {
	b.Text, b.First = text, first
	b.raws, b.lines, b.fields, b.unquoted = b.raws[:0], b.lines[:0], b.fields[:0], b.unquoted[:0]
	b.starts = append(b.starts[:0], 0)
}

// add ends a record, whose fields were appended before.
func (b *Block) add(raw Span, line int64) {
	b.raws = append(b.raws, raw)
	b.lines = append(b.lines, line)
	b.starts = append(b.starts, uint32(len(b.fields)))
}
