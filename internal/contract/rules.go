package contract

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkedOptions are the logicalTypeOptions that firn checks, by type. firn refuses
// other options, because a contract must not promise an unchecked rule.
var checkedOptions = map[Type][]string{
	String:  {"minLength", "maxLength", "pattern", "format"},
	Integer: {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	Decimal: {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	Double:  {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
}

// readRules reads the rules of a value, apart from the type. If the type is invalid,
// rules that depend on the type aren't checked.
func (r *reader) readRules(v value, column *Column) {
	if column.Unique && column.Type == JSON {
		r.reportf(v, "a json column can't be unique")
	}
	if options, ok := v.get("logicalTypeOptions", object); ok {
		r.checkOptions(options, column)
		r.readLengths(options, column)
		r.readTextFormat(options, column)
		r.readPattern(options, column)
		r.readBounds(options, column)
	}
	r.readEnum(v, column)
}

// checkOptions reports options of ODCS that firn doesn't check for the type, such as
// the bounds of a date.
func (r *reader) checkOptions(options value, column *Column) {
	if column.Type == "" {
		return
	}
	for key := range options.members() {
		name := key.node.Value
		if typeOptions.keys[name] != nil && !slices.Contains(checkedOptions[column.Type], name) {
			r.reportf(key, "firn doesn't check this option on a %s: remove the option", column.Type)
		}
	}
}

func (r *reader) readLengths(options value, column *Column) {
	column.MinLength = r.readLength(options, "minLength")
	column.MaxLength = r.readLength(options, "maxLength")
	if column.MinLength != nil && column.MaxLength != nil && *column.MinLength > *column.MaxLength {
		at, _ := options.get("minLength", whole)
		r.reportf(at, "is more than maxLength, %d", *column.MaxLength)
	}
}

// readLength returns a length in characters, or nil for none. It reports a negative
// length and returns nil.
func (r *reader) readLength(options value, name string) *int {
	v, ok := options.get(name, whole)
	if !ok {
		return nil
	}
	length, ok := v.whole()
	if !ok || length < 0 {
		r.reportf(v, "must be 0 or more")
		return nil
	}
	return &length
}

// readPattern reads a pattern that must match the whole text. Both engines must agree,
// so the pattern must be RE2 and have the same meaning in Java.
func (r *reader) readPattern(options value, column *Column) {
	v, ok := options.get("pattern", text)
	if !ok {
		return
	}
	column.Pattern = v.node.Value
	_, err := regexp.Compile(column.Pattern)
	if err == nil {
		_, err = regexp.Compile(`\A(?:` + column.Pattern + `)\z`) // an open \Q would include the bracket
	}
	switch reason := javaDifference(column.Pattern); {
	case column.Pattern == "":
		r.reportf(v, "is empty: remove the pattern")
	case err != nil:
		r.reportf(v, "isn't RE2 syntax: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	case reason != "":
		r.reportf(v, "Spark and Go read %s differently: write the pattern in another way", reason)
	}
}

var repetition = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}`)

// javaDifference returns the part of a pattern that java.util.regex, and so Spark,
// reads differently from RE2; "" for none.
func javaDifference(pattern string) string {
	inClass := false
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case rest[0] == '\\':
			if strings.HasPrefix(rest, `\v`) || strings.HasPrefix(rest, `\C`) {
				return rest[:2]
			}
			i++
		case inClass && rest[0] == '[':
			return "[ inside a class"
		case inClass && strings.HasPrefix(rest, "&&"):
			return "&& inside a class"
		case rest[0] == '[':
			inClass = true
			if strings.HasPrefix(rest, "[]") || strings.HasPrefix(rest, "[^]") {
				return "] at the start of a class"
			}
		case rest[0] == ']':
			inClass = false
		case !inClass && rest[0] == '{' && !repetition.MatchString(rest):
			return "a { outside a repetition"
		case strings.HasPrefix(rest, "(?P<"):
			return "(?P<"
		case strings.HasPrefix(rest, "(?U"):
			return "(?U"
		}
	}
	return ""
}

// plainNumber excludes numbers of YAML that aren't decimal: 0x10, 1_000, .inf. An
// exponent of three digits is already beyond every double.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)

// readBounds reads minimum, maximum and their exclusive forms. It reports bounds
// without a number in between.
func (r *reader) readBounds(options value, column *Column) {
	if !slices.Contains(checkedOptions[column.Type], "minimum") {
		return
	}
	low := r.readBound(options, column.Type, "minimum", &column.Minimum)
	lowExclusive := r.readBound(options, column.Type, "exclusiveMinimum", &column.ExclusiveMinimum)
	high := r.readBound(options, column.Type, "maximum", &column.Maximum)
	highExclusive := r.readBound(options, column.Type, "exclusiveMaximum", &column.ExclusiveMaximum)
	if low != nil && lowExclusive != nil || high != nil && highExclusive != nil {
		r.reportf(options, "set each bound either with or without exclusive, not both")
		return
	}
	exclusive := lowExclusive != nil || highExclusive != nil
	if low == nil {
		low = lowExclusive
	}
	if high == nil {
		high = highExclusive
	}
	if low != nil && high != nil && (low.Cmp(high) > 0 || exclusive && low.Cmp(high) == 0) {
		r.reportf(options, "there is no number between minimum and maximum")
	}
}

// readBound writes the bound, in the spelling of the contract, into the column and
// returns the exact value. Nil for no bound, or for an invalid bound.
func (r *reader) readBound(options value, columnType Type, name string, into *string) *big.Rat {
	v, ok := options.get(name, anything)
	if !ok {
		return nil
	}
	if !v.is(number) || !plainNumber.MatchString(v.node.Value) {
		r.reportf(v, "must be a plain decimal number, not %s", v.describe())
		return nil
	}
	if float, err := strconv.ParseFloat(v.node.Value, 64); err != nil || math.IsInf(float, 0) {
		r.reportf(v, "is too large")
		return nil
	}
	bound, _ := new(big.Rat).SetString(v.node.Value)
	if columnType == Integer && !(bound.IsInt() && bound.Num().IsInt64()) {
		r.reportf(v, "the bound of an integer must be a 64-bit integer")
		return nil
	}
	*into = v.node.Value
	return bound
}

// readEnum reads the allowed texts from a quality rule: metric invalidValues with
// validValues and mustBe 0. firn leaves other quality rules to other tools, because
// such rules are about the table and not about a row.
func (r *reader) readEnum(v value, column *Column) {
	rules, _ := v.get("quality", list)
	for _, rule := range rules.items() {
		mustBe, ok := rule.get("mustBe", whole)
		if !ok || rule.text("metric") != "invalidValues" || mustBe.node.Value != "0" {
			continue
		}
		arguments, _ := rule.get("arguments", object)
		values, ok := arguments.get("validValues", list)
		switch {
		case !ok:
			r.reportf(rule, "firn needs the list arguments.validValues; a pattern belongs in logicalTypeOptions")
		case column.Type != String && column.Type != "":
			r.reportf(values, "firn checks validValues on strings only; for a number set minimum and maximum")
		case column.Pattern != "":
			r.reportf(values, "set either validValues or a pattern, not both")
		case column.Enum != nil:
			r.reportf(values, "the column already has validValues")
		default:
			r.readValues(values, column)
		}
	}
}

// readValues reads the texts of an enum. A number or a flag needs quotes, because firn
// compares the values of a file as texts.
func (r *reader) readValues(values value, column *Column) {
	if len(values.items()) == 0 {
		r.reportf(values, "the list is empty")
	}
	seen := map[string]value{}
	for _, item := range values.items() {
		if !item.is(text) || item.node.Value == "" {
			r.reportf(item, "must be a non-empty text in quotes, not %s", item.describe())
			continue
		}
		if r.reportOnce(seen, item.node.Value, item, "the value") {
			column.Enum = append(column.Enum, item.node.Value)
		}
	}
}
