package contract

import (
	"fmt"
	"iter"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// is reports whether the value is of the kind. A date is a text, because YAML reads
// 2013-01-01 as a date and ODCS means a text.
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

// describe returns the value in words, for a message.
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

// items returns the items of a list; none for another kind.
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

// members yields the keys and values of a mapping, both with the path of the value;
// nothing for another kind.
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

// get returns the member with the name, and whether the member is of the kind. Without
// such a member it returns v, so that a message has a place.
func (v value) get(name string, k kind) (value, bool) {
	for key, member := range v.members() {
		if key.node.Value == name {
			return member, member.is(k)
		}
	}
	return v, false
}

// text returns the text of the member with the name, or "".
func (v value) text(name string) string {
	if member, ok := v.get(name, text); ok {
		return member.node.Value
	}
	return ""
}

// flag returns the flag of the member with the name, or false.
func (v value) flag(name string) bool {
	member, ok := v.get(name, flag)
	if !ok {
		return false
	}
	var set bool
	return member.node.Decode(&set) == nil && set
}

// whole returns the value as a decimal int, and false for another number.
func (v value) whole() (int, bool) {
	n, err := strconv.Atoi(v.node.Value)
	return n, err == nil
}
