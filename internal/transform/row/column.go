package row

import (
	"github.com/firn-data/firn/internal/contract"
)

// Physical is how a column's values are held.
type Physical uint8

// The physical forms. Each has one slice of Column.
const (
	Bytes Physical = iota
	Int64
	Int32
	Wide // Int128
	Float64
	Bool
)

// Most digits of a decimal that is held in 32 and in 64 bits.
const (
	maxDigits32 = 9
	maxDigits64 = 18
)

// Column collects the values of one contract column. Each row has one element
// in Present and one in the slice of the physical form; a null's is zero.
type Column struct {
	Contract contract.Column
	Physical Physical
	Present  []bool
	Int64s   []int64
	Int32s   []int32
	Wides    []Int128
	Float64s []float64
	Bools    []bool
	// Text holds the values of a Bytes column, one after the other; the value
	// of row i is Text[Ends[i]:Ends[i+1]].
	Text []byte
	Ends []int32

	// accepts is the bit set of the kinds that the type may be read from.
	accepts uint8
	// form is a decimal's; bounds are a number's, in the order of checking.
	form   decimalForm
	bounds []bound
	// format and match are nil without a format or pattern. checkText says that
	// there is one, an enum or a length, so that most columns skip all of them.
	format    func([]byte) bool
	match     func([]byte) bool
	checkText bool
	// seen is nil unless the column is unique; pending says that it has a
	// candidate of the row that is being added.
	seen    *seen
	pending bool
	scratch [16]byte
	rules   ruleNames
}

// add appends the value, or returns the rule that it breaks; what was appended
// then is for truncate to take back. unique says whether a unique column looks
// at the value.
func (c *Column) add(v Value, unique bool) (broken string) {
	c.pending = false
	if v.Kind == Null {
		if c.Contract.Required {
			return c.rules.required
		}
		c.addNull()
		return ""
	}
	if c.accepts&(1<<v.Kind) == 0 {
		return c.rules.kind
	}
	if broken = c.addTyped(v); broken != "" {
		return broken
	}
	c.Present = append(c.Present, true)
	if unique && c.seen != nil {
		return c.checkUnique()
	}
	return ""
}

// addNull appends a null: a zero that Present marks as absent.
func (c *Column) addNull() {
	c.Present = append(c.Present, false)
	switch c.Physical {
	case Bytes:
		c.Ends = append(c.Ends, int32(len(c.Text)))
	case Int64:
		c.Int64s = append(c.Int64s, 0)
	case Int32:
		c.Int32s = append(c.Int32s, 0)
	case Wide:
		c.Wides = append(c.Wides, Int128{})
	case Float64:
		c.Float64s = append(c.Float64s, 0)
	case Bool:
		c.Bools = append(c.Bools, false)
	}
}

// addTyped parses the text and appends the value, broken or not. The type is
// checked first, then the text's rules, then a number's bounds.
func (c *Column) addTyped(v Value) (broken string) {
	text := v.Text
	switch c.Physical {
	case Bytes:
		if broken = c.checkBytes(v); broken == "" {
			broken = c.checkTextRules(text)
		}
		c.addText(text)
		return broken
	case Bool:
		isTrue := string(text) == "true"
		c.Bools = append(c.Bools, isTrue)
		return c.outcome(isTrue || string(text) == "false", text)
	case Float64:
		value, ok := parseDouble(text)
		c.Float64s = append(c.Float64s, value)
		if broken = c.outcome(ok, text); broken == "" {
			broken = c.checkDouble(value)
		}
		return broken
	case Wide:
		value, ok := c.form.parse128(text)
		c.Wides = append(c.Wides, value)
		if broken = c.outcome(ok, text); broken == "" {
			broken = c.checkExact(value)
		}
		return broken
	default:
		value, ok := c.parse64(text)
		if c.Physical == Int32 {
			c.Int32s = append(c.Int32s, int32(value))
		} else {
			c.Int64s = append(c.Int64s, value)
		}
		if broken = c.outcome(ok, text); broken == "" && c.bounds != nil {
			broken = c.checkExact(Int128{High: value >> 63, Low: uint64(value)})
		}
		return broken
	}
}

// parse64 reads what fits 64 bits: the value's unscaled, day or microsecond
// number.
func (c *Column) parse64(text []byte) (int64, bool) {
	switch c.Contract.Type {
	case contract.Integer:
		return parseInteger(text)
	case contract.Decimal:
		return c.form.parse64(text)
	case contract.Date:
		days, ok := parseDate(text)
		return int64(days), ok
	case contract.Time:
		return parseTime(text)
	default:
		return parseTimestamp(text)
	}
}

func (c *Column) addText(text []byte) {
	c.Text = append(c.Text, text...)
	c.Ends = append(c.Ends, int32(len(c.Text)))
}

// accept makes the last value one that was seen before.
func (c *Column) accept() {
	if c.pending {
		c.seen.accept()
	}
}

// truncate drops what was appended after the first rows rows.
func (c *Column) truncate(rows int) {
	c.Present = c.Present[:min(rows, len(c.Present))]
	switch c.Physical {
	case Bytes:
		c.Ends = c.Ends[:min(rows+1, len(c.Ends))]
		c.Text = c.Text[:c.Ends[len(c.Ends)-1]]
	case Int64:
		c.Int64s = c.Int64s[:min(rows, len(c.Int64s))]
	case Int32:
		c.Int32s = c.Int32s[:min(rows, len(c.Int32s))]
	case Wide:
		c.Wides = c.Wides[:min(rows, len(c.Wides))]
	case Float64:
		c.Float64s = c.Float64s[:min(rows, len(c.Float64s))]
	case Bool:
		c.Bools = c.Bools[:min(rows, len(c.Bools))]
	}
}
