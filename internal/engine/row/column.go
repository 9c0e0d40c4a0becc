package row

import (
	"slices"

	"github.com/firn-data/firn/internal/contract"
)

// Physical is the in-memory form of a column's values.
type Physical uint8

// The physical forms. Column has one slice for each form.
const (
	Bytes Physical = iota
	Int64
	Int32
	Wide // Int128
	Float64
	Bool
)

// The most digits of a decimal in 32 and in 64 bits.
const (
	maxDigits32 = 9
	maxDigits64 = 18
)

// Column collects the values of one contract column. Each row has one element in
// Present and one in the slice of the physical form. The element of a null is zero.
type Column struct {
	Contract contract.Column
	Physical Physical
	Present  []bool
	Int64s   []int64
	Int32s   []int32
	Wides    []Int128
	Float64s []float64
	Bools    []bool
	// Text has the joined values of a Bytes column. The value of row i is
	// Text[Ends[i]:Ends[i+1]].
	Text []byte
	Ends []int32
}

func newColumn(c contract.Column) *Column {
	return &Column{Contract: c, Physical: PhysicalOf(c), Ends: []int32{0}}
}

// PhysicalOf returns the physical form of a column. A decimal gets the smallest form
// for its precision, as the Parquet format requires.
func PhysicalOf(c contract.Column) Physical {
	switch c.Type {
	case contract.Integer, contract.Timestamp, contract.Time:
		return Int64
	case contract.Double:
		return Float64
	case contract.Boolean:
		return Bool
	case contract.Date:
		return Int32
	case contract.Decimal:
		return decimalPhysical(c.Precision)
	default:
		return Bytes
	}
}

func decimalPhysical(precision int) Physical {
	switch {
	case precision <= maxDigits32:
		return Int32
	case precision <= maxDigits64:
		return Int64
	default:
		return Wide
	}
}

// Len returns the number of rows.
func (c *Column) Len() int { return len(c.Present) }

// Nulls returns the number of rows without a value.
func (c *Column) Nulls() int {
	nulls := 0
	for _, isPresent := range c.Present {
		if !isPresent {
			nulls++
		}
	}
	return nulls
}

// TextAt returns the text of a row.
func (c *Column) TextAt(i int) []byte { return c.Text[c.Ends[i]:c.Ends[i+1]] }

// appendText appends a row with a text.
func (c *Column) appendText(text []byte) {
	c.Present = append(c.Present, true)
	c.Text = append(c.Text, text...)
	c.Ends = append(c.Ends, int32(len(c.Text)))
}

// appendNulls appends rows without a value.
func (c *Column) appendNulls(rows int) {
	grow(&c.Present, rows)
	switch c.Physical {
	case Bytes:
		for range rows {
			c.Ends = append(c.Ends, int32(len(c.Text)))
		}
	case Int64:
		grow(&c.Int64s, rows)
	case Int32:
		grow(&c.Int32s, rows)
	case Wide:
		grow(&c.Wides, rows)
	case Float64:
		grow(&c.Float64s, rows)
	case Bool:
		grow(&c.Bools, rows)
	}
}

// keep drops the rows from index rows on, except the rows of the kept spans. Spans
// count from rows.
func (c *Column) keep(rows int, kept []span) {
	c.Present = keep(c.Present, rows, kept)
	switch c.Physical {
	case Bytes:
		c.keepTexts(rows, kept)
	case Int64:
		c.Int64s = keep(c.Int64s, rows, kept)
	case Int32:
		c.Int32s = keep(c.Int32s, rows, kept)
	case Wide:
		c.Wides = keep(c.Wides, rows, kept)
	case Float64:
		c.Float64s = keep(c.Float64s, rows, kept)
	case Bool:
		c.Bools = keep(c.Bools, rows, kept)
	}
}

func keep[T any](values []T, rows int, kept []span) []T {
	end := rows
	for _, k := range kept {
		end += copy(values[end:], values[rows+k.from:rows+k.to])
	}
	return values[:end]
}

func (c *Column) keepTexts(rows int, kept []span) {
	end, size := rows, c.Ends[rows]
	for _, k := range kept {
		from, to := c.Ends[rows+k.from], c.Ends[rows+k.to]
		moved := from - size
		size += int32(copy(c.Text[size:], c.Text[from:to]))
		for _, e := range c.Ends[rows+k.from+1 : rows+k.to+1] {
			end++
			c.Ends[end] = e - moved
		}
	}
	c.Text, c.Ends = c.Text[:size], c.Ends[:end+1]
}

// grow appends count zeros and returns the new elements.
func grow[T any](values *[]T, count int) []T {
	from := len(*values)
	*values = slices.Grow(*values, count)[:from+count]
	added := (*values)[from:]
	clear(added)
	return added
}
