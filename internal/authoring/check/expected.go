package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

// maxNamed is the largest number of texts in a list.
const maxNamed = 5

// expectedOfRecord describes a valid record by rule.
var expectedOfRecord = map[string]string{
	row.RuleColumns:   "as many fields as the header",
	row.RuleUTF8:      "text in the contract's encoding, without the character U+FFFD",
	row.RuleJSON:      "valid JSON on one line",
	row.RuleObject:    "a JSON object",
	row.RuleDepth:     fmt.Sprintf("at most %d nested objects and arrays", row.MaxDepth),
	row.RuleDuplicate: "each name once in an object",
}

// expectedBy returns a description of the values allowed by a rule. Without a
// description, expectedBy returns the rule.
func expectedBy(c *contract.Contract, rule string) string {
	if text := expectedOfRecord[rule]; text != "" {
		return text
	}
	name, kind := split(rule)
	column := c.Column(name)
	if column == nil {
		return rule
	}
	if kind == string(column.Type) {
		return expectedType(c.Format, *column)
	}
	if text := expectedRule(c, *column)[kind]; text != "" {
		return text
	}
	return rule
}

// expectedType returns a description of the values of a column's type.
func expectedType(format contract.Format, column contract.Column) string {
	text, ok := map[contract.Type]string{
		contract.String:  "a text",
		contract.Integer: `digits only, with "-" before a negative number, at most 64 bits`,
		contract.Decimal: fmt.Sprintf("at most %d digits before the point and %d after it, no exponent",
			column.Precision-column.Scale, column.Scale),
		contract.Double:    `a number such as -1.5 or 2e9, finite`,
		contract.Boolean:   "true or false",
		contract.Date:      "a day such as 2026-01-02",
		contract.Timestamp: "UTC such as 2026-01-02T03:04:05Z, at most 6 digits of fraction",
		contract.Time:      "a time of day such as 03:04:05, at most 6 digits of fraction",
		contract.JSON:      "a JSON object or array",
	}[column.Type]
	if !ok {
		return string(column.Type)
	}
	if format != contract.NDJSON {
		return text
	}
	switch column.Type {
	case contract.Integer, contract.Decimal, contract.Double:
		return "a JSON number: " + text
	case contract.Date, contract.Timestamp, contract.Time:
		return "a JSON string: " + text
	case contract.String:
		return "a JSON string"
	default:
		return text
	}
}

// expectedRule returns descriptions of the values allowed by the column's rules, by
// rule.
func expectedRule(c *contract.Contract, column contract.Column) map[string]string {
	expected := map[string]string{
		"required":         expectedPresent(c),
		"unique":           "a value different from all earlier rows",
		"nul":              "text without the character NUL",
		"format":           "the format " + column.Format,
		"pattern":          "the whole text matches " + column.Pattern,
		"enum":             "one of " + listTexts(column.Enum),
		"minimum":          "at least " + column.Minimum,
		"maximum":          "at most " + column.Maximum,
		"exclusiveMinimum": "more than " + column.ExclusiveMinimum,
		"exclusiveMaximum": "less than " + column.ExclusiveMaximum,
	}
	if column.MinLength != nil {
		expected["minLength"] = fmt.Sprintf("at least %d characters", *column.MinLength)
	}
	if column.MaxLength != nil {
		expected["maxLength"] = fmt.Sprintf("at most %d characters", *column.MaxLength)
	}
	return expected
}

func expectedPresent(c *contract.Contract) string {
	unquoted := ""
	if c.QuotedNull == contract.QuotedIsValue {
		unquoted = " without quotes"
	}
	switch {
	case c.Format == contract.NDJSON:
		return "a value; null means no value"
	case len(c.NullValues) == 0:
		return "a value; an empty field" + unquoted + " means no value"
	default:
		return "a value; empty fields and " + listTexts(c.NullValues) + unquoted + " mean no value"
	}
}

func listTexts(texts []string) string {
	quoted := make([]string, 0, maxNamed+1)
	for i, text := range texts {
		if i == maxNamed {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, strconv.Quote(text))
	}
	return strings.Join(quoted, ", ")
}
