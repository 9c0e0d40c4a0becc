package duckdb

import (
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// rule is one rule of a column. broken is the SQL condition of a broken value.
type rule struct{ name, broken string }

func rulesOf(column contract.Column) []rule {
	var rules []rule
	add := func(name, format string, arguments ...any) {
		rules = append(rules, rule{name, fmt.Sprintf(format, arguments...)})
	}
	name := column.Name
	if column.Required {
		add("required", "coalesce(%s, '') = ''", rawName(column))
	}
	if column.Type == contract.String {
		add("nul", "contains(%s, chr(0))", name)
	} else {
		add(string(column.Type), "%s is null and %s <> ''", name, rawName(column))
	}
	if column.Pattern != "" {
		add("pattern", "not regexp_full_match(%s, %s)", name, literal(column.Pattern))
	}
	if len(column.Enum) > 0 {
		add("enum", "%s not in (%s)", name, literals(column.Enum))
	}
	for _, bound := range []struct{ name, value, operator string }{
		{"minimum", column.Minimum, "<"},
		{"exclusiveMinimum", column.ExclusiveMinimum, "<="},
		{"maximum", column.Maximum, ">"},
		{"exclusiveMaximum", column.ExclusiveMaximum, ">="},
	} {
		if bound.value != "" {
			add(bound.name, "%s %s %s", name, bound.operator, bound.value)
		}
	}
	return rules
}

// typedValue returns the SQL of a value with its type, null for a value of another
// form. A cast alone would round, trim and guess, so a pattern checks the form first.
func typedValue(column contract.Column) string {
	name := column.Name
	if column.Type == contract.String {
		return fmt.Sprintf("nullif(%s, '') as %s", rawName(column), name)
	}
	pattern, target := patternAndType(column)
	return fmt.Sprintf(`case
            when regexp_full_match(
                %s,
                %s
            ) then try_cast(%s as %s)
        end as %s`, rawName(column), literal(pattern), rawName(column), target, name)
}

// patternAndType returns the pattern of a type's texts and the name of DuckDB's type.
func patternAndType(column contract.Column) (pattern, target string) {
	const date, time = `[0-9]{4}-[0-9]{2}-[0-9]{2}`, `[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?`
	switch column.Type {
	case contract.Integer:
		return `-?[0-9]{1,19}`, "bigint"
	case contract.Decimal:
		return decimalForm(column.Precision, column.Scale), fmt.Sprintf("decimal(%d, %d)", column.Precision, column.Scale)
	case contract.Boolean:
		return "true|false", "boolean"
	case contract.Date:
		return date, "date"
	case contract.Timestamp:
		return date + "T" + time + "Z", "timestamptz"
	default:
		panic("the benchmark supports no column of type " + string(column.Type))
	}
}

func decimalForm(precision, scale int) string {
	return fmt.Sprintf(`-?[0-9]{1,%d}(\.[0-9]{1,%d})?`, precision-scale, scale)
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func literals(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = literal(text)
	}
	return strings.Join(quoted, ", ")
}
