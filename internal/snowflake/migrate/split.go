package migrate

import "strings"

// Split cuts a script into statements, at each semicolon outside of strings,
// quoted names, $$ bodies and comments. Comments before a statement stay with
// it; a piece that is only comment is dropped. Drivers take one statement at a
// time unless told how many come.
func Split(script string) []string {
	var statements []string
	start, code := 0, false
	finish := func(end int) {
		if code {
			statements = append(statements, strings.Trim(script[start:end], space))
		}
	}
	for at := 0; at < len(script); {
		if length, comment := opaque(script[at:]); length > 0 {
			code = code || !comment
			at += length
			continue
		}
		switch c := script[at]; {
		case c == ';':
			finish(at)
			start, code = at+1, false
		case !isSpace(c):
			code = true
		}
		at++
	}
	finish(len(script))
	return statements
}

// opaque returns the length of the comment, string, quoted name or $$ body
// that the text begins with; 0 if it begins with none. What isn't closed
// reaches to the end.
func opaque(text string) (length int, comment bool) {
	switch {
	case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "//"):
		return through(text, 2, "\n"), true
	case strings.HasPrefix(text, "/*"):
		return through(text, 2, "*/"), true
	case strings.HasPrefix(text, "$$"):
		return through(text, 2, "$$"), false
	case text[0] == '"':
		return through(text, 1, `"`), false // "" inside begins another one: the same in the end
	case text[0] == '\'':
		return literalLength(text), false
	}
	return 0, false
}

func through(text string, from int, end string) int {
	if at := strings.Index(text[from:], end); at >= 0 {
		return from + at + len(end)
	}
	return len(text)
}

// literalLength is the length of a string in single quotes, in which a
// backslash escapes (docs.snowflake.com, sql-reference/data-types-text).
func literalLength(text string) int {
	for at := 1; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '\'':
			return at + 1
		}
	}
	return len(text)
}

const space = " \t\r\n\v\f"

func isSpace(c byte) bool { return strings.IndexByte(space, c) >= 0 }
