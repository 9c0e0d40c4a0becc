package row

import (
	"regexp"
	"regexp/syntax"
	"unicode"
)

// compilePattern returns a function for a match of the whole text. A fixed sequence of
// ASCII classes, such as "[A-Z]{2}[0-9]{4}", is compiled to tables. Other patterns use
// package regexp.
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

// classes is a pattern of fixed length, with one class for each byte.
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

// flatten appends the classes of the tree. It returns false if the tree isn't a fixed
// sequence of ASCII classes.
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

// flattenLiteral returns false for case-insensitive letters and for non-ASCII
// characters: package regexp must match those.
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

// flattenClass returns false for classes with non-ASCII characters, which have several
// bytes: package regexp must match those.
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
