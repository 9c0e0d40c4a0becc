package row

import (
	"slices"
	"strconv"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

// Fields finds the values of CSV records by the names in the header.
type Fields struct {
	// Extra are the header's columns without a column in the contract.
	Extra []string
	// Absent are the names of the contract's columns without a column in the header. All
	// their values are null.
	Absent []string

	width int
	block Block
}

// NewFields matches a header with the contract by name, not by position. The header is
// refused if a name is there twice or a required column is missing. A first line without
// a column of the contract is no header of the dataset, and is refused too. The same
// applies to a header with a missing column and a line end inside a name: the reader
// took several lines for one. A contract without columns, for a draft, accepts every
// name.
func NewFields(header []string, c *contract.Contract) (*Fields, error) {
	f := &Fields{width: len(header), block: Block{
		nulls: c.NullValues, special: len(c.NullValues) > 0, quotedIsText: c.QuotedNull == contract.QuotedIsValue,
	}}
	places, err := placesOf(header, c.Columns)
	if err != nil {
		return nil, err
	}
	if err := f.matchColumns(places, c.Columns); err != nil {
		return nil, err
	}
	for _, name := range header {
		if _, left := places[name]; left {
			f.Extra = append(f.Extra, name)
		}
	}
	return f, nil
}

// placesOf returns the index of each name in the header. The cause of a refusal has only
// names of the contract, because the first line may be a record.
func placesOf(header []string, columns []contract.Column) (map[string]int, error) {
	places := make(map[string]int, len(header))
	for i, name := range header {
		if !ValidText([]byte(name)) {
			return nil, fault.Permanentf("read header", fault.BadEncoding, "the name of column %d isn't UTF-8", i+1)
		}
		if first, isDuplicate := places[name]; isDuplicate {
			described := "a column that the contract doesn't have"
			if len(columns) == 0 || slices.ContainsFunc(columns, func(c contract.Column) bool { return c.Header == name }) {
				described = "column " + strconv.Quote(name)
			}
			return nil, fault.Permanentf("read header", fault.BadHeader, "%s occurs twice, as column %d and %d", described, first+1, i+1)
		}
		places[name] = i
	}
	return places, nil
}

// matchColumns finds the place of each column, and removes the found names from places.
func (f *Fields) matchColumns(places map[string]int, columns []contract.Column) error {
	var required []string
	for _, column := range columns {
		place, found := places[column.Header]
		switch {
		case found:
			delete(places, column.Header)
		case column.Required:
			required = append(required, strconv.Quote(column.Header))
		default:
			place = absent
			f.Absent = append(f.Absent, column.Name)
		}
		f.block.places = append(f.block.places, place)
	}
	if len(required) > 0 {
		return fault.Permanentf("read header", fault.BadHeader, "columns that the contract requires are missing: %s", strings.Join(required, ", "))
	}
	if len(f.Absent) == 0 {
		return nil
	}
	if len(f.Absent) == len(columns) {
		return fault.Permanentf("read header", fault.BadHeader, "no name in the first line is a column of the contract")
	}
	for name := range places {
		if strings.ContainsAny(name, "\r\n") {
			return fault.Permanentf("read header", fault.BadHeader, "columns are missing, and a name has a line end inside: lines must end in LF or CRLF")
		}
	}
	return nil
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
