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

// maxName leaves room for what is added to tell columns apart.
const maxName = 100

// replacedLetters are letters that aren't a letter and an accent.
var replacedLetters = strings.NewReplacer("ß", "ss", "æ", "ae", "Æ", "Ae", "œ", "oe", "Œ", "Oe", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "đ", "d", "Đ", "D")

// columnName makes a column's name of any text: lower-case letters, digits and
// underscores; "" if none of it can be kept.
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
	snaked := strings.Join(strings.FieldsFunc(name.String(), func(r rune) bool { return r == '_' }), "_")
	if len(snaked) > maxName {
		snaked = strings.Trim(snaked[:maxName], "_")
	}
	return snaked
}

// beginsWord tells where magType and URLPath are to be cut, but not IDs.
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

// validNames makes valid names of the candidates, each another. What the contract's
// reader refuses, a reserved word, gets the entity before it.
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

// refusedNames asks the contract's reader which names it refuses besides those
// that stand twice. The error says that it refuses the dataset's own name.
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
			return nil, fmt.Errorf("the dataset's name, %s", p.Message)
		}
		if match := nameOfColumn.FindStringSubmatch(p.Path); match != nil {
			place, _ := strconv.Atoi(match[1]) // the pattern lets only digits through
			refused[places[place]] = true
			for i, name := range names {
				refused[i] = refused[i] || name == names[places[place]]
			}
		}
	}
	return refused, nil
}
