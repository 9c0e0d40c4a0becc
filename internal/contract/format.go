package contract

import (
	"maps"
	"slices"
	"strings"
)

// formats are the formats of a text that firn checks, as patterns that mean the
// same in RE2 and in Java. Each is narrower than its standard where the standard
// allows what nobody means to send: comments in an address (RFC 5322), an IPv6
// zone.
var formats = map[string]string{
	"email":    `[A-Za-z0-9.!#$%&'*+/=?^_` + "`" + `{|}~-]{1,64}@` + host,
	"hostname": host,
	"ipv4":     ipv4,
	"ipv6":     ipv6,
	// RFC 3986: a scheme, then no character that a URI must escape.
	"uri": `[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+`,
	// RFC 9562, in either case.
	"uuid": `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`,
}

const (
	// host is RFC 1123: labels of letters, digits and inner hyphens.
	host = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*`
	ipv4 = `((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	// ipv6 is RFC 4291 section 2.2: eight groups, or fewer around one "::"; the
	// last two may be an IPv4 address.
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

// FormatPattern returns the pattern that a text of the column's format must
// match whole; empty for none.
func (c Column) FormatPattern() string { return formats[c.Format] }

// readTextFormat reads the format of a text.
func (r *reader) readTextFormat(options value, column *Column) {
	v, ok := options.get("format", text)
	if !ok || column.Type != String {
		return
	}
	column.Format = v.node.Value
	if formats[column.Format] == "" {
		r.reportf(v, "firn checks %s; leave another format out, or say it as a pattern", strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
}
