package infer

import (
	"bytes"
	"context"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
)

// maxMembers is the largest number of members for a nested object with a column for
// each member. Also, the objects must have at least half of these members on average.
// Otherwise the member names are probably values, and the object becomes one JSON
// column.
const maxMembers = 100

// maxColumns is the largest number of columns in an NDJSON contract.
const maxColumns = 1000

// recordColumn is the name of the column with the whole record.
const recordColumn = "record"

// readNDJSON reads the sample twice: first for the members, then for the values.
func (s *sample) readNDJSON(ctx context.Context) error {
	root := &member{}
	if err := s.eachDocument(ctx, root.addRecord, &contract.Contract{}); err != nil {
		return err
	}
	if len(root.members) == 0 {
		return fault.Permanentf("read records", fault.EmptyObject, "no record has a member")
	}
	if err := s.nameMembers(root); err != nil {
		return err
	}
	layout := &contract.Contract{}
	for _, c := range s.columns {
		layout.Columns = append(layout.Columns, contract.Column{Name: c.name, Path: c.path})
	}
	clear(s.unreadable)
	err := s.eachDocument(ctx, func(_ []byte, values []row.Value) {
		for i, c := range s.columns {
			c.observe(values[i])
		}
	}, layout)
	s.decideMembers()
	return err
}

// eachDocument calls visit for every valid record, with the values of the layout's
// columns.
func (s *sample) eachDocument(ctx context.Context, visit func(raw []byte, values []row.Value), layout *contract.Contract) error {
	text, file, err := s.open(contract.UTF8)
	if err != nil {
		return err
	}
	defer file.Close()
	document := row.NewDocument(layout)
	s.records, s.whole, err = s.eachRecord(ctx, reader.NewNDJSON(text).Next, func(record reader.Record) {
		if !row.ValidText(record.Raw) {
			s.unreadable[row.RuleUTF8]++
			return
		}
		values, broken := document.Values(record.Raw)
		if broken != "" {
			s.unreadable[broken]++
			return
		}
		visit(record.Raw, values)
	})
	return err
}

// member has the observations of one name in the records.
type member struct {
	name    string
	members []*member
	byName  map[string]*member
	// objects counts values that are objects. others counts values that are neither
	// object nor null. nested is the number of members in all objects together.
	objects, others, nested int64
}

// addRecord observes the members of a record and the members of its nested objects.
func (m *member) addRecord(raw []byte, _ []row.Value) {
	eachMember(raw, func(name string, value jsontext.Value) {
		child := m.child(name)
		child.count(value)
		if value.Kind() != '{' {
			return
		}
		eachMember(value, func(name string, value jsontext.Value) {
			child.nested++
			child.child(name).count(value)
		})
	})
}

func (m *member) count(value jsontext.Value) {
	switch value.Kind() {
	case '{':
		m.objects++
	case 'n':
	default:
		m.others++
	}
}

func (m *member) child(name string) *member {
	if m.byName[name] == nil {
		if m.byName == nil {
			m.byName = make(map[string]*member)
		}
		m.byName[name] = &member{name: name}
		m.members = append(m.members, m.byName[name])
	}
	return m.byName[name]
}

// eachMember calls visit for each member of a valid JSON object.
func eachMember(object []byte, visit func(name string, value jsontext.Value)) {
	decoder := jsontext.NewDecoder(bytes.NewReader(object))
	_, err := decoder.ReadToken()
	for err == nil && decoder.PeekKind() != '}' {
		var name jsontext.Token
		var value jsontext.Value
		if name, err = decoder.ReadToken(); err != nil {
			return
		}
		text := name.String()
		if value, err = decoder.ReadValue(); err == nil {
			visit(text, value)
		}
	}
}

// becomesColumns reports whether each nested member becomes a column.
func (m *member) becomesColumns() bool {
	names := int64(len(m.members))
	return m.objects > 0 && m.others == 0 && names > 0 && names <= maxMembers && 2*m.nested >= m.objects*names
}

// nameMembers makes the columns. A nested member keeps its own name. If several members
// have the same name, the parent's name becomes a prefix.
func (s *sample) nameMembers(root *member) error {
	type place struct{ parent, leaf, path string }
	var places []place
	for _, top := range root.members {
		if !top.becomesColumns() {
			places = append(places, place{leaf: contract.SuggestName(top.name), path: pointer(top.name)})
			continue
		}
		for _, leaf := range top.members {
			places = append(places, place{contract.SuggestName(top.name), contract.SuggestName(leaf.name), pointer(top.name) + pointer(leaf.name)})
		}
		s.notef("%q is always an object: the %d members are separate columns.", top.name, len(top.members))
	}
	if len(places) > maxColumns {
		s.notef("The records have %d members: only the first %d are columns.", len(places), maxColumns)
		places = places[:maxColumns]
	}
	counts := make(map[string]int)
	for _, p := range places {
		counts[p.leaf]++
	}
	candidates := make([]string, len(places))
	for i, p := range places {
		if candidates[i] = p.leaf; p.parent != "" && counts[p.leaf] > 1 {
			candidates[i] = p.parent + "_" + p.leaf
		}
	}
	names, err := s.validNames(candidates)
	if err != nil {
		return err
	}
	for i, p := range places {
		c := newColumn(names[i])
		c.path = p.path
		s.columns = append(s.columns, c)
	}
	return nil
}

// pointer returns the JSON pointer (RFC 6901) of one name.
func pointer(name string) string {
	return "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// decideMembers leaves out members without a type that fits all values. For these
// members, the column of the whole record is added.
func (s *sample) decideMembers() {
	var kept []*column
	for _, c := range s.columns {
		if c.decide(nil, s.whole) {
			kept = append(kept, c)
			continue
		}
		s.notef("%q is left out: no type fits all values. The column of the whole record has the values.", c.path)
	}
	if len(kept) < len(s.columns) {
		kept = append(kept, s.recordOf(kept))
	}
	s.columns = kept
}

func (s *sample) recordOf(others []*column) *column {
	c := newColumn(recordColumn)
	for taken := true; taken; {
		taken = false
		for _, other := range others {
			if other.name == c.name {
				c.name, taken = "whole_"+c.name, true
			}
		}
	}
	c.decided, c.required = contract.Column{Type: contract.JSON}, true
	return c
}
