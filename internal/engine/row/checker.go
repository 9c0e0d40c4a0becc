package row

import (
	"bytes"
	"encoding/binary"

	"github.com/firn-data/firn/internal/contract"
)

// checker checks the values of one column by the column's type and rules.
type checker struct {
	contract contract.Column
	physical Physical
	// accepts is the set of value kinds valid for the type: bit 1<<Kind is set.
	accepts uint8
	// form is set for decimals, bounds for numbers. bounds is in the order of the
	// checks.
	form   decimalForm
	bounds []bound
	// format and match are nil without a format or pattern. checkText is true if the
	// column has a format, pattern, enum or length: most columns skip these checks.
	format    func([]byte) bool
	match     func([]byte) bool
	checkText bool
	// seen is nil unless the column is unique.
	seen    *seen
	scratch [16]byte
	rules   ruleNames
}

// add appends one row for each record, also for rejected records: the batch drops their
// rows later. The checks run in this order: type, rules for text, bounds. The batch
// checks unique columns last. A column without values in the records gets nulls without
// a check: only a column that isn't required can be absent.
func (k *checker) add(c *Column, b *Block, column int) {
	if b.places[column] == absent {
		c.appendNulls(b.Len())
		return
	}
	from := c.Len()
	switch k.physical {
	case Bytes:
		k.addTexts(c, b, column)
	case Int64:
		addParsed(k, &c.Present, &c.Int64s, b, column, k.parser64())
	case Int32:
		addParsed(k, &c.Present, &c.Int32s, b, column, k.parser32())
	case Wide:
		addParsed(k, &c.Present, &c.Wides, b, column, k.form.parse128)
	case Float64:
		addParsed(k, &c.Present, &c.Float64s, b, column, parseDouble)
	case Bool:
		addParsed(k, &c.Present, &c.Bools, b, column, parseBoolean)
	}
	if k.checkText {
		k.checkTexts(b, column)
	}
	if len(k.bounds) > 0 {
		k.checkBounds(c, b, column, from)
	}
}

// addParsed appends the values of a type with a parser.
func addParsed[T any](k *checker, present *[]bool, values *[]T, b *Block, column int, parse func([]byte) (T, bool)) {
	records, place := b.Len(), b.places[column]
	isPresent, parsed := grow(present, records)[:records], grow(values, records)[:records]
	for i, broken := range b.Broken[:records] {
		if broken != "" {
			continue
		}
		span := b.span(i, place)
		kind := b.kind(i, place, span)
		if kind != Text {
			if rule := k.missing(kind); rule != "" {
				b.reject(i, rule, column)
				continue
			}
			if kind == Null {
				continue
			}
		}
		var ok bool
		if parsed[i], ok = parse(b.text.Value(span)); !ok {
			b.reject(i, k.rules.kind, column)
		}
		isPresent[i] = true
	}
}

// missing returns the rule broken by a value of the kind, or "".
func (k *checker) missing(kind Kind) (broken string) {
	switch {
	case kind == Null && k.contract.Required:
		return k.rules.required
	case kind != Null && k.accepts&(1<<kind) == 0:
		return k.rules.kind
	default:
		return ""
	}
}

func (k *checker) addTexts(c *Column, b *Block, column int) {
	records, place := b.Len(), b.places[column]
	isPresent, ends := grow(&c.Present, records)[:records], grow(&c.Ends, records)[:records]
	for i, broken := range b.Broken[:records] {
		if broken == "" {
			span := b.span(i, place)
			kind := b.kind(i, place, span)
			text := b.text.Value(span)
			if rule := k.checkBytes(kind, text, b.hasNUL); rule != "" {
				b.reject(i, rule, column)
			} else if kind != Null {
				c.Text = appendText(c.Text, text)
				isPresent[i] = true
			}
		}
		ends[i] = int32(len(c.Text))
	}
}

// appendText is an append optimized for short texts: a copy of two 8-byte words is
// faster than a function call.
func appendText(dst, text []byte) []byte {
	const short = 16
	n := len(text)
	if n > short || cap(text) < short || cap(dst)-len(dst) < short {
		return append(dst, text...)
	}
	from, to := text[:short], dst[len(dst):len(dst)+short]
	binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(from))
	binary.LittleEndian.PutUint64(to[short/2:], binary.LittleEndian.Uint64(from[short/2:]))
	return dst[:len(dst)+n]
}

// checkBytes checks the rules for all texts: kind, NUL, and JSON structure.
func (k *checker) checkBytes(kind Kind, text []byte, mayHaveNUL bool) (broken string) {
	switch {
	case kind != Text && k.missing(kind) != "":
		return k.missing(kind)
	case k.contract.Type != contract.JSON:
		if mayHaveNUL && bytes.IndexByte(text, 0) >= 0 {
			return k.rules.nul
		}
	case kind == Text && !isStructure(text):
		return k.rules.kind
	}
	return ""
}

// parser64 returns the parser of a 64-bit type. The result is an unscaled number, or
// microseconds.
func (k *checker) parser64() func([]byte) (int64, bool) {
	switch k.contract.Type {
	case contract.Integer:
		return parseInteger
	case contract.Decimal:
		return k.form.parse64
	case contract.Time:
		return parseTime
	default:
		return parseTimestamp
	}
}

func (k *checker) parser32() func([]byte) (int32, bool) {
	if k.contract.Type == contract.Date {
		return parseDate
	}
	return func(text []byte) (int32, bool) {
		value, ok := k.form.parse64(text)
		return int32(value), ok
	}
}

func parseBoolean(text []byte) (value, ok bool) {
	value = string(text) == "true"
	return value, value || string(text) == "false"
}
