package row

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// walker goes once over JSON that is known to be valid and keeps the values
// that pointers lead to. It allocates nothing a value.
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

// value goes over the value that begins here, and over the space after it.
// The node is nil where no pointer leads; depth is the value's own.
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

// keep stores the value for the columns whose pointers end here. A JSON null
// is kept as no value.
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

// unquote returns a string's content: a view of the record where it has no
// escapes, else a copy in the scratch, which lives as long as the record.
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

// open steps over the bracket, and reports whether the structure is too deep
// to go into; the walk then ends.
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
		w.at++ // the colon
		w.skipSpace()
		w.value(child, depth+1)
		if w.tooDeep {
			return
		}
		w.comma()
	}
}

// member returns the node that a name leads to, or nil.
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

// ended steps over the closing bracket, if it is here.
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

// string steps over the string that begins here.
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

// scalar steps over a number or a literal.
func (w *walker) scalar() {
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return
		}
		w.at++
	}
}
