package changes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
)

// file is a file of a contract: the contract accepts all its records.
type file struct {
	key  string
	body []byte
	rows []map[string]any
}

// cell is a value in a file. A null has no text.
type cell struct {
	text   string
	null   bool
	quoted bool
}

// drawFile draws a file of the writer. The values are near the rules of both contracts.
// It returns false for an NDJSON file without a record.
func drawFile(tb testing.TB, t *rapid.T, writer, other *contract.Contract) (file, bool) {
	columns := drawHeader(t, writer)
	var records [][]cell
	for range rapid.IntRange(0, 12).Draw(t, "records") {
		record := make([]cell, len(columns))
		for i, column := range columns {
			record[i] = drawCell(t, column, writer, other)
		}
		records = append(records, record)
	}
	f := file{key: keyOf(writer)}
	if f.body = render(writer, columns, records); len(f.body) == 0 {
		return file{}, false
	}
	lenient := *writer
	lenient.MaxRejects, lenient.MaxRejectRatio, lenient.Mode, lenient.Delivery = 1000, 1, contract.Append, nil
	first := run(tb, &lenient, f.key, f.body)
	accepted := records[:0]
	for i, record := range records {
		if _, rejected := first.rejected[int64(i+1)]; !rejected {
			accepted = append(accepted, record)
		}
	}
	if f.body = render(writer, columns, accepted); len(f.body) == 0 {
		return file{}, false
	}
	rows, reason := load(tb, writer, f)
	if reason != "" {
		t.Fatalf("the writer refuses its own file %q: %s", f.body, reason)
	}
	f.rows = rows
	return f, true
}

// drawHeader returns the columns of a file: all columns, sometimes without columns that
// the contract doesn't require.
func drawHeader(t *rapid.T, c *contract.Contract) []contract.Column {
	columns := slices.Clone(c.Columns)
	if rapid.Bool().Draw(t, "all columns") {
		return columns
	}
	columns = slices.DeleteFunc(columns, func(column contract.Column) bool {
		return !column.Required && rapid.Bool().Draw(t, "without "+column.Name)
	})
	if len(columns) == 0 {
		return slices.Clone(c.Columns[len(c.Columns)-1:])
	}
	return columns
}

// keyOf returns a landing key of the contract.
func keyOf(c *contract.Contract) string {
	name := "2026-01-31." + string(c.Format)
	if c.Delivery != nil {
		name = strings.ReplaceAll(c.Delivery.Key, contract.DeliveryName, name)
	}
	return c.KeyPrefix + name
}

// load returns the rows of a file under a contract, or the reason why the file doesn't
// load as a whole.
func load(tb testing.TB, c *contract.Contract, f file) (rows []map[string]any, reason string) {
	tb.Helper()
	switch {
	case !strings.HasPrefix(f.key, c.KeyPrefix):
		return nil, "the key has another prefix"
	case c.Delivery != nil && !c.InDelivery(f.key):
		return nil, "the key is in no delivery"
	}
	got := run(tb, c, f.key, f.body)
	if got.receipt.Code != "" || len(got.rejected) > 0 {
		return nil, fmt.Sprintf("%s %s, rejects %v", got.receipt.Code, got.receipt.Cause, got.rejected)
	}
	return got.rows, ""
}

// loadsUnder returns the reason why the reader doesn't load a file of the writer with the
// same values; empty if it does.
func loadsUnder(tb testing.TB, writer, reader *contract.Contract, f file) string {
	tb.Helper()
	rows, reason := load(tb, reader, f)
	if reason != "" {
		return reason
	}
	if len(rows) != len(f.rows) {
		return fmt.Sprintf("%d rows, want %d", len(rows), len(f.rows))
	}
	for i, row := range rows {
		for _, column := range writer.Columns {
			if reader.Column(column.Name) != nil && !isEqual(row[column.Name], f.rows[i][column.Name]) {
				return fmt.Sprintf("row %d has %v in column %s, want %v", i, row[column.Name], column.Name, f.rows[i][column.Name])
			}
		}
	}
	return ""
}

// isEqual compares two values of a row. Two decimals with different scales are equal.
func isEqual(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, isX := new(big.Rat).SetString(fmt.Sprint(a))
	y, isY := new(big.Rat).SetString(fmt.Sprint(b))
	return a != nil && b != nil && isX && isY && x.Cmp(y) == 0
}

// drawCell draws a value that may be valid for the column.
func drawCell(t *rapid.T, column contract.Column, writer, other *contract.Contract) cell {
	edges, texts := textsNear(column), samples[column.Type]
	for _, near := range other.Columns {
		if near.Name == column.Name || near.Header == column.Header || near.Path == column.Path {
			edges, texts = append(edges, textsNear(near)...), append(slices.Clip(texts), samples[near.Type]...)
		}
	}
	if writer.Format == contract.CSV {
		edges = slices.Concat(edges, writer.NullValues, other.NullValues, []string{""})
	}
	if len(edges) > 0 && rapid.Bool().Draw(t, "at an edge") {
		texts = edges
	}
	c := cell{text: rapid.SampledFrom(texts).Draw(t, column.Name)}
	c.null = rapid.IntRange(0, 5).Draw(t, "null") == 0
	c.quoted = rapid.IntRange(0, 2).Draw(t, "quoted") == 0
	return c
}

