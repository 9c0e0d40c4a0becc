package infer_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/authoring/check"
	"github.com/firn-data/firn/internal/authoring/infer"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// written writes a file with this name and returns the path.
func written(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t *testing.T, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := io.WriteString(writer, content); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// checkDraft checks the file against the draft.
func checkDraft(t *testing.T, path string, draft infer.Draft) check.Report {
	t.Helper()
	report, err := (&check.Check{File: path, Contract: draft.Contract, Rejects: 3, Now: time.Now}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestDraftMatchesGolden compares whole drafts. The file fits the draft, except for
// records after the sample and records rejected under any contract.
func TestDraftMatchesGolden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, content string
		rows, rejected      int64
	}{
		{name: "types", file: "order.csv", content: "id,zip,count,price,rate,open,day,placed,at,tags,who,huge,nothing\n" +
			"1,01234,5,1.5,1e-3,true,2026-01-02,2026-01-02T03:04:05Z,03:04:05,\"[1,2]\",\"Ada, L.\",123456789012345678901,\n" +
			"2,99999,-7,22.75,2,false,2026-01-03,2026-01-02T03:04:05.123456Z,23:59:59,[],x,1,\n"},
		{name: "null values", file: "order.csv", content: "a,b,c,d\nNA,NA,-,x\n1,y,-,NULL\n2,,-,z\n"},
		{name: "headers", file: "order.csv", content: "Order No.,order,magType,Größe,2013,,Größe?,from,\"two\nlines\",URLPath,IDs\n1,2,3,4,5,6,7,8,9,10,11\n"},
		{name: "delimiter", file: "order.txt", content: "a;b;c\n\"1,5\";x:y;2\n\"2,5\";y:z;3\n"},
		{name: "windows-1252", file: "order.csv", content: "name,price\nM\xfcller,1\n\x80uro,2\n"},
		{name: "not quite UTF-8", file: "order.csv", content: "name,price\nMüller,1\nGr\xfcn,2\nÖl,3\n", rejected: 1},
		{name: "ragged", file: "order.csv", content: "a,b\n1,2\n3,4\n5\n" + strings.Repeat("6,7\n", 10), rejected: 1},
		{name: "one column", file: "order.csv", content: "name\nx\ny\n"},
		{name: "header only", file: "order.csv", content: "a\tb\n"},
		{name: "sample", file: "order.csv", rows: 2, content: "a,b\n1,\n2,3\nx,4\n", rejected: 1},
		{name: "members", file: "order.ndjson", content: `{"id":"a","order":{"id":1,"lines":[1],"at":{"x":1}},"n":1.5,"flag":true,"none":null,"by":{}}` + "\n" +
			`{"id":"b","order":{"id":2,"lines":[]},"n":2,"flag":false,"day":"2026-01-02","by":{}}` + "\n"},
		{name: "several kinds", file: "order.jsonl", content: `{"a":1,"b~/":"x","c/d":1}` + "\n" + `{"a":"1","b~/":"y","c/d":2,"record":5}` + "\n"},
		{name: "names as values", file: "order.ndjson", content: `{"by":{"a":1}}` + "\n" + `{"by":{"b":1}}` + "\n" + `{"by":{"c":1}}` + "\n"},
		{name: "broken records", file: "order.ndjson", content: "{\"a\":1}\n{\"a\":1\n[1]\n", rejected: 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := written(t, test.file, []byte(test.content))
			draft, err := (&infer.Infer{File: path, Source: "shop", Entity: "order", Rows: test.rows}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.ReplaceAll(test.name, " ", "-"), draft.Text)
			report := checkDraft(t, path, draft)
			if report.Code != "" || report.RowsRejected != test.rejected {
				t.Errorf("%s %s, %d rejected, want %d: %v", report.Code, report.Cause, report.RowsRejected, test.rejected, report.Rules)
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".odcs.golden")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}

func TestUnusableFileIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, content, source string
		code                        fault.Code
		want                        string
	}{
		{"no format", "order.parquet", "x", "shop", fault.UnsupportedFormat, "the name of"},
		{"an empty file", "order.csv", "", "shop", fault.EmptyObject, "holds no byte"},
		{"no records", "order.ndjson", "\n", "shop", fault.EmptyObject, "no record has a member"},
		{"no names", "order.csv", ",\n1,2\n", "shop", fault.BadHeader, "occurs twice"},
		{"a column twice", "order.csv", "a;a;b\n1;2;3\n", "shop", fault.BadHeader, `"a" occurs twice`},
		{"a quote left open", "order.csv", "a,b\n\"1,2\n", "shop", fault.BadQuoting, "never closed"},
		{"not gzip", "order.csv.gz", "a,b\n", "shop", fault.BadCompression, "decompress"},
		{"UTF-16", "order.csv", "\xff\xfea\x00", "shop", fault.BadEncoding, "UTF-16"},
		{"a source of two words", "order.csv", "a\n1\n", "my shop", fault.Unexpected, "must be <source>.<entity>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := written(t, test.file, []byte(test.content))
			_, err := (&infer.Infer{File: path, Source: test.source, Entity: "order"}).Run(t.Context())
			if err == nil || fault.As(err).Code != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s and %q", err, test.code, test.want)
			}
		})
	}
}

