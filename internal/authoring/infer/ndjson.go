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

// A nested object's members become columns of their own if there are at most
// maxMembers, and its records have half of them on average: else the names are
// rather values, and the object is one JSON column.
const maxMembers = 100

// maxColumns bounds the columns of an NDJSON contract.
const maxColumns = 1000

// recordColumn is the name of a column that holds the whole record.
const recordColumn = "record"

// readNDJSON finds out which members records have, then what these hold.
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

// eachDocument shows every sound record, with the values of the layout.
func (s *sample) eachDocument(ctx context.Context, see func(raw []byte, values []row.Value), layout *contract.Contract) error {
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
		see(record.Raw, values)
	})
	return err
}

// member is what records have under one name.
type member struct {
	name    string
	members []*member
	byName  map[string]*member
	// objects and others count the values that are objects and that are neither
	// object nor null; inside counts the members of all objects.
	objects, others, inside int64
}

// addRecord remembers the names of a record's members, and those of its objects.
func (m *member) addRecord(raw []byte, _ []row.Value) {
	eachMember(raw, func(name string, value jsontext.Value) {
		child := m.child(name)
		child.count(value)
		if value.Kind() != '{' {
			return
		}
		eachMember(value, func(name string, value jsontext.Value) {
			child.inside++
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

// eachMember gives the members of a JSON object that is known to be valid.
func eachMember(object []byte, see func(name string, value jsontext.Value)) {
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
			see(text, value)
		}
	}
}

// becomesColumns tells whether the member's own members become columns.
func (m *member) becomesColumns() bool {
	names := int64(len(m.members))
	return m.objects > 0 && m.others == 0 && names > 0 && names <= maxMembers && 2*m.inside >= m.objects*names
}

// nameMembers makes the columns: a nested member is called by its own name
// unless another one has it.
func (s *sample) nameMembers(root *member) error {
	type place struct{ parent, leaf, path string }
	var places []place
	for _, top := range root.members {
		if !top.becomesColumns() {
			places = append(places, place{leaf: columnName(top.name), path: pointer(top.name)})
			continue
		}
		for _, leaf := range top.members {
			places = append(places, place{columnName(top.name), columnName(leaf.name), pointer(top.name) + pointer(leaf.name)})
		}
		s.notef("%q is always an object: its %d members are columns of their own.", top.name, len(top.members))
	}
	if len(places) > maxColumns {
		s.notef("There are %d members: the first %d are columns.", len(places), maxColumns)
		places = places[:maxColumns]
	}
	names := make(map[string]int)
	for _, p := range places {
		names[p.leaf]++
	}
	candidates := make([]string, len(places))
	for i, p := range places {
		if candidates[i] = p.leaf; p.parent != "" && names[p.leaf] > 1 {
			candidates[i] = p.parent + "_" + p.leaf
		}
	}
	unlike, err := s.validNames(candidates)
	if err != nil {
		return err
	}
	for i, p := range places {
		c := newColumn(unlike[i])
		c.path = p.path
		s.columns = append(s.columns, c)
	}
	return nil
}

// pointer is RFC 6901's for one name.
func pointer(name string) string {
	return "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// decideMembers leaves out members that no type takes, such as one that is a
// number here and a text there, and keeps the whole record instead.
func (s *sample) decideMembers() {
	var kept []*column
	for _, c := range s.columns {
		if c.decide(nil, s.whole) {
			kept = append(kept, c)
			continue
		}
		s.notef("%q is left out: no type takes all its values, which are of several kinds; the column of the whole record has them.", c.path)
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
