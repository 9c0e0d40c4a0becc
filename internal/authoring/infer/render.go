package infer

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/firn-data/firn/internal/contract"
)

// apiVersion is the version of ODCS.
const apiVersion = "v3.1.0"

// render returns the contract's YAML.
func (s *sample) render() ([]byte, error) {
	document := mapping(
		"apiVersion", text(apiVersion), "kind", text("DataContract"),
		"id", text("firn."+s.Source+"."+s.Entity), "name", text(s.Source+"."+s.Entity),
		"version", text("1.0.0"), "status", text("draft"),
		"description", mapping("purpose", text("Inferred from "+s.name()+"; describe the purpose of the data and the meaning of one row.")),
		"customProperties", s.properties(),
		"schema", list(mapping("name", text(s.Entity), "logicalType", text("object"), "properties", s.columnNodes())),
	)
	document.HeadComment = s.head()
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("write contract: %w", err)
	}
	return out.Bytes(), encoder.Close()
}

// head returns the comment at the top of the contract.
func (s *sample) head() string {
	lines := []string{
		fmt.Sprintf("# Inferred from %s of %s.", s.describeSample(), strconv.Quote(s.name())),
		"# Review the contract: names, types, descriptions, required columns and the primary key.",
	}
	for _, note := range s.notes {
		lines = append(lines, "# - "+note)
	}
	return strings.Join(lines, "\n")
}

func (s *sample) properties() *yaml.Node {
	all := list(property("firn.format", text(string(s.format))))
	if s.format != contract.CSV {
		return all
	}
	if s.delimiter != ',' && s.delimiter != 0 {
		all.Content = append(all.Content, property("firn.delimiter", text(string(rune(s.delimiter)))))
	}
	if s.encoding != contract.UTF8 && s.encoding != "" {
		all.Content = append(all.Content, property("firn.encoding", text(string(s.encoding))))
	}
	if len(s.nullValues) > 0 {
		nulls := list()
		nulls.Style = yaml.FlowStyle
		for _, null := range s.nullValues {
			nulls.Content = append(nulls.Content, text(null))
		}
		all.Content = append(all.Content, property("firn.nullValues", nulls))
	}
	return all
}

func (s *sample) columnNodes() *yaml.Node {
	all := list()
	for _, c := range s.columns {
		all.Content = append(all.Content, s.columnNode(c))
	}
	return all
}

func (s *sample) columnNode(c *column) *yaml.Node {
	node := mapping("name", text(c.name))
	add := func(key string, value *yaml.Node) { node.Content = append(node.Content, text(key), value) }
	place := c.path
	if s.format == contract.CSV {
		place = c.header
		if c.header != c.name {
			add("physicalName", text(c.header))
		}
	}
	logical, physical := c.logicalType()
	add("logicalType", text(logical))
	if physical != "" {
		add("physicalType", text(physical))
	}
	if c.required {
		add("required", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	add("description", text(fmt.Sprintf("Inferred from %s of %s; describe the meaning of the column.", strconv.Quote(place), s.name())))
	if s.format == contract.NDJSON && c.path != "/"+c.name {
		paths := list(property("firn.path", text(c.path)))
		paths.Style = yaml.FlowStyle
		add("customProperties", paths)
	}
	node.HeadComment = s.suggestion(c)
	return node
}

// logicalType returns the type in ODCS. physical is empty for types without a
// physicalType in firn.
func (c *column) logicalType() (logical, physical string) {
	switch c.decided.Type {
	case contract.Decimal:
		return "number", fmt.Sprintf("decimal(%d,%d)", c.decided.Precision, c.decided.Scale)
	case contract.Double:
		return "number", "double"
	case contract.JSON:
		if c.guess != nil && c.guess.arrays {
			return "array", ""
		}
		return "object", ""
	default:
		return string(c.decided.Type), ""
	}
}

// suggestion returns a comment with guesses that need a review before they become part
// of the contract.
func (s *sample) suggestion(c *column) string {
	var lines []string
	if c.canBePrimaryKey() {
		lines = append(lines, "# No value occurs twice in "+s.describeSample()+": primaryKey: true, or unique: true?")
	}
	if !s.whole && c.records > 0 && c.missing == 0 {
		lines = append(lines, "# No value is missing in "+s.describeSample()+": required: true?")
	}
	if c.guess != nil && c.guess.values == 0 && c.decided.Type == contract.String {
		lines = append(lines, "# The column has no value, so the type is unknown.")
	}
	return strings.Join(lines, "\n")
}

// mapping makes a YAML mapping from keys and nodes in turn.
func mapping(pairs ...any) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, each := range pairs {
		switch part := each.(type) {
		case string:
			node.Content = append(node.Content, text(part))
		case *yaml.Node:
			node.Content = append(node.Content, part)
		}
	}
	return node
}

func list(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: items}
}

func property(name string, value *yaml.Node) *yaml.Node {
	node := mapping("property", text(name), "value", value)
	node.Style = yaml.FlowStyle
	return node
}

// text makes a YAML scalar that is always decoded as a string.
func text(value string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
