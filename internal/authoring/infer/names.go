package infer

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/firn-data/firn/internal/contract"
)

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
