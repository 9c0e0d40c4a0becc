//go:build endtoend

package engines_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/text/encoding/charmap"

	"github.com/firn-data/firn/internal/contract"
)

// occurrences maps names of rules, types and forms to their counts.
type occurrences map[string]int

// file is a file under construction.
type file struct {
	r     *rand.Rand
	c     *contract.Contract
	text  bytes.Buffer
	forms occurrences
}

// newFile creates a file for a contract and its name. Both engines may refuse a
// malformed file.
func newFile(t *testing.T, r *rand.Rand, c *contract.Contract, malformed bool, forms occurrences) (name string, body []byte) {
	t.Helper()
	f := &file{r: r, c: c, forms: forms}
	if c.Format == contract.CSV {
		f.csv()
		name = pick(r, "input.csv", "input.tsv", "input.txt")
	} else {
		f.ndjson()
		name = pick(r, "input.ndjson", "input.jsonl")
	}
	body = encode(c.Encoding, f.text.Bytes())
	if c.Encoding == contract.UTF8 && oneIn(r, 8) {
		body = append([]byte("\ufeff"), body...)
		forms["mark"]++
	}
	if malformed && oneIn(r, 2) {
		body = damage(r, body)
	}
	if oneIn(r, 3) {
		name, body = name+".gz", pack(t, r, body)
		forms["gzip"]++
		if malformed && oneIn(r, 3) {
			body = damage(r, body)
		}
	}
	return name, body
}

// encode drops characters that the encoding lacks.
func encode(encoding contract.Encoding, text []byte) []byte {
	table := map[contract.Encoding]*charmap.Charmap{contract.Latin1: charmap.ISO8859_1, contract.Windows1252: charmap.Windows1252}[encoding]
	if table == nil {
		return text
	}
	var body []byte
	for _, character := range string(text) {
		if b, ok := table.EncodeRune(character); ok {
			body = append(body, b)
		}
	}
	return append(body, pick(rand.New(rand.NewPCG(uint64(len(body)), 1)), "", "\x81", "\xe9")...)
}

// pack compresses the body to one or two gzip members.
func pack(t *testing.T, r *rand.Rand, body []byte) []byte {
	t.Helper()
	cut := pick(r, 0, len(body)/2)
	var packed bytes.Buffer
	for _, part := range [][]byte{body[:cut], body[cut:]} {
		writer := gzip.NewWriter(&packed)
		if _, err := writer.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return packed.Bytes()
}

// damage changes a copy of a body at a few random places.
func damage(r *rand.Rand, body []byte) []byte {
	body = bytes.Clone(body)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(body) + 1)
		switch r.IntN(4) {
		case 0:
			body = body[:at]
		case 1:
			body = append(body[:at:at], append([]byte(pick(r, `"`, `""`, "\"\r", "\n", "\xff", "\x00", "{", ",")), body[at:]...)...)
		case 2:
			if at < len(body) {
				body[at] ^= byte(1 + r.IntN(255))
			}
		case 3:
			body = append(body, pick(r, "junk", "\"", "\r", "\x1f\x8b")...)
		}
	}
	return body
}

func (f *file) csv() {
	order := f.presentColumns()
	extra := pick(f.r, 0, 0, 1, 2)
	var names []string
	for _, i := range order {
		names = append(names, f.c.Columns[i].Header)
	}
	for i := range extra {
		names = append(names, fmt.Sprintf("extra %d", i))
	}
	f.record(names)
	for range f.r.IntN(30) {
		var values []string
		for _, i := range order {
			values = append(values, f.csvText(f.c.Columns[i]))
		}
		for range extra {
			values = append(values, pick(f.r, strangeTexts...))
		}
		switch f.r.IntN(25) {
		case 0:
			values = append(values, pick(f.r, "", "more"))
		case 1:
			values = values[:len(values)-1]
		}
		f.record(values)
		if oneIn(f.r, 15) {
			f.text.WriteString(pick(f.r, "\n", "\r\n", "\n\n"))
			f.forms["blank line"]++
		}
	}
	if oneIn(f.r, 4) {
		f.text.Truncate(len(bytes.TrimRight(f.text.Bytes(), "\r\n")))
	}
}

// presentColumns returns the indexes of the file's columns in random order. Some files
// lack an optional column, and few files lack a required column.
func (f *file) presentColumns() []int {
	order := f.r.Perm(len(f.c.Columns))
	if last := f.c.Columns[order[len(order)-1]]; len(order) > 1 && oneIn(f.r, 4) && (!last.Required || oneIn(f.r, 4)) {
		f.forms["absent column"]++
		order = order[:len(order)-1]
	}
	return order
}