// TestMadeUpDatasets drafts a contract for each file of the made-up project. The file
// fits the draft. A CSV draft has the columns of the project's contract.
func TestMadeUpDatasets(t *testing.T) {
	t.Parallel()
	const datasets = "../../../testdata/project/datasets"
	set, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range set {
		t.Run(c.Dataset(), func(t *testing.T) {
			t.Parallel()
			path := shipped(t, filepath.Join(datasets, c.Source, c.Entity))
			draft, err := (&infer.Infer{File: path, Source: c.Source, Entity: c.Entity}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			report := checkDraft(t, path, draft)
			if !report.Clean() || report.RowsRead < 16 || !draft.Whole || report.RowsRead != draft.Records {
				t.Errorf("of %d records: %+v", draft.Records, report)
			}
			for _, column := range c.Columns {
				if c.Format == contract.CSV && draft.Contract.Column(column.Name) == nil {
					t.Errorf("no column %s in\n%s", column.Name, draft.Text)
				}
			}
		})
	}
}

// shipped returns the path of the dataset's one data file. A GeoJSON collection becomes
// NDJSON, as in ingest.
func shipped(t *testing.T, folder string) string {
	t.Helper()
	for _, pattern := range []string{"*.csv", "*.csv.gz", "*.geojson.gz"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(found) > 1 {
			t.Fatal(found, err)
		}
		if len(found) == 0 {
			continue
		}
		if strings.HasSuffix(pattern, ".geojson.gz") {
			return written(t, "events.ndjson", features(t, found[0]))
		}
		return found[0]
	}
	t.Fatalf("no data in %s", folder)
	return ""
}

func features(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var collection struct {
		Features []json.RawMessage `json:"features"`
	}
	if err := json.NewDecoder(plain).Decode(&collection); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for _, feature := range collection.Features {
		if err := json.Compact(&lines, feature); err != nil {
			t.Fatal(err)
		}
		lines.WriteByte('\n')
	}
	return lines.Bytes()
}

// TestCompressionChangesNothing compares the drafts of a plain file and a gzip file.
func TestCompressionChangesNothing(t *testing.T) {
	t.Parallel()
	const content = "a,b\n1,x\n2,y\n"
	plain, err := (&infer.Infer{File: written(t, "x.csv", []byte(content)), Source: "shop", Entity: "order"}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gzipped, err := (&infer.Infer{File: written(t, "x.csv.gz", packed(t, content)), Source: "shop", Entity: "order"}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(string(plain.Text), "x.csv", "x.csv.gz"), string(gzipped.Text)); diff != "" {
		t.Errorf("-plain +gzip:\n%s", diff)
	}
}

// TestQuotedNullsAreNoted: infer names firn.quotedNull if a file has null texts with and
// without quotes.
func TestQuotedNullsAreNoted(t *testing.T) {
	t.Parallel()
	const note = "Quoted empty fields or quoted null values are in code, and mean no value too. With firn.quotedNull: value they would be texts."
	tests := []struct {
		name, content string
		noted         bool
	}{
		{"quoted empty and empty", "id,code\n1,\"\"\n2,\n3,x\n", true},
		{"quoted null text and null text", "id,code\n1,\"NA\"\nNA,DE\n", true},
		{"all in quotes", "\"id\",\"code\"\n\"1\",\"\"\n\"2\",\"x\"\n", false},
		{"none in quotes", "id,code\n1,\n2,\"x\"\n", false},
		{"a text that isn't null", "id,code\n1,\"NA\"\n,DE\n", false},
	}
	for _, test := range tests {
		path := written(t, "order.csv", []byte(test.content))
		draft, err := (&infer.Infer{File: path, Source: "shop", Entity: "order"}).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(draft.Notes, note) != test.noted {
			t.Errorf("%s: the notes are %q", test.name, draft.Notes)
		}
	}
}
