package infer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/authoring/check"
	"github.com/firn-data/firn/internal/authoring/infer"
)

// fileTexts generates texts for files, without U+FFFD and NUL. Every contract rejects
// these two characters.
var fileTexts = rapid.Custom(func(t *rapid.T) string {
	text := rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ019 _-.,;:|\t\"'~^/\\#{}[]\n\r")), 0, 8, -1),
		rapid.StringN(0, 6, -1),
		rapid.SampledFrom([]string{"NA", "NULL", `\N`, "N/A", "-", "null", "NaN", "true", "order", "from", "id", "~", "yes", "2026-01-02", "0x10", "1e5", "", " "}),
	).Draw(t, "text")
	return strings.Map(func(r rune) rune {
		if r == 0 || r == '\uFFFD' {
			return 'x'
		}
		return r
	}, text)
})

// cells has generators of values: a generator for each type and a generator for any
// text.
var cells = []*rapid.Generator[string]{
	rapid.StringMatching(`-?[0-9]{1,21}`),
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})`),
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})\.[0-9]{1,12}`),
	rapid.StringMatching(`-?[0-9]{1,4}(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?`),
	rapid.SampledFrom([]string{"true", "false"}),
	rapid.StringMatching(`(19|20)[0-9]{2}-0[1-9]-[0-2][0-9]`),
	rapid.StringMatching(`2026-01-02T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,7})?Z?`),
	rapid.StringMatching(`[0-2][0-9]:[0-5][0-9]:[0-5][0-9]`),
	rapid.SampledFrom([]string{"{}", "[1]", `{"a":[1,2]}`, "[", `{"a":1,"a":2}`}),
	rapid.SampledFrom([]string{"NA", "NULL", `\N`, "-", "NaN"}),
	fileTexts,
}

// table draws a header and records.
func table(t *rapid.T, texts *rapid.Generator[string], values []*rapid.Generator[string]) [][]string {
	header := rapid.SliceOfNDistinct(texts, 1, 6, rapid.ID).Draw(t, "header")
	columns := make([]*rapid.Generator[string], len(header))
	for i := range columns {
		generators := rapid.SliceOfN(rapid.SampledFrom(values), 1, 2).Draw(t, "kinds")
		if rapid.Bool().Draw(t, "gaps") {
			generators = append(generators, rapid.SampledFrom([]string{"", "NA", "-"}))
		}
		columns[i] = rapid.OneOf(generators...)
	}
	rows := [][]string{header}
	for range rapid.IntRange(0, 12).Draw(t, "records") {
		row := make([]string, len(header))
		for i := range row {
			row[i] = columns[i].Draw(t, "value")
		}
		rows = append(rows, row)
	}
	return rows
}

// asCSV returns the table as CSV (RFC 4180). Some fields have quotes without need.
func asCSV(t *rapid.T, rows [][]string) string {
	delimiter := rapid.SampledFrom([]string{",", ";", "\t", "|", ":", "~", "^"}).Draw(t, "delimiter")
	end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
	var out strings.Builder
	for _, row := range rows {
		for i, value := range row {
			if i > 0 {
				out.WriteString(delimiter)
			}
			if len(row) == 1 && value == "" || strings.ContainsAny(value, delimiter+"\"\r\n") || rapid.IntRange(0, 4).Draw(t, "quote") == 0 {
				value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
			}
			out.WriteString(value)
		}
		out.WriteString(end)
	}
	return out.String()
}

// checkFits drafts a contract for the file, and checks the file against the draft.
func checkFits(t *rapid.T, folder, name string, content []byte) {
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	draft, err := (&infer.Infer{File: path, Source: "shop", Entity: "order"}).Run(t.Context())
	if err != nil {
		t.Fatalf("%q: %v", content, err)
	}
	report, err := (&check.Check{File: path, Contract: draft.Contract, Rejects: 3, Now: time.Now}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() || report.RowsRead != draft.Records {
		t.Fatalf("%q: %+v\n%s", content, report, draft.Text)
	}
}

// named reports whether a header has at least one column with a usable name. A
// byte-order mark at the start of the file is no part of the first name.
func named(rows [][]string) bool {
	for i, name := range rows[0] {
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff")
		}
		if name != "" && !strings.ContainsAny(name, "\r\n") {
			return true
		}
	}
	return false
}

func TestAnyCSVFitsItsDraft(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		rows := table(t, fileTexts, cells)
		if !named(rows) {
			t.Skip("a header of blank names is no table")
		}
		checkFits(t, folder, "any.csv", []byte(asCSV(t, rows)))
	})
}

// TestAnyEncodingFitsItsDraft writes CSV in Windows-1252. The accented letters aren't
// valid UTF-8.
func TestAnyEncodingFitsItsDraft(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	accents := rapid.StringOfN(rapid.RuneFrom([]rune("abcäöüßéèñ")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		content, err := charmap.Windows1252.NewEncoder().String(asCSV(t, table(t, accents, []*rapid.Generator[string]{accents, cells[1]})))
		if err != nil {
			t.Fatal(err)
		}
		checkFits(t, folder, "any.csv", []byte(content))
	})
}

// document draws a JSON object with any values.
func document(t *rapid.T, names []string, depth int) map[string]any {
	object := make(map[string]any)
	for _, name := range names {
		switch rapid.IntRange(0, 9).Draw(t, "kind of "+name) {
		case 0:
			object[name] = nil
		case 1: // missing
		case 2:
			object[name] = rapid.Bool().Draw(t, "boolean")
		case 3:
			object[name] = fileTexts.Draw(t, "text")
		case 4:
			object[name] = json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number"))
		case 5:
			object[name] = []any{rapid.Int().Draw(t, "item")}
		case 6, 7:
			if depth < 3 {
				object[name] = document(t, names, depth+1)
			}
		default:
			// Most members have one type. The number of names selects the type.
			object[name] = []any{"x" + strconv.Itoa(len(names)), 5, json.Number("1.25"), "2026-01-02", true}[len(name)%5]
		}
	}
	return object
}

func TestAnyNDJSONFitsItsDraft(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(fileTexts, 1, 4, rapid.ID).Draw(t, "names")
		first, err := json.Marshal(map[string]any{names[0]: 1})
		if err != nil {
			t.Fatal(err)
		}
		lines := append(first, '\n')
		for range rapid.IntRange(0, 8).Draw(t, "records") {
			line, err := json.Marshal(document(t, names, 0))
			if err != nil {
				t.Fatal(err)
			}
			lines = append(append(lines, line...), '\n')
		}
		checkFits(t, folder, "any.ndjson", lines)
	})
}