func (f *file) csvText(c contract.Column) string {
	if len(f.c.NullValues) > 0 && oneIn(f.r, 10) {
		return pick(f.r, f.c.NullValues...)
	}
	if f.c.Encoding == contract.UTF8 && oneIn(f.r, 60) {
		return pick(f.r, "\xff", "a\xc3", "\xed\xa0\x80", "\ufffd", "\xf0\x9f\x98")
	}
	return textFor(f.r, c)
}

// record writes a well-formed record. Fields that need quotes have quotes, and some
// other fields too.
func (f *file) record(values []string) {
	for i, value := range values {
		if i > 0 {
			f.text.WriteByte(f.c.Delimiter)
		}
		f.field(value, i == len(values)-1)
	}
	end := pick(f.r, "\n", "\n", "\r\n")
	f.forms[fmt.Sprintf("line end %q", end)]++
	f.text.WriteString(end)
}

func (f *file) field(value string, isLast bool) {
	needsQuotes := strings.Contains(value, "\n") || strings.Contains(value, string(f.c.Delimiter)) || strings.HasPrefix(value, `"`) ||
		isLast && strings.HasSuffix(value, "\r")
	if !needsQuotes && !oneIn(f.r, 4) {
		form := "bare"
		if strings.Contains(value, `"`) {
			form = "bare with a quote inside"
		}
		f.forms[form]++
		f.text.WriteString(value)
		return
	}
	for form, applies := range map[string]bool{
		"quoted": true, "quoted empty": value == "", "doubled quote": strings.Contains(value, `"`),
		"line end in quotes": strings.Contains(value, "\n"), "delimiter in quotes": strings.Contains(value, string(f.c.Delimiter)),
	} {
		if applies {
			f.forms[form]++
		}
	}
	f.text.WriteString(`"` + strings.ReplaceAll(value, `"`, `""`) + `"`)
}

func (f *file) ndjson() {
	for range f.r.IntN(30) {
		line := f.object()
		switch f.r.IntN(30) {
		case 0:
			line = pick(f.r, `[]`, `5`, `"x"`, `{}`, ` `, `{"a":1}{}`, `{"a":`+strings.Repeat("[", 70)+strings.Repeat("]", 70)+`}`)
		case 1:
			line = line[:len(line)-1]
		case 2:
			line = strings.Replace(line, "{", `{"d":1,"d":{},`, 1)
		case 3:
			line = pick(f.r, " ", "\t") + line + " "
		case 4:
			line += pick(f.r, "\xff", "\ufffd", ",")
		}
		f.text.WriteString(line + pick(f.r, "\n", "\n", "\r\n", "\n\n"))
	}
}

// object writes the members at the pointers of the contract.
func (f *file) object() string {
	members := map[string][]string{"": nil, "o": nil, "l": nil}
	for i, c := range f.c.Columns {
		value := f.jsonText(c)
		switch name := strings.TrimPrefix(c.Path, "/"); {
		case c.Path == "" || oneIn(f.r, 8):
		case strings.HasPrefix(name, "o/"):
			members["o"] = append(members["o"], member(name[2:], value))
		case strings.HasPrefix(name, "l/"):
			for len(members["l"]) < i {
				members["l"] = append(members["l"], "null")
			}
			members["l"] = append(members["l"], value)
		default:
			members[""] = append(members[""], member(strings.NewReplacer("~1", "/", "~0", "~").Replace(name), value))
		}
	}
	all := append(members[""], `"o": {`+strings.Join(members["o"], ",")+`}`, `"l":[`+strings.Join(members["l"], " , ")+`]`)
	if oneIn(f.r, 10) {
		all = append(all, `"extra":"\u00e4\n"`)
	}
	return "{" + strings.Join(all, ",") + "}"
}

func member(name, value string) string { return quotedJSON(name) + ":" + value }

func quotedJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil { // impossible for a text
		panic(err)
	}
	return string(quoted)
}

// jsonText writes most values in the JSON kind of their type.
func (f *file) jsonText(c contract.Column) string {
	text := textFor(f.r, c)
	if oneIn(f.r, 15) {
		return pick(f.r, "null", "true", "5", `"5"`, "[]", `{"a":1}`, `"\u0000"`, `"\ud83d\ude00"`)
	}
	switch c.Type {
	case contract.Integer, contract.Decimal, contract.Double, contract.Boolean:
		if json.Valid([]byte(text)) || oneIn(f.r, 30) && text != "" {
			return strings.ReplaceAll(text, "\n", "")
		}
		return "null"
	case contract.JSON:
		if json.Valid([]byte(text)) {
			return text
		}
		return "{}"
	default:
		return quotedJSON(text)
	}
}
