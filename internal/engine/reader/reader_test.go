package reader_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

type recordReader interface {
	Next() (reader.Record, error)
}

func readAll(records recordReader) (all []record, err error) {
	for {
		r, err := records.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		got := record{Number: r.Number, Line: r.Line, Raw: string(r.Raw)}
		for _, field := range r.Fields {
			got.Fields = append(got.Fields, string(field))
		}
		all = append(all, got)
	}
}

// checkCSV compares the reader with the reference, for several ways of delivering the
// bytes.
func checkCSV(t *testing.T, text []byte, delimiter byte) {
	t.Helper()
	want, badQuote := referenceCSV(text, delimiter)
	for name, source := range map[string]io.Reader{
		"at once":     bytes.NewReader(text),
		"byte a read": iotest.OneByteReader(bytes.NewReader(text)),
		"EOF early":   iotest.DataErrReader(bytes.NewReader(text)),
	} {
		got, err := readAll(reader.NewCSV(source, delimiter))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %q (-reference +got):\n%s", name, text, diff)
		}
		if refused := err != nil; refused != badQuote {
			t.Errorf("%s: %q: error %v, reference refuses: %t", name, text, err, badQuote)
		}
		if err != nil && fault.As(err).Code != fault.BadQuoting {
			t.Errorf("%s: %q: error %v", name, text, err)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "\r", "\r\n", "a,b\n1,2\n", "a\r\n\r\nb\r", "\"a\"\"b\",c\n", "\"a\nb\"\r\n,\n", "\"a\"b\n", "\"open",
		"a\"b,\"c\"\r", "\"\"\n\"\"\"\"\n", "\"x\"\r\r\n", ",,,\n,", "12345678,\"12345678\n\"", "\"a\",\"b\"\r\nlong enough for words of eight bytes,x\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkCSV(t, text, ',') })
}

func TestCSVWithOtherDelimiters(t *testing.T) {
	t.Parallel()
	for _, delimiter := range []byte{';', '\t', '|'} {
		checkCSV(t, []byte("a;b\tc|d,e\n\"1;2\"\t3\n;;\n"), delimiter)
	}
}

// TestRecordsAtWindowEdgesAreWhole moves every kind of line end and quote across the
// edge of the reader's window of 1 MiB, byte by byte.
func TestRecordsAtWindowEdgesAreWhole(t *testing.T) {
	t.Parallel()
	const window = 1 << 20
	for shift := range 24 {
		filler := strings.Repeat("x", window-12-shift)
		text := []byte(filler + ",y\r\n\"a\"\"b\",\"c\r\nd\"\r\n\r\nlast,z\n")
		want, _ := referenceCSV(text, ',')
		got, err := readAll(reader.NewCSV(bytes.NewReader(text), ','))
		if err != nil {
			t.Fatalf("shift %d: %v", shift, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("shift %d: records differ from the records of the reference", shift)
		}
	}
}

func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{"x", "\n", "{}\n{}\r\n\r\n\n{}", "\r\r\n", "{}\r", "a\n\nb"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := referenceLines(text)
		for name, source := range map[string]io.Reader{
			"at once":     bytes.NewReader(text),
			"byte a read": iotest.OneByteReader(bytes.NewReader(text)),
		} {
			got, err := readAll(reader.NewNDJSON(source))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %q (-reference +got):\n%s", name, text, diff)
			}
			if isEmpty := len(text) == 0; isEmpty != (err != nil) {
				t.Errorf("%s: %q: error %v", name, text, err)
			}
		}
	})
}

func TestNDJSONRecordTooLong(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"ended": "{}\n" + strings.Repeat("x", reader.MaxRecord+1) + "\n", "open": "{}\n" + strings.Repeat("x", reader.MaxRecord+9),
	} {
		got, err := readAll(reader.NewNDJSON(strings.NewReader(text)))
		f := fault.As(err)
		if len(got) != 1 || f == nil || f.Code != fault.RecordTooLong || !strings.Contains(f.Cause(), "record 2 (line 2)") {
			t.Errorf("%s: %d records, error %v", name, len(got), err)
		}
	}
	longest := strings.Repeat("x", reader.MaxRecord)
	got, err := readAll(reader.NewNDJSON(strings.NewReader(longest + "\r\n")))
	if err != nil || len(got) != 1 || got[0].Raw != longest {
		t.Errorf("the longest record: %d records, error %v", len(got), err)
	}
}

