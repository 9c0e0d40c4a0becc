package row

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/firn-data/firn/internal/contract"
)

// outcome names the type if the text isn't of it, else the first of the text's
// rules that is broken.
func (c *Column) outcome(isOfType bool, text []byte) (broken string) {
	if !isOfType {
		return c.rules.kind
	}
	return c.checkTextRules(text)
}

// checkBytes holds text against what all text must be.
func (c *Column) checkBytes(v Value) (broken string) {
	if c.Contract.Type == contract.JSON {
		if v.Kind == Text && !isStructure(v.Text) {
			return c.rules.kind
		}
		return ""
	}
	if bytes.IndexByte(v.Text, 0) >= 0 {
		return c.rules.nul
	}
	return ""
}

// checkTextRules holds the text as the record has it, of whatever type: "1.50"
// isn't in the enum of "1.5".
func (c *Column) checkTextRules(text []byte) (broken string) {
	if !c.checkText {
		return ""
	}
	if broken = c.checkLength(text); broken != "" {
		return broken
	}
	if c.format != nil && !c.format(text) {
		return c.rules.format
	}
	if c.match != nil && !c.match(text) {
		return c.rules.pattern
	}
	if len(c.Contract.Enum) > 0 && !contains(c.Contract.Enum, text) {
		return c.rules.enum
	}
	return ""
}

// checkLength counts characters (Unicode code points), not bytes.
func (c *Column) checkLength(text []byte) (broken string) {
	shortest, longest := c.Contract.MinLength, c.Contract.MaxLength
	if shortest == nil && longest == nil {
		return ""
	}
	length := utf8.RuneCount(text)
	if shortest != nil && length < *shortest {
		return c.rules.minLength
	}
	if longest != nil && length > *longest {
		return c.rules.maxLength
	}
	return ""
}

func contains(texts []string, text []byte) bool {
	return slices.Contains(texts, string(text))
}

func (c *Column) checkExact(value Int128) (broken string) {
	for i := range c.bounds {
		if !c.bounds[i].holds(value) {
			return c.bounds[i].rule
		}
	}
	return ""
}

func (c *Column) checkDouble(value float64) (broken string) {
	for i := range c.bounds {
		if !c.bounds[i].double(value) {
			return c.bounds[i].rule
		}
	}
	return ""
}

// checkUnique looks the value up that was appended last, in its physical form:
// 1.5 and 1.50 are one value of a decimal(4,2).
func (c *Column) checkUnique() (broken string) {
	c.pending = true
	if c.seen.before(c.lastBytes()) {
		return c.rules.unique
	}
	return ""
}

func (c *Column) lastBytes() []byte {
	scratch := &c.scratch
	last := len(c.Present) - 1
	switch c.Physical {
	case Bytes:
		return c.Text[c.Ends[last]:c.Ends[last+1]]
	case Int64:
		return binary.LittleEndian.AppendUint64(scratch[:0], uint64(c.Int64s[last]))
	case Int32:
		return binary.LittleEndian.AppendUint32(scratch[:0], uint32(c.Int32s[last]))
	case Wide:
		high := binary.LittleEndian.AppendUint64(scratch[:0], uint64(c.Wides[last].High))
		return binary.LittleEndian.AppendUint64(high, c.Wides[last].Low)
	case Float64:
		return binary.LittleEndian.AppendUint64(scratch[:0], math.Float64bits(c.Float64s[last]))
	default:
		return strconv.AppendBool(scratch[:0], c.Bools[last])
	}
}
