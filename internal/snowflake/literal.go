package snowflake

import "strings"

// Literal quotes a text. In Snowflake's literals, a backslash escapes
// (docs.snowflake.com, sql-reference/data-types-text).
func Literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}
