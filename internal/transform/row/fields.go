package row

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
)

// Fields finds the values of CSV records by the header's names.
type Fields struct {
	// Extra are the header's columns that the contract doesn't have.
	Extra []string

	width  int
	places []int // by contract column: the field's index
	nulls  []string
	values []Value
}

// NewFields holds a header against the contract. A column twice or a missing
// one refuses the object: the names, not the places, say what a field is.
func NewFields(header []string, c *contract.Contract) (*Fields, error) {
	f := &Fields{width: len(header), nulls: c.NullValues, values: make([]Value, len(c.Columns))}
	places := make(map[string]int, len(header))
	for i, name := range header {
		if !ValidText([]byte(name)) {
			return nil, fault.Permanentf("read header", fault.BadEncoding, "the name of column %d isn't UTF-8", i+1)
		}
		if first, twice := places[name]; twice {
			return nil, fault.Permanentf("read header", fault.BadHeader, "column %q stands twice, as column %d and %d", name, first+1, i+1)
		}
		places[name] = i
	}
	var missing []string
	for _, column := range c.Columns {
		place, found := places[column.Header]
		if !found {
			missing = append(missing, fmt.Sprintf("%q", column.Header))
			continue
		}
		f.places = append(f.places, place)
		delete(places, column.Header)
	}
	if len(missing) > 0 {
		return nil, fault.Permanentf("read header", fault.BadHeader, "columns that the contract requires are missing: %s", strings.Join(missing, ", "))
	}
	for _, name := range header {
		if _, left := places[name]; left {
			f.Extra = append(f.Extra, name)
		}
	}
	return f, nil
}

// Values returns the record's values in the contract's order, valid until the
// next call, or the rule that the record as a whole breaks.
func (f *Fields) Values(fields [][]byte) (values []Value, broken string) {
	if len(fields) != f.width {
		return nil, RuleColumns
	}
	for i, place := range f.places {
		text := fields[place]
		if len(text) == 0 || f.isNull(text) {
			f.values[i] = Value{}
		} else {
			f.values[i] = Value{Kind: Text, Text: text}
		}
	}
	return f.values, ""
}

// isNull compares the whole value; whether it was quoted doesn't matter.
func (f *Fields) isNull(text []byte) bool {
	return slices.Contains(f.nulls, string(text))
}
