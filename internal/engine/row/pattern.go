package row

import (
	"regexp"
	"regexp/syntax"
	"unicode"
)

// compilePattern returns a function that reports whether the whole text
// matches. A pattern that is a fixed row of ASCII classes ("[A-Z]{2}[0-9]{4}")
// becomes a table walk; any other goes to regexp.
func compilePattern(pattern string) (func([]byte) bool, error) {
	expression, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if classes, fixed := flatten(tree.Simplify(), nil); fixed {
		return classes.match, nil
	}
	return expression.Match, nil
}

// class is a set of ASCII characters.
type class [unicode.MaxASCII + 1]bool

// classes is a pattern of fixed length, one class a byte.
type classes []class

func (c classes) match(text []byte) bool {
	if len(text) != len(c) {
		return false
	}
	for i, b := range text {
		if b > unicode.MaxASCII || !c[i][b] {
			return false
		}
	}
	return true
}

// flatten appends the classes of the tree. It returns false if the tree is no
// fixed row of ASCII classes.
func flatten(tree *syntax.Regexp, row classes) (classes, bool) {
	switch tree.Op {
	case syntax.OpEmptyMatch:
		return row, true
	case syntax.OpLiteral:
		return flattenLiteral(tree, row)
	case syntax.OpCharClass:
		return flattenClass(tree, row)
	case syntax.OpConcat, syntax.OpCapture:
		var fixed bool
		for _, part := range tree.Sub {
			if row, fixed = flatten(part, row); !fixed {
				return nil, false
			}
		}
		return row, true
	default:
		return nil, false
	}
}

// flattenLiteral leaves letters of either case, and those beyond ASCII, to
// regexp.
func flattenLiteral(tree *syntax.Regexp, row classes) (classes, bool) {
	if tree.Flags&syntax.FoldCase != 0 {
		return nil, false
	}
	for _, r := range tree.Rune {
		if r > unicode.MaxASCII {
			return nil, false
		}
		var c class
		c[r] = true
		row = append(row, c)
	}
	return row, true
}

// flattenClass leaves classes with characters beyond ASCII to regexp: they have
// more than one byte.
func flattenClass(tree *syntax.Regexp, row classes) (classes, bool) {
	var c class
	for i := 0; i < len(tree.Rune); i += 2 {
		if tree.Rune[i+1] > unicode.MaxASCII {
			return nil, false
		}
		for r := tree.Rune[i]; r <= tree.Rune[i+1]; r++ {
			c[r] = true
		}
	}
	return append(row, c), true
}
