package snowflake

import "strings"

// Literal quotes a text. A backslash escapes in Snowflake's literals
// (docs.snowflake.com, sql-reference/data-types-text).
func Literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}
