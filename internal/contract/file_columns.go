package contract

import (
	"slices"
	"strings"
)

// FileColumns returns the names that the contract reads in a file, in the order of the
// columns, each name once: headers of a CSV file, or members of an NDJSON record. Whole
// is true if a column holds the whole record. Then every member has a column.
func (c *Contract) FileColumns() (names []string, whole bool) {
	for _, column := range c.Columns {
		name := column.Header
		if c.Format == NDJSON {
			if column.Path == "" {
				whole = true
				continue
			}
			name = member(column.Path)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, whole
}

// pointerEscapes decodes a step of a JSON pointer (RFC 6901, section 4).
var pointerEscapes = strings.NewReplacer("~1", "/", "~0", "~")

// member returns the name of the record's member that a JSON pointer enters.
func member(pointer string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return pointerEscapes.Replace(first)
}