// TestSourceErrorIsReturnedUnchanged breaks the connection: the error must not become a
// fault of the file.
func TestSourceErrorIsReturnedUnchanged(t *testing.T) {
	t.Parallel()
	broken := fault.Dependency("read", fault.StoreAway, io.ErrUnexpectedEOF)
	packed := gzipped(t, []byte("a,b\n1,2\n"))
	for _, test := range []struct {
		name        string
		compression reader.Compression
		body        []byte
	}{{"plain", reader.Plain, []byte("a,b\n1,")}, {"gzip", reader.Gzip, packed[:len(packed)-6]}, {"zstd", reader.Zstd, []byte{0x28, 0xB5}}} {
		plain, err := reader.Open(io.MultiReader(bytes.NewReader(test.body), iotest.ErrReader(broken)), test.compression, contract.UTF8)
		if err == nil {
			_, err = readAll(reader.NewCSV(plain, ','))
		}
		if !errors.Is(err, broken) {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
}

func TestSilentSourceEndsWithError(t *testing.T) {
	t.Parallel()
	if _, err := reader.NewCSV(silentReader{}, ',').Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

type silentReader struct{}

func (silentReader) Read([]byte) (int, error) { return 0, nil }

func TestCompressionOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		key    string
		format contract.Format
		want   reader.Compression
		ok     bool
	}{
		{"a/b.csv", contract.CSV, reader.Plain, true},
		{"a/B.CSV.GZ", contract.CSV, reader.Gzip, true},
		{"a/b.tsv.zst", contract.CSV, reader.Zstd, true},
		{"a/b.ndjson", contract.NDJSON, reader.Plain, true},
		{"a/run=1/part-1.jsonl.gz", contract.NDJSON, reader.Gzip, true},
		{"a/b.ndjson", contract.CSV, "", false},
		{"a/b.csv", contract.NDJSON, "", false},
		{"a.csv/b", contract.CSV, "", false},
		{"a/b.csv.gz.zip", contract.CSV, "", false},
		{"a/b.parquet", contract.CSV, "", false},
	}
	for _, test := range tests {
		got, err := reader.CompressionOf(test.key, test.format)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("CompressionOf(%q, %s) = %q, %v", test.key, test.format, got, err)
		}
		if err != nil && fault.As(err).Code != fault.UnsupportedFormat {
			t.Errorf("CompressionOf(%q, %s): %v", test.key, test.format, err)
		}
	}
}

// TestQuotedReportsQuotesOfFields: a value in quotes is distinguished from an equal value
// without quotes.
func TestQuotedReportsQuotesOfFields(t *testing.T) {
	t.Parallel()
	csv := reader.NewCSV(strings.NewReader("h,i\n\"\",\n,\"\"\n\na,\"a\"\r\n\"a\"\"b\",\"x\ny\"\n\"\",\"\""), ',')
	if _, err := csv.Header(); err != nil {
		t.Fatal(err)
	}
	want := [][]bool{{true, false}, {false, true}, {false, true}, {true, true}, {true, true}}
	var got [][]bool
	for {
		record, err := csv.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, slices.Clone(record.Quoted))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quoted (-want +got):\n%s", diff)
	}
}

// TestHeaderWithBareCRIsRefused: all records of a file whose lines end in "\r" would be
// names of the header, and no record would be left.
func TestHeaderWithBareCRIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a,b\r1,2\r":          "the name of column 2 has a CR inside and no quotes",
		"\"a\",b\rc\n":        "the name of column 2 has a CR inside and no quotes",
		"\"a\rb\",c\r\n1,2\n": "",
		"a,b\r\n":             "",
	} {
		_, err := reader.NewCSV(strings.NewReader(text), ',').Header()
		if want == "" && err != nil || want != "" && (!fault.Is(err, fault.BadHeader) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
