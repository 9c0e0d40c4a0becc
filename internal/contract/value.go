package contract

import (
	"fmt"
	"iter"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// is tells whether the value is of the kind. A date is a text, since YAML reads
// 2013-01-01 as a date where ODCS means a text.
func (v value) is(k kind) bool {
	tag := v.node.ShortTag()
	switch k {
	case text:
		return v.node.Kind == yaml.ScalarNode && (tag == "!!str" || tag == "!!timestamp")
	case flag:
		return v.node.Kind == yaml.ScalarNode && tag == "!!bool"
	case number:
		return v.node.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float")
	case whole:
		return v.node.Kind == yaml.ScalarNode && tag == "!!int"
	case list:
		return v.node.Kind == yaml.SequenceNode
	case object:
		return v.node.Kind == yaml.MappingNode
	default:
		return v.node.Kind != yaml.AliasNode
	}
}

// describe names what the value is, for a message.
func (v value) describe() string {
	switch {
	case v.is(list):
		return "a list"
	case v.is(object):
		return "a mapping"
	case v.node.ShortTag() == "!!null":
		return "empty"
	case v.is(text):
		return fmt.Sprintf("the text %q", v.node.Value)
	case v.is(number):
		return fmt.Sprintf("the number %s", v.node.Value)
	default:
		return v.node.Value
	}
}

// items returns a list's items; nothing if it is none.
func (v value) items() []value {
	if !v.is(list) {
		return nil
	}
	items := make([]value, len(v.node.Content))
	for i, node := range v.node.Content {
		items[i] = value{node, fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return items
}

// members yields a mapping's keys and values, both with the value's path;
// nothing if it is none.
func (v value) members() iter.Seq2[value, value] {
	return func(yield func(value, value) bool) {
		if !v.is(object) {
			return
		}
		for i := 0; i+1 < len(v.node.Content); i += 2 {
			path := v.node.Content[i].Value
			if v.path != "" {
				path = v.path + "." + path
			}
			if !yield(value{v.node.Content[i], path}, value{v.node.Content[i+1], path}) {
				return
			}
		}
	}
}

// get returns the member of that name, and whether there is one of the kind.
// Without such a member it returns v, so that a message has a place to name.
func (v value) get(name string, k kind) (value, bool) {
	for key, member := range v.members() {
		if key.node.Value == name {
			return member, member.is(k)
		}
	}
	return v, false
}

// text returns the text of the member of that name, or "".
func (v value) text(name string) string {
	if member, ok := v.get(name, text); ok {
		return member.node.Value
	}
	return ""
}

// flag returns the member of that name, or false.
func (v value) flag(name string) bool {
	member, ok := v.get(name, flag)
	if !ok {
		return false
	}
	var set bool
	return member.node.Decode(&set) == nil && set
}

// whole returns the value as a whole number, and whether it is one that fits.
func (v value) whole() (int, bool) {
	n, err := strconv.Atoi(v.node.Value)
	return n, err == nil
}
