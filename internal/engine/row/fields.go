package row

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

// Fields finds the values of CSV records by the names in the header.
type Fields struct {
	// Extra are the header's columns without a column in the contract.
	Extra []string

	width int
	block Block
}

// NewFields matches a header with the contract by name, not by position. A duplicate or
// missing column refuses the object.
func NewFields(header []string, c *contract.Contract) (*Fields, error) {
	f := &Fields{width: len(header), block: Block{nulls: c.NullValues, special: len(c.NullValues) > 0}}
	places := make(map[string]int, len(header))
	for i, name := range header {
		if !ValidText([]byte(name)) {
			return nil, fault.Permanentf("read header", fault.BadEncoding, "the name of column %d isn't UTF-8", i+1)
		}
		if first, isDuplicate := places[name]; isDuplicate {
			return nil, fault.Permanentf("read header", fault.BadHeader, "column %q occurs twice, as column %d and %d", name, first+1, i+1)
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
		f.block.places = append(f.block.places, place)
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

// Block returns the values of the records for the contract's columns, valid until the
// next call.
func (f *Fields) Block(records *reader.Block) *Block {
	b := &f.block
	b.reset(records)
	for i := range records.Len() {
		switch {
		case !ValidText(records.Raw(i)):
			b.reject(i, RuleUTF8, wholeRecord)
		case len(records.Fields(i)) != f.width:
			b.reject(i, RuleColumns, wholeRecord)
		}
	}
	return b
}
