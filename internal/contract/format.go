package contract

import (
	"maps"
	"slices"
	"strings"
)

// formats holds the text formats that firn checks, as patterns with the same meaning in
// RE2 and in Java. Each pattern excludes rare forms of the standard: comments in an
// address (RFC 5322), an IPv6 zone.
var formats = map[string]string{
	"email":    `[A-Za-z0-9.!#$%&'*+/=?^_` + "`" + `{|}~-]{1,64}@` + host,
	"hostname": host,
	"ipv4":     ipv4,
	"ipv6":     ipv6,
	// RFC 3986: a scheme, then characters without escapes.
	"uri": `[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+`,
	// RFC 9562, in upper or lower case.
	"uuid": `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`,
}

const (
	// host is RFC 1123: labels of letters, digits and inner hyphens.
	host = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*`
	ipv4 = `((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	// ipv6 is RFC 4291 section 2.2: eight groups, or fewer groups around a "::". An
	// IPv4 address may replace the last two groups.
	group = `[0-9A-Fa-f]{1,4}`
	ipv6  = `(` + group + `:){7}` + group +
		`|(` + group + `:){6}` + ipv4 +
		`|(` + group + `:){1,7}:` +
		`|(` + group + `:){1,6}:` + group +
		`|(` + group + `:){1,5}(:` + group + `){2}` +
		`|(` + group + `:){1,4}(:` + group + `){3}` +
		`|(` + group + `:){1,3}(:` + group + `){4}` +
		`|(` + group + `:){1,2}(:` + group + `){5}` +
		`|` + group + `:(:` + group + `){6}` +
		`|:((:` + group + `){1,7}|:)` +
		`|::(` + group + `:){0,5}` + ipv4 +
		`|(` + group + `:){1,5}:` + ipv4
)

// FormatPattern returns the pattern of the column's format; empty for none. The pattern
// must match the whole text.
func (c Column) FormatPattern() string { return formats[c.Format] }

func (r *reader) readTextFormat(options value, column *Column) {
	v, ok := options.get("format", text)
	if !ok || column.Type != String {
		return
	}
	column.Format = v.node.Value
	if formats[column.Format] == "" {
		r.reportf(v, "firn checks the formats %s; for another format set a pattern instead", strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
}
