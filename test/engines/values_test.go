//go:build endtoend

package engines_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/firn-data/firn/internal/contract"
)

// Texts that are often almost valid for a type or a rule.
var (
	strangeNumbers = []string{
		"007", "+7", " 7 ", "7.9", "1e3", "-0", "-", ".5", "5.", "9223372036854775808", "-9223372036854775808", "1_000",
		"99999999999999999999999", "1e400", "NaN", "Infinity", "0x1", "12.345", "0.0000001", "1E-2", "٣",
	}
	strangeTimes = []string{
		"2024-02-30", "0000-00-00", "0001-01-01", "9999-12-31", "2024", "2024-2-3", "T10:00", "24:00:00", "12:30:60",
		"2024-02-29T23:59:59.1234567Z", "2024-02-29T23:59:59", "2024-02-29 23:59:59Z", "1582-10-10", "2024-02-29T24:00:00Z", "12:30",
	}
	strangeTexts = []string{
		"AB12", "AB12\n", "x", "xx", "y", "a b", "a\tb", "a\x0bb", "ABC", "abc", "a.b", "a\nb", "a\u00a0b", "ä", "Ä é", "日本", "😀",
		"\u2028", "a\\b", `a"b`, `"`, `""`, "'", "NA", "-", "null", " ", "a\x00b", "a,b", "a;b|c", "\r", "a\rb", "a\r", "\u0085",
	}
	formattedTexts = []string{
		"a@b.example", "a@", "a b@c", "x.y+z@host", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000",
		"https://example.com/a?b#c", "mailto:a", "no uri", "example.com", "-example.com", "a..b", "192.0.2.1", "192.0.2.256", "1.2.3",
		"2001:db8::1", "::", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0",
	}
	jsonStructures = []string{
		`{}`, `[]`, `[1, 2]`, `{"a":{"b":[null]}}`, `{"a":1,"a":2}`, `[NaN]`, `{"a":01}`, `[1,]`, `{"s":"\ud83d\ude00"}`, `["\ud800"]`,
		` {"a" : "}" } `, `[` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `]`, `"text"`, `5`,
	}
)

// textFor returns a value of a column. Most values are valid for the column's type.
func textFor(r *rand.Rand, c contract.Column) string {
	switch r.IntN(12) {
	case 0:
		return ""
	case 1:
		return pick(r, pick(r, strangeNumbers, strangeTimes, strangeTexts, formattedTexts, jsonStructures)...)
	default:
		return validValue(r, c)
	}
}

func validValue(r *rand.Rand, c contract.Column) string {
	switch c.Type {
	case contract.Integer:
		return fmt.Sprint(pick(r, r.Int64N(20)-10, r.Int64()-r.Int64()))
	case contract.Decimal:
		return decimal(r, c.Precision-c.Scale, c.Scale)
	case contract.Double:
		return pick(r, fmt.Sprint(r.NormFloat64()), fmt.Sprintf("%.3e", r.ExpFloat64()), "0.1", "-0", "1e22", "4.9e-324", "1.7976931348623157e308")
	case contract.Boolean:
		return pick(r, "true", "false", "true", "false", "True", "1")
	case contract.Date:
		return fmt.Sprintf("%04d-%02d-%02d", pick(r, 1969, 2024, 1, 1900, 9999), 1+r.IntN(12), 1+r.IntN(29))
	case contract.Timestamp:
		return fmt.Sprintf("%04d-%02d-%02dT%sZ", pick(r, 1969, 2024, 1, 1582, 9999), 1+r.IntN(12), 1+r.IntN(28), clockTime(r))
	case contract.Time:
		return clockTime(r)
	case contract.JSON:
		return pick(r, jsonStructures...)
	default:
		return validText(r, c)
	}
}

func validText(r *rand.Rand, c contract.Column) string {
	switch {
	case c.Format != "":
		return pick(r, formattedTexts...)
	case len(c.Enum) > 0 && !oneIn(r, 4):
		return pick(r, c.Enum...)
	default:
		return pick(r, pick(r, strangeTexts...), strings.Repeat(pick(r, "x", "ä", "😀", "ab "), r.IntN(20)))
	}
}

func decimal(r *rand.Rand, whole, scale int) string {
	text := pick(r, "", "-") + digits(r, max(1, min(whole, 1+r.IntN(whole+1))))
	if whole == 0 && !oneIn(r, 5) {
		text = pick(r, "", "-") + "0"
	}
	if scale > 0 && !oneIn(r, 3) {
		text += "." + digits(r, 1+r.IntN(scale))
	}
	return text
}

func digits(r *rand.Rand, n int) string {
	var text strings.Builder
	for range n {
		text.WriteByte('0' + byte(r.IntN(10)))
	}
	return text.String()
}

func clockTime(r *rand.Rand) string {
	text := fmt.Sprintf("%02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(60))
	if oneIn(r, 2) {
		text += "." + digits(r, 1+r.IntN(6))
	}
	return text
}
