package infer

import (
	"regexp"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// nullTexts are the texts that often mean "no value" in CSV files.
var nullTexts = []string{"NA", "N/A", "n/a", "#N/A", "NULL", "null", `\N`, "NaN", "nan", "None", "-"}

// column is what is known of a column.
type column struct {
	name string
	// header is the column's in a CSV file, path the pointer in NDJSON.
	header, path string
	guess        *typeGuess
	missing      int64
	// nulls counts those of nullTexts, which the judge doesn't see.
	nulls map[string]int64
	// distinct is nil unless the name looks like an identifier's; repeated says
	// that it has seen a value twice.
	distinct *row.Batch
	repeated bool
	records  int64
	// decided is the type, once all was read.
	decided  contract.Column
	required bool
}

var idName = regexp.MustCompile(`(^|_)(id|key|code|number|num|no|uuid|guid|sku|ref)$`)

func newColumn(name string) *column {
	c := &column{name: name, guess: newTypeGuess(), nulls: make(map[string]int64)}
	if idName.MatchString(name) {
		c.distinct = oneColumn(contract.Column{Name: "value", Type: contract.String, Unique: true})
	}
	return c
}

// observe takes the column's value of the next record.
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

// hasType tells whether the values alone, without texts that may mean "no value",
// are more than text.
func (c *column) hasType() bool {
	decided, fits := c.guess.decide()
	return c.guess.values > 0 && fits && decided.Type != contract.String
}

// decide settles the type, once the texts that mean "no value" are known. It
// returns false if no type takes the column's values.
func (c *column) decide(nullValues []string, whole bool) bool {
	for _, text := range nullValues {
		c.missing += c.nulls[text]
	}
	var fits bool
	c.decided, fits = c.guess.decide()
	c.required = whole && c.records > 0 && c.missing == 0
	return fits
}

// canBePrimaryKey tells whether the column may be the primary key.
func (c *column) canBePrimaryKey() bool {
	keyable := c.decided.Type != contract.Double && c.decided.Type != contract.JSON
	return c.distinct != nil && !c.repeated && c.missing == 0 && c.records > 1 && keyable
}
