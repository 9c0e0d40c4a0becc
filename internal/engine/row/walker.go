package row

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// walker reads valid JSON once and keeps the values of the pointers. It allocates no
// memory for a value.
type walker struct {
	document *Document
	text     []byte
	at       int
	tooDeep  bool
}

func (w *walker) skipSpace() {
	for w.at < len(w.text) && isSpace(w.text[w.at]) {
		w.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// value reads the next value and the white space after it. node is nil for a value
// without a pointer; depth is the depth of the value.
func (w *walker) value(node *pathNode, depth int) {
	start := w.at
	kind := Null
	switch w.text[w.at] {
	case '{':
		w.object(node, depth)
		kind = JSONStructure
	case '[':
		w.array(node, depth)
		kind = JSONStructure
	case '"':
		w.string()
		kind = JSONString
	case 't', 'f':
		w.scalar()
		kind = JSONBoolean
	case 'n':
		w.scalar()
	default:
		w.scalar()
		kind = JSONNumber
	}
	if node != nil && node != w.document.root {
		w.keep(node.columns, kind, w.text[start:w.at])
	}
	w.skipSpace()
}

// keep stores a value for the columns of a pointer. A JSON null is stored as no value.
func (w *walker) keep(columns []int, kind Kind, text []byte) {
	if len(columns) == 0 || kind == Null {
		return
	}
	if kind == JSONString {
		text = w.unquote(text)
	}
	for _, column := range columns {
		w.document.values[column] = Value{Kind: kind, Text: text}
	}
}

// unquote returns the content of a string, valid as long as the record. Without
// escapes, the content is a part of the record. With escapes, it is a copy in scratch.
func (w *walker) unquote(quoted []byte) []byte {
	content := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(content, '\\') < 0 {
		return content
	}
	d := w.document
	from := len(d.scratch)
	d.scratch, _ = jsontext.AppendUnquote(d.scratch, quoted) // valid: the record was checked
	return d.scratch[from:len(d.scratch):len(d.scratch)]
}

// open skips the bracket and reports whether the depth is allowed. If not, the walk
// ends.
func (w *walker) open(depth int) bool {
	w.at++
	if depth > MaxDepth {
		w.tooDeep = true
		w.at = len(w.text)
		return false
	}
	w.skipSpace()
	return true
}

func (w *walker) object(node *pathNode, depth int) {
	if !w.open(depth) {
		return
	}
	for !w.ended('}') {
		start := w.at
		w.string()
		child := w.member(node, w.text[start:w.at], depth)
		w.skipSpace()
		w.at++ // colon
		w.skipSpace()
		w.value(child, depth+1)
		if w.tooDeep {
			return
		}
		w.comma()
	}
}

// member returns the node of a member's name, or nil.
func (w *walker) member(node *pathNode, quoted []byte, depth int) *pathNode {
	if node == nil || node.names == nil && depth > 1 {
		return nil
	}
	name := w.unquote(quoted)
	child := node.names[string(name)]
	if child == nil && depth == 1 && len(w.document.extra) < maxExtra && !w.document.extra[string(name)] {
		w.document.extra[string(name)] = true
	}
	return child
}

func (w *walker) array(node *pathNode, depth int) {
	if !w.open(depth) {
		return
	}
	for index := 0; !w.ended(']'); index++ {
		var child *pathNode
		if node != nil && index < len(node.indexes) {
			child = node.indexes[index]
		}
		w.value(child, depth+1)
		if w.tooDeep {
			return
		}
		w.comma()
	}
}

// ended skips the closing bracket, and returns false for any other character.
func (w *walker) ended(bracket byte) bool {
	if w.text[w.at] != bracket {
		return false
	}
	w.at++
	return true
}

func (w *walker) comma() {
	if w.text[w.at] == ',' {
		w.at++
		w.skipSpace()
	}
}

// string skips the next string.
func (w *walker) string() {
	for w.at++; ; w.at++ {
		switch w.text[w.at] {
		case '"':
			w.at++
			return
		case '\\':
			w.at++
		}
	}
}

// scalar skips a number or a literal.
func (w *walker) scalar() {
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return
		}
		w.at++
	}
}
