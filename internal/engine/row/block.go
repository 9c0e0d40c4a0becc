package row

import (
	"slices"

	"github.com/firn-data/firn/internal/engine/reader"
)

// Block holds a run of records before they enter a batch: the value of each record for
// each column, and the record's first broken rule. A block is reused, and is valid as
// long as the records behind the block.
type Block struct {
	// Broken has one broken rule for each record, "" for none. Batch.AddBlock adds the
	// rules of columns.
	Broken []string
	// rejected is the number of records with a broken rule. column is the index of the
	// column with that rule, or wholeRecord.
	rejected int
	column   []int

	records *reader.Block
	first   int64
	// spans are the places of the values in text. starts are the indexes of each
	// record's first span. places are the offsets of the contract's columns from there,
	// or absent.
	text   *reader.Block
	spans  []reader.Span
	starts []uint32
	places []int
	// kinds are the kinds of the values, by span. If kinds is nil, a value is Null when
	// its text is empty or listed in nulls, and Text otherwise.
	// With quotedIsText, a value in quotes is always Text.
	kinds        []Kind
	nulls        []string
	quotedIsText bool
	// special reports that kinds or nulls aren't empty.
	special bool
	// hasNUL reports that the texts may contain a NUL.
	hasNUL bool
}

const wholeRecord = -1

// absent is the place of a column without values in the records.
const absent = -1

// Len returns the number of records.
func (b *Block) Len() int { return len(b.Broken) }

// Record returns the record at an index of the block.
func (b *Block) Record(i int) reader.Record { return b.records.Record(i) }

// reset starts a block of the records, with their fields as values.
func (b *Block) reset(records *reader.Block) {
	b.records, b.text, b.first = records, records, records.First
	b.spans, b.starts = records.Spans()
	b.hasNUL = records.HasByte(0)
	b.resize(records.Len())
}

// resize sets the number of records. No record has a broken rule afterwards.
func (b *Block) resize(records int) {
	if cap(b.Broken) < records {
		b.Broken, b.column = make([]string, records), make([]int, records)
	}
	b.Broken, b.column, b.rejected = b.Broken[:records], b.column[:records], 0
	clear(b.Broken)
}

// copyOf starts a block whose values are copied by setValues.
func (b *Block) copyOf(columns int) {
	if b.places == nil {
		for i := range columns {
			b.places = append(b.places, i)
		}
		b.text = &reader.Block{}
		b.kinds, b.special = []Kind{}, true
	}
	b.text.Text, b.spans, b.kinds, b.starts = b.text.Text[:0], b.spans[:0], b.kinds[:0], b.starts[:0]
}

// setValues copies the values of the next record. A rejected record has no values.
func (b *Block) setValues(values []Value) {
	b.starts = append(b.starts, uint32(len(b.spans)))
	for _, v := range values {
		start := len(b.text.Text)
		b.text.Text = append(b.text.Text, v.Text...)
		b.spans = append(b.spans, reader.Span{Start: uint32(start), End: uint32(len(b.text.Text))})
		b.kinds = append(b.kinds, v.Kind)
	}
}

// span returns the place of a record's value. place is the offset of the column. A
// rejected record may have no value at that offset.
func (b *Block) span(record, place int) reader.Span { return b.spans[int(b.starts[record])+place] }

// kind returns the kind of a record's value. place is the offset of the column.
func (b *Block) kind(record, place int, span reader.Span) Kind {
	if b.special || span.Start == span.End {
		return b.kindOf(record, place)
	}
	return Text
}

// kindOf compares whole values with nulls. Quotes around a CSV value make no difference
// without quotedIsText.
func (b *Block) kindOf(record, place int) Kind {
	i := int(b.starts[record]) + place
	if b.kinds != nil {
		return b.kinds[i]
	}
	span := b.spans[i]
	isNull := span.Start == span.End || slices.Contains(b.nulls, string(b.text.Value(span)))
	if isNull && !(b.quotedIsText && b.text.IsQuoted(span)) {
		return Null
	}
	return Text
}

// reject sets a record's broken rule and the column of the rule.
func (b *Block) reject(record int, rule string, column int) {
	if b.Broken[record] == "" {
		b.rejected++
	}
	b.Broken[record], b.column[record] = rule, column
}
