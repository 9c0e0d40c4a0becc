package row_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/row"
)

var pointers = []string{"/a", "/b/0", "/b/1/c", "/a/x~1y", "/a/~0", "", "/0", "/b"}

func document() *row.Document {
	c := &contract.Contract{}
	for i, pointer := range pointers {
		c.Columns = append(c.Columns, contract.Column{Name: fmt.Sprint(i), Path: pointer})
	}
	return row.NewDocument(c)
}

// FuzzDocument compares the walker with encoding/json: the verdict on each record, and
// the value of each pointer.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":{"x/y":true,"~":null},"b":[1,{"c":"d"}]}`, ` { "b" : [ "\u00e4\n" , { "c" : [ ] } ] , "0" : -1.5e+3 } `,
		`{"a":"\\\"","b":{"0":1,"1":{"c":2}}}`, `{"a":1,"a":2}`, `[1]`, `{"a":`, `{"a":01}`, `{"\u0061":"x"}`, `{"a":"]}","b":["{"]}`, `{} {}`, "{\"a\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !utf8.Valid(raw) {
			t.Skip("the reader rejects invalid UTF-8 before")
		}
		values, broken := document().Values(raw)
		want, isRecord := decodeStandard(raw)
		if broken != "" {
			// encoding/json accepts duplicate names, lone surrogates and any depth.
			if isRecord && broken != row.RuleDuplicate && broken != row.RuleDepth && !bytes.Contains(raw, []byte(`\u`)) {
				t.Fatalf("%q broke %s", raw, broken)
			}
			return
		}
		if !isRecord {
			t.Fatalf("%q was accepted as a record", raw)
		}
		for i, pointer := range pointers {
			checkValue(t, raw, pointer, values[i], resolve(want, pointer))
		}
	})
}

func decodeStandard(raw []byte) (decoded any, isRecord bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&decoded) != nil {
		return nil, false
	}
	_, isObject := decoded.(map[string]any)
	_, err := decoder.Token()
	return decoded, isObject && err == io.EOF
}

func resolve(value any, pointer string) any {
	if pointer == "" {
		return value
	}
	for step := range strings.SplitSeq(pointer[1:], "/") {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch container := value.(type) {
		case map[string]any:
			value = container[step]
		case []any:
			index := int(step[0] - '0')
			if len(step) != 1 || index < 0 || index >= len(container) {
				return nil
			}
			value = container[index]
		default:
			return nil
		}
	}
	return value
}

func checkValue(t *testing.T, raw []byte, pointer string, got row.Value, want any) {
	t.Helper()
	var ok bool
	switch want := want.(type) {
	case nil:
		ok = got.Kind == row.Null
	case string:
		ok = got.Kind == row.JSONString && string(got.Text) == want
	case json.Number:
		ok = got.Kind == row.JSONNumber && string(got.Text) == want.String()
	case bool:
		ok = got.Kind == row.JSONBoolean && string(got.Text) == fmt.Sprint(want)
	default:
		again, _ := decodeAny(got.Text)
		ok = (got.Kind == row.JSONStructure || got.Kind == row.JSONRecord) && reflect.DeepEqual(again, want)
	}
	if !ok {
		t.Fatalf("%q: pointer %q has kind %d, %q; want %#v", raw, pointer, got.Kind, got.Text, want)
	}
}

func decodeAny(text []byte) (decoded any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&decoded)
	return decoded, err
}

func TestExtraNamesAreLimited(t *testing.T) {
	t.Parallel()
	d := row.NewDocument(&contract.Contract{Columns: []contract.Column{{Path: "/known"}}})
	for i := range 1000 {
		if _, broken := d.Values(fmt.Appendf(nil, `{"known":{"x":1},"m%04d":1}`, i)); broken != "" {
			t.Fatal(broken)
		}
	}
	extra := d.Extra()
	if len(extra) != 100 || extra[0] != "m0000" || extra[99] != "m0099" {
		t.Errorf("%d names, first %s", len(extra), extra[0])
	}
}

// TestRejectedRowLeavesBatchUnchanged rejects a row by each column in turn. The batch must
// have its earlier rows afterwards, and must accept more rows.
func TestRejectedRowLeavesBatchUnchanged(t *testing.T) {
	t.Parallel()
	columns := []contract.Column{
		{Name: "s", Type: contract.String},
		{Name: "i", Type: contract.Integer},
		{Name: "d", Type: contract.Decimal, Precision: 30, Scale: 2},
		{Name: "m", Type: contract.Decimal, Precision: 5, Scale: 2},
		{Name: "f", Type: contract.Double},
		{Name: "b", Type: contract.Boolean},
		{Name: "t", Type: contract.Date},
		{Name: "j", Type: contract.JSON},
		{Name: "u", Type: contract.Integer, Unique: true},
	}
	good := []string{"x", "1", "1.5", "2.5", "0.5", "true", "2024-01-01", "{}", ""}
	bad := []string{"x\x00", "x", "1.555", "x", "x", "x", "x", "x", "first"}
	for place := range columns {
		batch, err := row.NewBatch(columns)
		if err != nil {
			t.Fatal(err)
		}
		addRow := func(record int64, unique string, change int) string {
			values := make([]row.Value, len(columns))
			for i, text := range good {
				values[i] = row.Value{Kind: row.Text, Text: []byte(text)}
			}
			values[8].Text = []byte(unique)
			if change >= 0 {
				values[change].Text = []byte(bad[change])
			}
			return batch.Add(record, values)
		}
		first, rejected, last := addRow(1, "1", -1), addRow(2, "2", place), addRow(3, "2", -1)
		if first != "" || rejected == "" || last != "" {
			t.Errorf("column %d: broke %q, %q, %q", place, first, rejected, last)
		}
		if diff := cmp.Diff([]int64{1, 3}, batch.Records); diff != "" {
			t.Errorf("column %d: records (-want +got):\n%s", place, diff)
		}
		for _, c := range batch.Columns {
			if lengths := len(c.Int64s) + len(c.Int32s) + len(c.Wides) + len(c.Float64s) + len(c.Bools) + len(c.Ends) - 1; lengths != 2 && c.Physical == row.Bytes || len(c.Present) != 2 {
				t.Errorf("column %d rejected: %s holds %d values", place, c.Contract.Name, lengths)
			}
		}
		if again := addRow(4, "2", -1); again != "u:unique" {
			t.Errorf("column %d: the repeated value broke %q", place, again)
		}
	}
}

func TestUniqueIsCheckedUpToLimit(t *testing.T) {
	t.Parallel()
	batch, err := row.NewBatch([]contract.Column{{Name: "u", Type: contract.Integer, Unique: true}})
	if err != nil {
		t.Fatal(err)
	}
	batch.UniqueUpTo = 3
	for record, value := range []string{"1", "1", "2", "2", "1", "5", "5"} {
		broken := batch.Add(int64(record+1), []row.Value{{Kind: row.Text, Text: []byte(value)}})
		if wantBroken := record == 1; (broken == "u:unique") != wantBroken || !wantBroken && broken != "" {
			t.Errorf("record %d, value %s: broke %q", record+1, value, broken)
		}
	}
}
