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

// MaxDepth is the maximum nesting depth of objects and arrays in a record. The record
// itself has depth 1.
const MaxDepth = 64

// maxExtra is the maximum number of reported members without a column.
const maxExtra = 100

// Document finds the values of NDJSON records by JSON pointer (RFC 6901).
type Document struct {
	root    *pathNode
	values  []Value
	scratch []byte // unescaped strings
	extra   map[string]bool
	block   Block
}

// pathNode is one step of the contract's pointers.
type pathNode struct {
	columns []int
	names   map[string]*pathNode
	indexes []*pathNode // by array index; nil for an index without a pointer
}

// NewDocument compiles the JSON pointers of a contract.
func NewDocument(c *contract.Contract) *Document {
	d := &Document{root: &pathNode{}, values: make([]Value, len(c.Columns)), extra: make(map[string]bool)}
	for i, column := range c.Columns {
		node := d.root
		for _, step := range splitPointer(column.Path) {
			node = node.child(step)
		}
		node.columns = append(node.columns, i)
	}
	return d
}

// splitPointer splits a JSON pointer and decodes its escapes (RFC 6901, section 4).
func splitPointer(pointer string) []string {
	if pointer == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return parts
}

// maxIndex limits the memory for a pointer such as "/999999999".
const maxIndex = 1 << 16

// child returns the node of a step, and creates a missing node. A step of digits
// matches object members and array indexes.
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

// Extra returns the sorted names of top-level members without a pointer. If a column
// holds the whole record, Extra returns nil: no data is lost.
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

// Values returns the values of a record in the contract's order, valid until the next
// call. If the whole record breaks a rule, Values returns that rule. The text must be
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

// Block returns the values of the records for the contract's columns, valid until the
// next call.
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
	b.hasNUL = bytes.IndexByte(b.text.Text, 0) >= 0 // an escape can produce a NUL
	return b
}

// checkRecord validates the whole record by RFC 8259, with unique names. checkRecord
// returns the first broken rule among depth, json, object and duplicate. In an
// otherwise valid record, walker checks the depth.
func checkRecord(raw []byte) (broken string) {
	value := jsontext.Value(raw)
	switch {
	case value.IsValid() && value.Kind() == '{':
		return ""
	case maxNesting(raw) > MaxDepth:
		return RuleDepth
	case !value.IsValid(jsontext.AllowDuplicateNames(true)):
		return RuleJSON
	case value.Kind() != '{':
		return RuleObject
	default:
		return RuleDuplicate
	}
}

// isStructure reports whether a CSV value is one JSON object or array. The rules are
// those of a record.
func isStructure(text []byte) bool {
	value := jsontext.Value(text)
	kind := value.Kind()
	return (kind == '{' || kind == '[') && value.IsValid() && maxNesting(text) <= MaxDepth
}

// maxNesting returns the maximum nesting depth of brackets outside of strings. The text
// may be invalid JSON.
func maxNesting(text []byte) int {
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