// textsNear returns texts just inside and just outside the rules of a column.
func textsNear(c contract.Column) []string {
	texts := slices.Clone(c.Enum)
	for _, length := range []*int{c.MinLength, c.MaxLength} {
		if length != nil {
			for n := max(*length-1, 0); n <= *length+1; n++ {
				texts = append(texts, strings.Repeat("é", n))
			}
		}
	}
	for _, limit := range []string{c.Minimum, c.Maximum, c.ExclusiveMinimum, c.ExclusiveMaximum} {
		if number, ok := new(big.Rat).SetString(limit); ok {
			for _, step := range []*big.Rat{big.NewRat(-1, 1), new(big.Rat), big.NewRat(1, 1)} {
				texts = append(texts, new(big.Rat).Add(number, step).FloatString(c.Scale))
			}
		}
	}
	if c.Type == contract.Decimal {
		point := strings.Repeat("9", c.Precision-c.Scale)
		texts = append(texts, point+"."+strings.Repeat("9", c.Scale), "-"+point, "0."+strings.Repeat("0", max(c.Scale-1, 0))+"1")
	}
	return texts
}

var samples = map[contract.Type][]string{
	contract.String:    {"a", "ab", "abc", "AB", "ab1", "5", "a b", `say "hi"`, "a,b;c|d", "é", "x@example.org", "NA", "true"},
	contract.Integer:   {"0", "1", "-1", "5", "6", "10", "100", "9223372036854775807"},
	contract.Decimal:   {"0", "1.5", "1.50", "-0.01", "5", "99.99", "100"},
	contract.Double:    {"0", "0.1", "1e3", "-2.5", "5", "1.5"},
	contract.Boolean:   {"true", "false"},
	contract.Date:      {"2026-01-31", "1999-12-31"},
	contract.Timestamp: {"2026-01-31T10:00:00Z", "1999-12-31T23:59:59.5Z"},
	contract.Time:      {"10:00:00", "23:59:59"},
	contract.JSON:      {`{"a":1,"b":"x"}`, `{"a":"x"}`, `[1,2]`, `{}`},
}

// render writes a file in the form of the contract.
func render(c *contract.Contract, columns []contract.Column, records [][]cell) []byte {
	if c.Format == contract.NDJSON {
		return renderNDJSON(columns, records)
	}
	return renderCSV(c, columns, records)
}

func renderCSV(c *contract.Contract, columns []contract.Column, records [][]cell) []byte {
	var out bytes.Buffer
	line := func(cells []cell) {
		for i, cell := range cells {
			if i > 0 {
				out.WriteByte(c.Delimiter)
			}
			text := cell.text
			if cell.null && len(c.NullValues) > 0 {
				text = c.NullValues[len(cell.text)%len(c.NullValues)]
			} else if cell.null {
				text = ""
			}
			alone := text == "" && len(cells) == 1 // an empty line is no record
			if cell.quoted && !cell.null || alone || strings.ContainsAny(text, "\",;|\t\r\n") {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			out.Write(encode(c.Encoding, text))
		}
		out.WriteByte('\n')
	}
	header := make([]cell, len(columns))
	for i, column := range columns {
		header[i].text = column.Header
	}
	line(header)
	for _, record := range records {
		line(record)
	}
	return out.Bytes()
}

// encode writes a text with letters up to U+00FF.
func encode(encoding contract.Encoding, text string) []byte {
	if encoding == contract.UTF8 {
		return []byte(text)
	}
	var out []byte
	for _, r := range text {
		out = append(out, byte(r))
	}
	return out
}

// renderNDJSON writes one object a line. Values without quotes in JSON are numbers,
// booleans and structures.
func renderNDJSON(columns []contract.Column, records [][]cell) []byte {
	var out bytes.Buffer
	for _, record := range records {
		root := make(map[string]any)
		for i, cell := range record {
			if columns[i].Path != "" {
				put(root, strings.Split(columns[i].Path, "/")[1:], jsonValue(columns[i].Type, cell))
			}
		}
		body, err := json.Marshal(root)
		if err != nil { // unreachable: texts, and JSON from jsonValue
			panic(err)
		}
		out.Write(append(body, '\n'))
	}
	return out.Bytes()
}

func put(object map[string]any, path []string, value any) {
	if len(path) == 1 {
		object[path[0]] = value
		return
	}
	inner, ok := object[path[0]].(map[string]any)
	if !ok {
		inner = make(map[string]any)
		object[path[0]] = inner
	}
	put(inner, path[1:], value)
}

func jsonValue(kind contract.Type, c cell) any {
	switch {
	case c.null:
		return nil
	case kind == contract.Integer, kind == contract.Decimal, kind == contract.Double, kind == contract.Boolean, kind == contract.JSON:
		if json.Valid([]byte(c.text)) {
			return json.RawMessage(c.text)
		}
	}
	return c.text
}
