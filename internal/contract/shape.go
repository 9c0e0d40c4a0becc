package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kind is the kind of a YAML value.
type kind int

const (
	anything kind = iota
	text
	flag
	number
	whole
	list
	object
	// choice is any of the shapes in options.
	choice
)

func (k kind) String() string {
	return [...]string{"a value", "a text", "true or false", "a number", "a whole number", "a list", "a mapping", "a value"}[k]
}

// shape describes a YAML value: the kind, and the allowed and required keys of a
// mapping.
type shape struct {
	kind     kind
	item     *shape
	keys     map[string]*shape
	required []string
	options  []*shape
}

func scalar(k kind) *shape                  { return &shape{kind: k} }
func listOf(item *shape) *shape             { return &shape{kind: list, item: item} }
func oneOf(options ...*shape) *shape        { return &shape{kind: choice, options: options} }
func (s *shape) require(k ...string) *shape { s.required = k; return s }

// mapping returns the shape of a mapping. scalars holds keys by kind, separated by
// spaces, and others holds keys by shape.
func mapping(scalars map[kind]string, others map[string]*shape) *shape {
	s := &shape{kind: object, keys: maps.Clone(others)}
	if s.keys == nil {
		s.keys = map[string]*shape{}
	}
	for k, names := range scalars {
		for name := range strings.FieldsSeq(names) {
			s.keys[name] = scalar(k)
		}
	}
	return s
}

// value is a YAML node with the path to the node.
type value struct {
	node *yaml.Node
	path string
}

// checker compares a document with shapes and collects the problems.
type checker struct {
	file  string
	found problems
}

// reportf adds a Problem at the value.
func (c *checker) reportf(v value, format string, arguments ...any) {
	c.found = append(c.found, &Problem{
		File: c.file, Line: v.node.Line, Path: v.path, Message: fmt.Sprintf(format, arguments...),
	})
}

// check reports every part of v with another shape than s.
func (c *checker) check(v value, s *shape) {
	if s.kind == choice {
		s = s.closest(v)
	}
	if v.node.Kind == yaml.AliasNode || v.node.Anchor != "" {
		c.reportf(v, "a contract can't use YAML anchors; write the value in full")
		return
	}
	if !v.is(s.kind) {
		c.reportf(v, "must be %s, not %s", s.kind, v.describe())
		return
	}
	switch v.node.Kind {
	case yaml.SequenceNode:
		for _, item := range v.items() {
			c.check(item, s.itemShape())
		}
	case yaml.MappingNode:
		c.checkKeys(v, s)
	default: // a scalar has no parts
	}
}

// checkKeys reports unknown, repeated and missing keys of a mapping. A shape without
// keys allows any key.
func (c *checker) checkKeys(v value, s *shape) {
	seen := map[string]bool{}
	for key, member := range v.members() {
		name := key.node.Value
		known, ok := s.keys[name]
		switch {
		case key.node.Kind != yaml.ScalarNode:
			c.reportf(v, "keys must be texts")
		case seen[name]:
			c.reportf(key, "is twice in this mapping")
		case s.keys == nil:
			c.check(member, scalar(anything))
		case !ok:
			c.reportf(key, "unknown key%s", suggestion(name, slices.Sorted(maps.Keys(s.keys))))
		default:
			c.check(member, known)
		}
		seen[name] = true
	}
	for _, name := range s.required {
		if !seen[name] {
			c.reportf(v, "the key %q is missing", name)
		}
	}
}

// itemShape returns the shape of a list's items; by default any value.
func (s *shape) itemShape() *shape {
	if s.item == nil {
		return scalar(anything)
	}
	return s.item
}

// closest returns the first option with the kind of v, else the first option.
func (s *shape) closest(v value) *shape {
	for _, option := range s.options {
		if v.is(option.kind) {
			return option
		}
	}
	return s.options[0]
}
