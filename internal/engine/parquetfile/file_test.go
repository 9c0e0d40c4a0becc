package parquetfile_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/row"
)

var columns = []contract.Column{
	{Name: "zulu", Type: contract.String, Required: true},
	{Name: "count", Type: contract.Integer},
	{Name: "small", Type: contract.Decimal, Precision: 9, Scale: 2},
	{Name: "medium", Type: contract.Decimal, Precision: 18, Scale: 4},
	{Name: "wide", Type: contract.Decimal, Precision: 19, Scale: 0},
	{Name: "widest", Type: contract.Decimal, Precision: 38, Scale: 38},
	{Name: "share", Type: contract.Double},
	{Name: "flag", Type: contract.Boolean, Required: true},
	{Name: "day", Type: contract.Date},
	{Name: "moment", Type: contract.Timestamp, Required: true},
	{Name: "clock", Type: contract.Time},
	{Name: "alpha", Type: contract.JSON},
}

// write returns a file with rows of the columns. Every third optional value is null.
func write(t *testing.T, rows int) *parquet.File {
	t.Helper()
	body := writeBody(t, rows)
	opened, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func writeBody(t *testing.T, rows int) []byte {
	t.Helper()
	batch, err := row.NewBatch(columns)
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	file := parquetfile.New(&body, parquetfile.Data(columns, "0123456789abcdef0123456789abcdef"), parquetfile.Fastest)
	for i := range rows {
		texts := []string{
			strings.Repeat("x", 200) + fmt.Sprint(i), fmt.Sprint(-i), "-1.25", "0.0001", "-9223372036854775809", "-0.5", "1e-3",
			fmt.Sprint(i%2 == 0), "2024-02-29", "2024-02-29T12:00:00.000001Z", "23:59:59.5", `{"a":1}`,
		}
		values := make([]row.Value, len(texts))
		for c, text := range texts {
			if columns[c].Required || i%3 != 0 {
				values[c] = row.Value{Kind: row.Text, Text: []byte(text)}
			}
		}
		if broken := batch.Add(int64(i+1), values); broken != "" {
			t.Fatalf("row %d broke %s", i, broken)
		}
		if batch.Full() || i == rows-1 {
			if err := file.Write(batch); err != nil {
				t.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if file.Rows() != int64(rows) || file.Size() != int64(body.Len()) {
		t.Fatalf("File counts %d rows and %d bytes, the output has %d bytes", file.Rows(), file.Size(), body.Len())
	}
	return body.Bytes()
}

func TestSchema(t *testing.T) {
	t.Parallel()
	want := `message row {
	required binary zulu (STRING);
	optional int64 count (INT(64,true));
	optional int32 small (DECIMAL(9,2));
	optional int64 medium (DECIMAL(18,4));
	optional fixed_len_byte_array(9) wide (DECIMAL(19,0));
	optional fixed_len_byte_array(16) widest (DECIMAL(38,38));
	optional double share;
	required boolean flag;
	optional int32 day (DATE);
	required int64 moment (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	optional int64 clock (TIME(isAdjustedToUTC=false,unit=MICROS));
	optional binary alpha (STRING);
	required binary _firn_object (STRING);
	required int64 _firn_record (INT(64,true));
}`
	if diff := cmp.Diff(want, write(t, 3).Schema().String()); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

// TestFileMeetsSnowflakeScannerRequirements checks the requirements of Snowflake's
// vectorized scanner.
func TestFileMeetsSnowflakeScannerRequirements(t *testing.T) {
	t.Parallel()
	file := write(t, 30_000)
	allowed := []format.Encoding{format.Plain, format.RLE, format.RLEDictionary}
	for _, group := range file.Metadata().RowGroups {
		for _, chunk := range group.Columns {
			name := chunk.MetaData.PathInSchema
			if chunk.MetaData.Codec != format.Zstd {
				t.Errorf("%s: codec %v", name, chunk.MetaData.Codec)
			}
			if chunk.MetaData.Type == format.Int96 {
				t.Errorf("%s: INT96", name)
			}
			for _, encoding := range chunk.MetaData.Encoding {
				if !slices.Contains(allowed, encoding) {
					t.Errorf("%s: encoding %v", name, encoding)
				}
			}
			for _, page := range chunk.MetaData.EncodingStats {
				if page.PageType == format.DataPageV2 || !slices.Contains(allowed, page.Encoding) {
					t.Errorf("%s: page %v", name, page)
				}
			}
		}
	}
}

// TestFullDictionaryFallsBackToPlainPages writes more distinct bytes to column zulu
// than a dictionary may hold. The later pages are plain, and every value is read back.
func TestFullDictionaryFallsBackToPlainPages(t *testing.T) {
	t.Parallel()
	const rows = 30_000
	file := write(t, rows)
	reader := parquet.NewReader(file)
	defer reader.Close()
	buffer, next := make([]parquet.Row, 512), 0
	for {
		n, err := reader.ReadRows(buffer)
		for _, r := range buffer[:n] {
			if got, want := string(r[0].ByteArray()), strings.Repeat("x", 200)+fmt.Sprint(next); got != want {
				t.Fatalf("row %d: zulu is %q", next, got)
			}
			if isNull := next%3 == 0; r[1].IsNull() != isNull || !isNull && r[1].Int64() != int64(-next) {
				t.Fatalf("row %d: count is %v", next, r[1])
			}
			if got := r[len(columns)+1].Int64(); got != int64(next+1) {
				t.Fatalf("row %d: record is %d", next, got)
			}
			next++
		}
		if err != nil {
			break
		}
	}
	if next != rows {
		t.Errorf("%d rows, want %d", next, rows)
	}
}

func TestSchemaOfRejects(t *testing.T) {
	t.Parallel()
	var body bytes.Buffer
	batch := row.NewRejects()
	file := parquetfile.New(&body, parquetfile.Rejects(batch.Columns, "0123456789abcdef0123456789abcdef"), parquetfile.Fastest)
	batch.AddReject(7, 9, "a:integer", []byte("x\xff,y"))
	if err := file.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	type reject struct {
		Object string `parquet:"_firn_object"`
		Record int64  `parquet:"_firn_record"`
		Line   *int64 `parquet:"line"`
		Rule   string `parquet:"rule"`
		Raw    string `parquet:"raw"`
	}
	rows, err := parquet.Read[reject](bytes.NewReader(body.Bytes()), int64(body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	line := int64(9)
	want := []reject{{"0123456789abcdef0123456789abcdef", 7, &line, "a:integer", "x\uFFFD,y"}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
}
