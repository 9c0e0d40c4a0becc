package row

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// checkTexts checks the text of each value as written in the record, for all types: an
// enum with "1.5" rejects "1.50".
func (k *checker) checkTexts(b *Block, column int) {
	for i, broken := range b.Broken {
		if broken != "" {
			continue
		}
		span := b.span(i, b.places[column])
		if b.kind(i, b.places[column], span) == Null {
			continue
		}
		if rule := k.checkTextRules(b.text.Value(span)); rule != "" {
			b.reject(i, rule, column)
		}
	}
}

func (k *checker) checkTextRules(text []byte) (broken string) {
	if broken = k.checkLength(text); broken != "" {
		return broken
	}
	if k.format != nil && !k.format(text) {
		return k.rules.format
	}
	if k.match != nil && !k.match(text) {
		return k.rules.pattern
	}
	if len(k.contract.Enum) > 0 && !slices.Contains(k.contract.Enum, string(text)) {
		return k.rules.enum
	}
	return ""
}

// checkLength counts characters (Unicode code points), not bytes.
func (k *checker) checkLength(text []byte) (broken string) {
	shortest, longest := k.contract.MinLength, k.contract.MaxLength
	if shortest == nil && longest == nil {
		return ""
	}
	length := utf8.RuneCount(text)
	if shortest != nil && length < *shortest {
		return k.rules.minLength
	}
	if longest != nil && length > *longest {
		return k.rules.maxLength
	}
	return ""
}

// checkBounds checks the numbers of the block. The block's rows start at index from.
func (k *checker) checkBounds(c *Column, b *Block, column, from int) {
	for i := range k.bounds {
		limit := &k.bounds[i]
		switch c.Physical {
		case Int64:
			checkBound(c, b, column, from, limit.rule, c.Int64s, limit.allows64)
		case Int32:
			checkBound(c, b, column, from, limit.rule, c.Int32s, func(v int32) bool { return limit.allows64(int64(v)) })
		case Wide:
			checkBound(c, b, column, from, limit.rule, c.Wides, limit.allows)
		case Float64:
			checkBound(c, b, column, from, limit.rule, c.Float64s, limit.double)
		default: // no bounds
		}
	}
}

func checkBound[T any](c *Column, b *Block, column, from int, rule string, values []T, holds func(T) bool) {
	for i, v := range values[from:] {
		if b.Broken[i] == "" && !holds(v) && c.Present[from+i] {
			b.reject(i, rule, column)
		}
	}
}

// checkUnique compares the rows from index rows on with the accepted rows before, and
// remembers the accepted rows. A unique column is checked only if neither the column
// nor an earlier column broke a rule.
func (b *Batch) checkUnique(block *Block, rows int) {
	var unique []int
	for i, k := range b.checkers {
		if k.seen != nil {
			unique = append(unique, i)
		}
	}
	if unique == nil {
		return
	}
	for i := range block.Broken {
		if b.UniqueUpTo > 0 && block.first+int64(i) > b.UniqueUpTo {
			return
		}
		b.checkRow(block, i, rows+i, unique)
	}
}

func (b *Batch) checkRow(block *Block, record, row int, unique []int) {
	end := len(b.Columns)
	if block.Broken[record] != "" {
		end = block.column[record]
	}
	for _, column := range unique {
		c, k := b.Columns[column], b.checkers[column]
		if column >= end {
			return
		}
		if c.Present[row] && k.seen.before(c.bytesAt(row, &k.scratch)) {
			block.reject(record, k.rules.unique, column)
			return
		}
	}
	if block.Broken[record] != "" {
		return
	}
	for _, column := range unique {
		if b.Columns[column].Present[row] {
			b.checkers[column].seen.accept()
		}
	}
}

// bytesAt returns a value in its physical form: 1.5 and 1.50 are the same value of a
// decimal(4,2). The result may use scratch.
func (c *Column) bytesAt(row int, scratch *[16]byte) []byte {
	switch c.Physical {
	case Bytes:
		return c.TextAt(row)
	case Int64:
		return binary.LittleEndian.AppendUint64(scratch[:0], uint64(c.Int64s[row]))
	case Int32:
		return binary.LittleEndian.AppendUint32(scratch[:0], uint32(c.Int32s[row]))
	case Wide:
		high := binary.LittleEndian.AppendUint64(scratch[:0], uint64(c.Wides[row].High))
		return binary.LittleEndian.AppendUint64(high, c.Wides[row].Low)
	case Float64:
		return binary.LittleEndian.AppendUint64(scratch[:0], math.Float64bits(c.Float64s[row]))
	default:
		return strconv.AppendBool(scratch[:0], c.Bools[row])
	}
}
