package contract

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// longestSuggestion is shorter than the limit of column names, to leave room for
// prefixes and numbers.
const longestSuggestion = 100

// replacedLetters replaces letters that Unicode doesn't decompose into a letter and an
// accent.
var replacedLetters = strings.NewReplacer("ß", "ss", "æ", "ae", "Æ", "Ae", "œ", "oe", "Œ", "Oe", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "đ", "d", "Đ", "D")

// SuggestName makes a column name from any text: lower-case letters, digits and
// underscores. The name is empty if the text has no usable character. It can begin with a
// digit, and can be a reserved word.
func SuggestName(text string) string {
	letters := []rune(norm.NFD.String(replacedLetters.Replace(text)))
	var name strings.Builder
	for i, r := range letters {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			name.WriteByte('_')
		default:
			if beginsWord(letters, i) {
				name.WriteByte('_')
			}
			name.WriteRune(unicode.ToLower(r))
		}
	}
	joined := strings.Join(strings.FieldsFunc(name.String(), func(r rune) bool { return r == '_' }), "_")
	if len(joined) > longestSuggestion {
		joined = strings.Trim(joined[:longestSuggestion], "_")
	}
	return joined
}

// beginsWord reports whether a word begins at letter i. It splits magType and URLPath,
// but not IDs.
func beginsWord(letters []rune, i int) bool {
	if i == 0 || !unicode.IsUpper(letters[i]) {
		return false
	}
	if before := letters[i-1]; unicode.IsLower(before) || unicode.IsDigit(before) {
		return true
	}
	lower := func(at int) bool { return at < len(letters) && unicode.IsLower(letters[at]) }
	return unicode.IsUpper(letters[i-1]) && lower(i+1) && lower(i+2)
}

// Draft returns the YAML of columns for names in files, as items of the properties of a
// contract, with the indentation of a contract. The type is string, and the description
// is to be filled in. No contract can have a CSV header without a text or with a line end:
// unnamable has these names.
func (c *Contract) Draft(fileColumns []string) (lines string, unnamable []string) {
	taken := make(map[string]bool)
	for _, column := range c.Columns {
		taken[column.Name] = true
	}
	var all strings.Builder
	for _, file := range fileColumns {
		if c.Format != NDJSON && !isHeader(file) {
			unnamable = append(unnamable, file)
			continue
		}
		name := c.freeName(file, taken)
		taken[name] = true
		c.writeDraft(&all, name, file)
	}
	return all.String(), unnamable
}

// freeName returns a valid column name that isn't taken.
func (c *Contract) freeName(file string, taken map[string]bool) string {
	name := SuggestName(file)
	switch {
	case name == "":
		name = "new_column"
	case name[0] < 'a' || name[0] > 'z':
		name = "column_" + name
	case slices.Contains(reserved, name):
		name = c.Entity + "_" + name
	}
	free := name
	for n := 2; taken[free]; n++ {
		free = name + "_" + strconv.Itoa(n)
	}
	return free
}

// draftDescription is the description of each column in a draft.
const draftDescription = "Describe the meaning of the column."

func (c *Contract) writeDraft(to *strings.Builder, name, file string) {
	const indent = "        "
	line := func(text string) { to.WriteString(indent + text + "\n") }
	to.WriteString(indent[2:] + "- name: " + name + "\n")
	if c.Format != NDJSON && file != name {
		line("physicalName: " + doubleQuoted(file))
	}
	line("logicalType: string")
	line("description: " + draftDescription)
	if path := "/" + escapePointer.Replace(file); c.Format == NDJSON && path != "/"+name {
		line("customProperties: [{property: firn.path, value: " + doubleQuoted(path) + "}]")
	}
}

// escapePointer encodes a step of a JSON pointer (RFC 6901, section 3).
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// doubleQuoted returns a YAML scalar in double quotes. The escapes of Go are also escapes
// of YAML (yaml.org/spec/1.2.2, 5.7). The text must be valid UTF-8.
func doubleQuoted(text string) string { return strconv.Quote(text) }
