package row

import (
	"slices"

	"github.com/firn-data/firn/internal/engine/reader"
)

// Block is records on their way into a batch: what each has for each column,
// and the first rule that it breaks. It is reused, and valid no longer than the
// records that it was made of.
type Block struct {
	// Broken are the rules that the records break, "" for none. Batch.AddBlock
	// completes them.
	Broken []string
	// rejected counts them; column is where in the contract a record broke its
	// rule, or wholeRecord.
	rejected int
	column   []int

	records *reader.Block
	first   int64
	// spans lead to values in text; starts are where a record's begin, and
	// places where a column's are from there.
	text   *reader.Block
	spans  []reader.Span
	starts []uint32
	places []int
	// kinds are by span; nil if what isn't empty and none of nulls is Text.
	kinds []Kind
	nulls []string
	// special says that there are kinds or nulls.
	special bool
	// hasNUL says that a NUL may be among the texts.
	hasNUL bool
}

const wholeRecord = -1

// Len returns the number of records.
func (b *Block) Len() int { return len(b.Broken) }

// Record returns one of the records that the block was made of.
func (b *Block) Record(i int) reader.Record { return b.records.Record(i) }

// reset begins a block of the records, whose fields are the values.
func (b *Block) reset(records *reader.Block) {
	b.records, b.text, b.first = records, records, records.First
	b.spans, b.starts = records.Spans()
	b.hasNUL = records.HasByte(0)
	b.resize(records.Len())
}

// resize makes room for records that break no rule.
func (b *Block) resize(records int) {
	if cap(b.Broken) < records {
		b.Broken, b.column = make([]string, records), make([]int, records)
	}
	b.Broken, b.column, b.rejected = b.Broken[:records], b.column[:records], 0
	clear(b.Broken)
}

// copyOf makes the block one of values that are copied by setValues.
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

// setValues copies the values of the next record; none if it is rejected.
func (b *Block) setValues(values []Value) {
	b.starts = append(b.starts, uint32(len(b.spans)))
	for _, v := range values {
		start := len(b.text.Text)
		b.text.Text = append(b.text.Text, v.Text...)
		b.spans = append(b.spans, reader.Span{Start: uint32(start), End: uint32(len(b.text.Text))})
		b.kinds = append(b.kinds, v.Kind)
	}
}

// span returns where the value is that a record has at a place. A record that
// is rejected may have none.
func (b *Block) span(record, place int) reader.Span { return b.spans[int(b.starts[record])+place] }

// kind returns what the value is that a record has at a place.
func (b *Block) kind(record, place int, span reader.Span) Kind {
	if b.special || span.Start == span.End {
		return b.kindOf(record, place)
	}
	return Text
}

// kindOf compares a null value as a whole; whether it was quoted doesn't matter.
func (b *Block) kindOf(record, place int) Kind {
	i := int(b.starts[record]) + place
	if b.kinds != nil {
		return b.kinds[i]
	}
	span := b.spans[i]
	if span.Start == span.End || slices.Contains(b.nulls, string(b.text.Value(span))) {
		return Null
	}
	return Text
}

// reject notes the first rule that a record breaks, and the column of it.
func (b *Block) reject(record int, rule string, column int) {
	if b.Broken[record] == "" {
		b.rejected++
	}
	b.Broken[record], b.column[record] = rule, column
}
