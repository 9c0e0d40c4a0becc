package evolve

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// Difference is the difference between a contract and its next version: the change of
// the table, and the effect on files.
type Difference struct {
	Change

	// Compatible is true if the change isn't refused, and if each file of one version
	// loads under the other version: all records, with the same values.
	Compatible bool `json:"compatible"`
	// OlderFiles are the reasons why a file of the old contract may not load under the
	// new one, for example in a reload. NewerFiles are the reasons why a file of the new
	// contract may not load under the old one, before the deployment. Both are
	// sentences.
	OlderFiles []string `json:"older_files"`
	NewerFiles []string `json:"newer_files"`
}

func newDifference(change Change, from, to *contract.Contract) Difference {
	d := Difference{Change: change, OlderFiles: misfits(from, to, "the new contract"), NewerFiles: misfits(to, from, "the old contract")}
	d.Compatible = len(d.Refusals)+len(d.OlderFiles)+len(d.NewerFiles) == 0
	return d
}

// comparison compares the files of one contract, the writer, with another contract, the
// reader. A file of the writer has only columns of the writer. The writer accepts all
// its records. The file may lack columns that the writer doesn't require.
type comparison struct {
	writer, reader *contract.Contract
	// name is the reader's name in sentences.
	name    string
	reasons []string
}

// misfits returns the reasons why the reader may not load a file of the writer; none if
// the reader loads every such file with the same values. The comparison is careful: it
// compares patterns by their text, for example.
func misfits(writer, reader *contract.Contract, name string) []string {
	c := &comparison{writer: writer, reader: reader, name: name, reasons: []string{}}
	c.compareKeys()
	c.compareForm()
	c.compareExtra()
	for _, column := range reader.Columns {
		c.compareColumn(column)
	}
	c.compareHeader()
	return c.reasons
}

func (c *comparison) addf(format string, args ...any) {
	c.reasons = append(c.reasons, fmt.Sprintf(format, args...))
}

// compareKeys compares the landing keys.
func (c *comparison) compareKeys() {
	if !strings.HasPrefix(c.writer.KeyPrefix, c.reader.KeyPrefix) {
		c.addf("the keys begin with %s, and %s has only keys that begin with %s.", c.writer.KeyPrefix, c.name, c.reader.KeyPrefix)
	}
	wanted := c.reader.Delivery
	if wanted == nil {
		return
	}
	given := c.writer.Delivery
	if given == nil || given.Key != wanted.Key || given.Files != wanted.Files || c.writer.KeyPrefix != c.reader.KeyPrefix {
		c.addf("the form of the deliveries differs, and %s refuses a key of another form than %s.", c.name, c.reader.KeyPrefix+wanted.Key)
	}
}

// compareForm compares the properties that say how to read a file.
func (c *comparison) compareForm() {
	differs := func(what string, one, other any) {
		if one != other {
			c.addf("%s is %q in the file, and %q in %s.", what, one, other, c.name)
		}
	}
	differs("the format", string(c.writer.Format), string(c.reader.Format))
	if c.writer.Format != contract.CSV || c.reader.Format != contract.CSV {
		return
	}
	differs("the delimiter", string(rune(c.writer.Delimiter)), string(rune(c.reader.Delimiter)))
	differs("the encoding", string(c.writer.Encoding), string(c.reader.Encoding))
	differs("the meaning of a quoted null text", string(quotedNull(c.writer)), string(quotedNull(c.reader)))
	differs("the list of null texts", nullTexts(c.writer), nullTexts(c.reader))
}

func quotedNull(c *contract.Contract) contract.QuotedNull {
	return cmp.Or(c.QuotedNull, contract.QuotedIsNull)
}

// nullTexts returns the texts in order, each text once.
func nullTexts(c *contract.Contract) string {
	texts := slices.Sorted(slices.Values(c.NullValues))
	return strings.Join(slices.Compact(texts), ", ")
}

