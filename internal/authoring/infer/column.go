package infer

import (
	"regexp"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// nullTexts are common texts for "no value" in CSV files.
var nullTexts = []string{"NA", "N/A", "n/a", "#N/A", "NULL", "null", `\N`, "NaN", "nan", "None", "-"}

// column has the observations of one column.
type column struct {
	name string
	// header is the column's header in a CSV file. path is the JSON pointer in NDJSON.
	header, path string
	guess        *typeGuess
	missing      int64
	// nulls counts the values that are one of nullTexts. The guess doesn't see these
	// values.
	nulls map[string]int64
	// nullsInQuotes and nullsWithoutQuotes count the empty texts and nullTexts of a CSV
	// file by their quotes.
	nullsInQuotes, nullsWithoutQuotes map[string]int64
	// distinct finds repeated values. It is nil unless the column's name looks like the
	// name of an identifier. repeated is true after a repeated value, or after too many
	// records for distinct.
	distinct *row.Batch
	repeated bool
	records  int64
	// decided is the guessed type after the last record.
	decided  contract.Column
	required bool
}

var idName = regexp.MustCompile(`(^|_)(id|key|code|number|num|no|uuid|guid|sku|ref)$`)

func newColumn(name string) *column {
	c := &column{
		name: name, guess: newTypeGuess(), nulls: make(map[string]int64),
		nullsInQuotes: make(map[string]int64), nullsWithoutQuotes: make(map[string]int64),
	}
	if idName.MatchString(name) {
		c.distinct = oneColumn(contract.Column{Name: "value", Type: contract.String, Unique: true})
	}
	return c
}

// observe takes the column's value in the next record.
func (c *column) observe(v row.Value) {
	c.records++
	switch {
	case v.Kind == row.Null:
		c.missing++
		return
	case v.Kind == row.Text && slices.Contains(nullTexts, string(v.Text)):
		c.nulls[string(v.Text)]++
	default:
		c.guess.observe(v)
	}
	if c.distinct != nil && !c.repeated {
		c.repeated = c.distinct.Add(c.records, []row.Value{{Kind: row.Text, Text: v.Text}}) != "" || c.records > contract.DefaultMaxUnique
		c.distinct.Reset()
	}
}

// observeQuotes counts the text if it can mean no value.
func (c *column) observeQuotes(text []byte, quoted bool) {
	if len(text) > 0 && !slices.Contains(nullTexts, string(text)) {
		return
	}
	if quoted {
		c.nullsInQuotes[string(text)]++
	} else {
		c.nullsWithoutQuotes[string(text)]++
	}
}

// hasType reports whether the values without nullTexts have a narrower type than text.
func (c *column) hasType() bool {
	decided, fits := c.guess.decide()
	return c.guess.values > 0 && fits && decided.Type != contract.String
}

// decide sets the type after the choice of null values. It returns false if no type
// fits all values.
func (c *column) decide(nullValues []string, whole bool) bool {
	for _, text := range nullValues {
		c.missing += c.nulls[text]
	}
	var fits bool
	c.decided, fits = c.guess.decide()
	c.required = whole && c.records > 0 && c.missing == 0
	return fits
}

// canBePrimaryKey reports whether the sample allows the column as a primary key.
func (c *column) canBePrimaryKey() bool {
	keyable := c.decided.Type != contract.Double && c.decided.Type != contract.JSON
	return c.distinct != nil && !c.repeated && c.missing == 0 && c.records > 1 && keyable
}
