package migrate

import "strings"

// Split cuts a script into statements, at each semicolon outside of strings, quoted
// names, $$ bodies and comments. Comments before a statement stay in the statement.
// Pieces without code are dropped. Snowflake's driver takes one statement at a time by
// default.
func Split(script string) []string {
	var statements []string
	start, code := 0, false
	finish := func(end int) {
		if code {
			statements = append(statements, strings.Trim(script[start:end], space))
		}
	}
	for i := 0; i < len(script); {
		if length, comment := quotedLength(script[i:]); length > 0 {
			code = code || !comment
			i += length
			continue
		}
		switch c := script[i]; {
		case c == ';':
			finish(i)
			start, code = i+1, false
		case !isSpace(c):
			code = true
		}
		i++
	}
	finish(len(script))
	return statements
}

// WithoutComments returns a statement with a space in place of each comment.
func WithoutComments(statement string) string {
	var text strings.Builder
	for i := 0; i < len(statement); {
		length, comment := quotedLength(statement[i:])
		switch {
		case comment:
			text.WriteByte(' ')
		case length > 0:
			text.WriteString(statement[i : i+length])
		default:
			text.WriteByte(statement[i])
		}
		i += max(length, 1)
	}
	return strings.Trim(text.String(), space)
}

// quotedLength returns the length of the comment, string, quoted name or $$ body at the
// start of the text; 0 for any other start. Without a closing mark, the length is the
// rest of the text.
func quotedLength(text string) (length int, comment bool) {
	switch {
	case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "//"):
		return endAfter(text, 2, "\n"), true
	case strings.HasPrefix(text, "/*"):
		return endAfter(text, 2, "*/"), true
	case strings.HasPrefix(text, "$$"):
		return endAfter(text, 2, "$$"), false
	case text[0] == '"':
		return endAfter(text, 1, `"`), false // "" inside a name counts as the start of another name, with the same result
	case text[0] == '\'':
		return literalLength(text), false
	}
	return 0, false
}

func endAfter(text string, from int, end string) int {
	if i := strings.Index(text[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(text)
}

// literalLength returns the length of a string in single quotes. A backslash escapes in
// such a string (docs.snowflake.com, sql-reference/data-types-text).
func literalLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return len(text)
}

const space = " \t\r\n\v\f"

func isSpace(c byte) bool { return strings.IndexByte(space, c) >= 0 }