// compareExtra looks for columns that the reader doesn't know. Such columns matter only
// to a reader that refuses new columns.
func (c *comparison) compareExtra() {
	if c.reader.NewColumns != contract.RefuseNewColumns {
		return
	}
	known := make(map[string]bool)
	for _, column := range c.reader.Columns {
		known[c.topName(column)] = true
	}
	if c.reader.Format == contract.NDJSON && known[""] {
		return
	}
	for _, column := range c.writer.Columns {
		if name := c.topName(column); !known[name] {
			c.addf("column %s: %s refuses files with a column that it doesn't have.", column.Name, c.name)
		}
	}
}

// topName returns the name that an engine compares for a new column: the header, or the
// member at the top of the record; "" for a column with the whole record.
func (c *comparison) topName(column contract.Column) string {
	if c.reader.Format == contract.CSV {
		return column.Header
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(column.Path, "/"), "/")
	return name
}

// placeOf returns the place of a column's values in a file.
func (c *comparison) placeOf(column contract.Column) string {
	if c.reader.Format == contract.CSV {
		return column.Header
	}
	return column.Path
}

// compareColumn compares a column of the reader with the writer's columns at the same
// place.
func (c *comparison) compareColumn(column contract.Column) {
	if same := c.writer.Column(column.Name); same != nil && c.placeOf(*same) != c.placeOf(column) {
		c.addf("column %s: the values are at %q in the file, and %s reads %q.", column.Name, c.placeOf(*same), c.name, c.placeOf(column))
	}
	found := false
	for _, given := range c.writer.Columns {
		if c.placeOf(given) == c.placeOf(column) {
			found = true
			c.compareValues(given, column)
		}
	}
	if !found {
		c.compareAbsent(column)
	}
}

// compareAbsent judges a column of the reader without a column of the writer at the same
// place. In NDJSON, a place can be inside the value of another column, or around it.
func (c *comparison) compareAbsent(column contract.Column) {
	if c.reader.Format == contract.NDJSON {
		if column.Path == "" { // the whole record is never null
			return
		}
		for _, given := range c.writer.Columns {
			if strings.HasPrefix(column.Path, given.Path+"/") {
				c.addf("column %s: the values are inside column %s, which may have any value there.", column.Name, given.Name)
				return
			}
			if strings.HasPrefix(given.Path, column.Path+"/") && column.Type != contract.JSON {
				c.addf("column %s: column %s makes its value an object or an array.", column.Name, given.Name)
				return
			}
		}
	}
	if column.Required {
		c.addf("column %s: %s requires the column, and the file doesn't have it.", column.Name, c.name)
	}
}

// compareHeader looks for a file whose columns are all unknown to the reader. The engine
// refuses such a CSV file.
func (c *comparison) compareHeader() {
	if c.reader.Format != contract.CSV {
		return
	}
	known := make(map[string]bool)
	for _, column := range c.reader.Columns {
		known[column.Header] = true
	}
	var unknown []string
	for _, column := range c.writer.Columns {
		switch {
		case !known[column.Header]:
			unknown = append(unknown, column.Name)
		case column.Required: // every file has this column
			return
		}
	}
	if len(unknown) > 0 {
		c.addf("a file may have only the columns %s, and %s refuses a file without any of its columns.", strings.Join(unknown, ", "), c.name)
	}
}

