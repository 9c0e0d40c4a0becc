package infer

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/firn-data/firn/internal/contract"
)

// maxName is shorter than the limit of names, to leave room for prefixes and numbers.
const maxName = 100

// replacedLetters replaces letters that Unicode doesn't decompose into a letter and an
// accent.
var replacedLetters = strings.NewReplacer("ß", "ss", "æ", "ae", "Æ", "Ae", "œ", "oe", "Œ", "Oe", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "đ", "d", "Đ", "D")

// columnName makes a column name from any text: lower-case letters, digits and
// underscores. The name is empty if the text has no usable character.
func columnName(text string) string {
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
	if len(joined) > maxName {
		joined = strings.Trim(joined[:maxName], "_")
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

// validNames returns a different valid name for each candidate. A reserved word gets
// the entity as prefix.
func (s *sample) validNames(candidates []string) ([]string, error) {
	names := make([]string, len(candidates))
	for i, name := range candidates {
		switch names[i] = name; {
		case name == "":
			names[i] = "column_" + strconv.Itoa(i+1)
		case name[0] < 'a' || name[0] > 'z':
			names[i] = "column_" + name
		}
	}
	refused, err := refusedNames(s.Source, s.Entity, names)
	if err != nil {
		return nil, err
	}
	taken := make(map[string]bool, len(names))
	for i, name := range names {
		if refused[i] {
			name = s.Entity + "_" + name
		}
		names[i] = name
		for n := 2; taken[names[i]]; n++ {
			names[i] = name + "_" + strconv.Itoa(n)
		}
		taken[names[i]] = true
	}
	return names, nil
}

var nameOfColumn = regexp.MustCompile(`^schema\[0\]\.properties\[([0-9]+)\]\.name$`)

// refusedNames returns the indexes of the names refused by the contract's reader. It
// doesn't look for repeated names. An invalid dataset name is an error.
func refusedNames(source, entity string, names []string) (map[int]bool, error) {
	refused := make(map[int]bool)
	seen := make(map[string]bool)
	probe := &sample{Infer: &Infer{File: "probe.csv", Source: source, Entity: entity}, format: contract.CSV}
	var places []int
	for i, name := range names {
		if !seen[name] {
			places = append(places, i)
			probe.columns = append(probe.columns, &column{name: name, header: name, decided: contract.Column{Type: contract.String}})
		}
		seen[name] = true
	}
	text, err := probe.render()
	if err != nil {
		return nil, err
	}
	_, err = contract.Read(contract.FileName, text)
	joined, _ := err.(interface{ Unwrap() []error })
	if joined == nil {
		return refused, nil
	}
	for _, each := range joined.Unwrap() {
		var p *contract.Problem
		if !errors.As(each, &p) {
			return nil, each
		}
		if p.Path == "name" {
			return nil, fmt.Errorf("the dataset's name is invalid: %s", p.Message)
		}
		if match := nameOfColumn.FindStringSubmatch(p.Path); match != nil {
			place, _ := strconv.Atoi(match[1]) // the pattern allows only digits
			refused[places[place]] = true
			for i, name := range names {
				refused[i] = refused[i] || name == names[places[place]]
			}
		}
	}
	return refused, nil
}
