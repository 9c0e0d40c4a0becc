package reader

import "bytes"

// Block is a run of consecutive records. A block is valid until the next block is read.
type Block struct {
	// Text has the bytes of the spans.
	Text []byte
	// First is the number of the first record.
	First int64
	// raws and lines have one element for each record. starts has the index of each
	// record's first field, and the number of all fields at the end.
	raws   []Span
	lines  []int64
	starts []uint32
	fields []Span
	// unquoted has the values with doubled quotes, after unquoting.
	unquoted []byte
}

// Span is the place of a value in Text. With inUnquoted, the place is in unquoted.
type Span struct{ Start, End uint32 }

// inUnquoted is a flag in both ends of a span. Text is shorter than this number.
const inUnquoted = 1 << 31

// Len returns the number of records.
func (b *Block) Len() int { return len(b.raws) }

// Raw returns a record as written in the object.
func (b *Block) Raw(i int) []byte { return b.Text[b.raws[i].Start:b.raws[i].End] }

// Spans returns the values of all records. starts has the index of each record's first
// value, and the number of all values at the end.
func (b *Block) Spans() (values []Span, starts []uint32) { return b.fields, b.starts }

// HasByte reports whether the records, or the bytes between the records, contain the
// byte.
func (b *Block) HasByte(c byte) bool {
	if b.Len() == 0 {
		return false
	}
	return bytes.IndexByte(b.Text[b.raws[0].Start:b.raws[b.Len()-1].End], c) >= 0
}

// Fields returns the values of a CSV record. Value returns their bytes.
func (b *Block) Fields(i int) []Span { return b.fields[b.starts[i]:b.starts[i+1]] }

// Value returns the bytes of a span.
func (b *Block) Value(s Span) []byte {
	if s.Start&inUnquoted != 0 {
		return b.unquoted[s.Start&^inUnquoted : s.End&^inUnquoted]
	}
	return b.Text[s.Start:s.End]
}

// IsQuoted reports whether the value of a CSV field was in quotes. The byte before an
// unquoted value is a delimiter or a line end, and never a quote.
func (b *Block) IsQuoted(s Span) bool {
	return s.Start&inUnquoted != 0 || s.Start > 0 && b.Text[s.Start-1] == '"'
}

// Record returns the record at an index of the block.
func (b *Block) Record(i int) Record {
	record := Record{Number: b.First + int64(i), Line: b.lines[i], Raw: b.Raw(i)}
	for _, field := range b.Fields(i) {
		record.Fields = append(record.Fields, b.Value(field))
		record.Quoted = append(record.Quoted, b.IsQuoted(field))
	}
	return record
}

func (b *Block) reset(text []byte, first int64) {
	b.Text, b.First = text, first
	b.raws, b.lines, b.fields, b.unquoted = b.raws[:0], b.lines[:0], b.fields[:0], b.unquoted[:0]
	b.starts = append(b.starts[:0], 0)
}

// add ends a record. The caller has appended the fields of the record.
func (b *Block) add(raw Span, line int64) {
	b.raws = append(b.raws, raw)
	b.lines = append(b.lines, line)
	b.starts = append(b.starts, uint32(len(b.fields)))
}