// compareValues compares type and rules at one place: every value that the given column
// allows must be allowed by the wanted column, with the same meaning.
func (c *comparison) compareValues(given, wanted contract.Column) {
	rejects := func(stricter bool, rule string, args ...any) {
		if stricter {
			c.addf("column %s: %s of %s can reject a value.", wanted.Name, fmt.Sprintf(rule, args...), c.name)
		}
	}
	if !holdsType(given, wanted) {
		rejects(true, "the type %s", typeName(wanted))
		return
	}
	rejects(wanted.Required && !given.Required, "the rule required")
	rejects(wanted.Unique && (!given.Unique || c.reader.MaxUnique > c.writer.MaxUnique), "the rule unique")
	rejects(wanted.Format != "" && wanted.Format != given.Format, "the format %s", wanted.Format)
	rejects(wanted.Pattern != "" && wanted.Pattern != given.Pattern, "the pattern %s", wanted.Pattern)
	if wanted.MinLength != nil {
		rejects(*wanted.MinLength > 0 && (given.MinLength == nil || *given.MinLength < *wanted.MinLength), "the length from %d", *wanted.MinLength)
	}
	if wanted.MaxLength != nil {
		rejects(given.MaxLength == nil || *given.MaxLength > *wanted.MaxLength, "the length to %d", *wanted.MaxLength)
	}
	rejects(isBelow(given, wanted), "the minimum %s", cmp.Or(wanted.Minimum, wanted.ExclusiveMinimum))
	rejects(isAbove(given, wanted), "the maximum %s", cmp.Or(wanted.Maximum, wanted.ExclusiveMaximum))
	rejects(len(wanted.Enum) > 0 && !isSubset(given.Enum, wanted.Enum), "the list of allowed values")
}

// holdsType reports whether the wanted type has every value of the given type.
func holdsType(given, wanted contract.Column) bool {
	if given.Type != wanted.Type {
		return false
	}
	return given.Type != contract.Decimal ||
		wanted.Scale >= given.Scale && wanted.Precision-wanted.Scale >= given.Precision-given.Scale
}

func typeName(c contract.Column) string {
	if c.Type == contract.Decimal {
		return fmt.Sprintf("decimal(%d,%d)", c.Precision, c.Scale)
	}
	return string(c.Type)
}

// isSubset reports whether a list of allowed texts is inside another list. An empty list
// allows every text.
func isSubset(given, wanted []string) bool {
	return len(given) > 0 && !slices.ContainsFunc(given, func(text string) bool { return !slices.Contains(wanted, text) })
}

// bound is a limit of numbers. The zero bound has no limit.
type bound struct {
	limit     *big.Rat
	exclusive bool
}

// isBelow reports whether the given column allows a number below the wanted minimum.
func isBelow(given, wanted contract.Column) bool {
	for _, want := range boundsOf(wanted, wanted.Minimum, wanted.ExclusiveMinimum) {
		inside := func(have bound) bool {
			return have.limit.Cmp(want.limit) > 0 || have.limit.Cmp(want.limit) == 0 && (have.exclusive || !want.exclusive)
		}
		if !slices.ContainsFunc(boundsOf(given, given.Minimum, given.ExclusiveMinimum), inside) {
			return true
		}
	}
	return false
}

// isAbove reports whether the given column allows a number above the wanted maximum.
func isAbove(given, wanted contract.Column) bool {
	for _, want := range boundsOf(wanted, wanted.Maximum, wanted.ExclusiveMaximum) {
		inside := func(have bound) bool {
			return have.limit.Cmp(want.limit) < 0 || have.limit.Cmp(want.limit) == 0 && (have.exclusive || !want.exclusive)
		}
		if !slices.ContainsFunc(boundsOf(given, given.Maximum, given.ExclusiveMaximum), inside) {
			return true
		}
	}
	return false
}

// boundsOf returns the limits of a column. The limit of a double is the nearest double,
// as in the engines.
func boundsOf(c contract.Column, inclusive, exclusive string) []bound {
	var bounds []bound
	for i, text := range []string{inclusive, exclusive} {
		limit, ok := new(big.Rat).SetString(text)
		if c.Type == contract.Double {
			if nearest, err := strconv.ParseFloat(text, 64); err == nil {
				limit, ok = new(big.Rat).SetFloat64(nearest), true
			}
		}
		if ok && limit != nil {
			bounds = append(bounds, bound{limit, i == 1})
		}
	}
	return bounds
}
