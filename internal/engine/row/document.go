package row

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
)

// MaxDepth is how deep objects and arrays of a record may nest; the record
// itself is depth 1.
const MaxDepth = 64

// maxExtra bounds how many members that the contract doesn't have are named.
const maxExtra = 100

// Document finds the values of NDJSON records by JSON pointer (RFC 6901).
type Document struct {
	root    *pathNode
	values  []Value
	scratch []byte // strings without their escapes
	extra   map[string]bool
	block   Block
}

// pathNode is one step of the contract's pointers.
type pathNode struct {
	columns []int
	names   map[string]*pathNode
	indexes []*pathNode // by array index; nil where no pointer leads
}

// NewDocument prepares the pointers of a contract.
func NewDocument(c *contract.Contract) *Document {
	d := &Document{root: &pathNode{}, values: make([]Value, len(c.Columns)), extra: make(map[string]bool)}
	for i, column := range c.Columns {
		node := d.root
		for _, step := range steps(column.Path) {
			node = node.child(step)
		}
		node.columns = append(node.columns, i)
	}
	return d
}

// steps splits a JSON pointer and undoes its escapes (RFC 6901, section 4).
func steps(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return parts
}

// maxIndex keeps a pointer such as "/999999999" from taking memory.
const maxIndex = 1 << 16

// child returns the node of a step, and makes it if there is none. A step of
// digits leads into objects and arrays alike.
func (n *pathNode) child(step string) *pathNode {
	if node := n.names[step]; node != nil {
		return node
	}
	if n.names == nil {
		n.names = make(map[string]*pathNode)
	}
	node := &pathNode{}
	n.names[step] = node
	index, err := strconv.Atoi(step)
	if err == nil && strconv.Itoa(index) == step && index >= 0 && index < maxIndex {
		for len(n.indexes) <= index {
			n.indexes = append(n.indexes, nil)
		}
		n.indexes[index] = node
	}
	return node
}

// Extra returns the names of top-level members that no pointer leads to,
// sorted. None if a column holds the whole record: nothing is lost then.
func (d *Document) Extra() []string {
	if len(d.root.columns) > 0 {
		return nil
	}
	var names []string
	for name := range d.extra {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Values returns the record's values in the contract's order, valid until the
// next call, or the rule that the record as a whole breaks. The text must be
// valid UTF-8.
func (d *Document) Values(raw []byte) (values []Value, broken string) {
	if broken = checkRecord(raw); broken != "" {
		return nil, broken
	}
	clear(d.values)
	d.scratch = d.scratch[:0]
	for _, column := range d.root.columns {
		d.values[column] = Value{Kind: JSONRecord, Text: raw}
	}
	w := walker{document: d, text: raw}
	w.skipSpace()
	w.value(d.root, 1)
	if w.tooDeep {
		return nil, RuleDepth
	}
	return d.values, ""
}

// Block returns what the records have for the contract's columns, valid until
// the next call.
func (d *Document) Block(records *reader.Block) *Block {
	b := &d.block
	b.copyOf(len(d.values))
	b.records, b.first = records, records.First
	b.resize(records.Len())
	for i := range records.Len() {
		var values []Value
		broken := RuleUTF8
		if raw := records.Raw(i); ValidText(raw) {
			values, broken = d.Values(raw)
		}
		if broken != "" {
			b.reject(i, broken, wholeRecord)
		}
		b.setValues(values)
	}
	b.hasNUL = bytes.IndexByte(b.text.Text, 0) >= 0 // an escape may have made one
	return b
}

// checkRecord validates the whole record: RFC 8259 with unique names. It
// returns the first of depth, json, object and duplicate that is broken; the
// walk finds the depth of a record that is sound otherwise.
func checkRecord(raw []byte) (broken string) {
	value := jsontext.Value(raw)
	switch {
	case value.IsValid() && value.Kind() == '{':
		return ""
	case nesting(raw) > MaxDepth:
		return RuleDepth
	case !value.IsValid(jsontext.AllowDuplicateNames(true)):
		return RuleJSON
	case value.Kind() != '{':
		return RuleObject
	default:
		return RuleDuplicate
	}
}

// isStructure reports whether a CSV value is one JSON object or array that
// keeps the same rules as a record.
func isStructure(text []byte) bool {
	value := jsontext.Value(text)
	kind := value.Kind()
	return (kind == '{' || kind == '[') && value.IsValid() && nesting(text) <= MaxDepth
}

// nesting returns how deep brackets outside of strings nest. The text need not
// be valid JSON.
func nesting(text []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '"':
			inString = !inString
		case inString && b == '\\':
			i++
		case inString:
		case b == '{' || b == '[':
			depth++
			deepest = max(deepest, depth)
		case b == '}' || b == ']':
			depth--
		}
	}
	return deepest
}
