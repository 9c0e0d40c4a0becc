package parquetfile_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/row"
)

// texts returns the CSV text of value n, by type.
var texts = map[contract.Type]func(n uint64) string{
	contract.String: func(n uint64) string {
		return strings.Repeat("ü", int(n%40)) + fmt.Sprint(n)
	},
	contract.JSON:    func(n uint64) string { return fmt.Sprintf(`{"n":%d}`, n) },
	contract.Integer: func(n uint64) string { return fmt.Sprint(int64(n)) },
	contract.Double:  func(n uint64) string { return fmt.Sprintf("%d.5e-3", int64(n)) },
	contract.Boolean: func(n uint64) string { return fmt.Sprint(n%2 == 0) },
	contract.Date:    func(n uint64) string { return time.Unix(int64(n%50_000)*86400, 0).UTC().Format(time.DateOnly) },
	contract.Timestamp: func(n uint64) string {
		return time.UnixMicro(int64(n % 1e15)).UTC().Format("2006-01-02T15:04:05.000000Z")
	},
	contract.Time: func(n uint64) string { return time.UnixMicro(int64(n % 86_400e6)).UTC().Format("15:04:05.000000") },
}

func textOf(c contract.Column, n uint64) string {
	if c.Type != contract.Decimal {
		return texts[c.Type](n)
	}
	digits := strings.Repeat(fmt.Sprint(n%1e9), 5)
	return "-" + digits[:min(len(digits), c.Precision-1)] + ".5"
}

// drawColumns draws columns, and the number of distinct values of each column.
func drawColumns(t *rapid.T) (columns []contract.Column, distinct []uint64) {
	types := slices.Sorted(maps.Keys(texts))
	for i := range rapid.IntRange(1, 8).Draw(t, "columns") {
		c := contract.Column{Name: fmt.Sprint("c", i), Required: rapid.Bool().Draw(t, "required")}
		if c.Type = rapid.SampledFrom(append(types, contract.Decimal)).Draw(t, "type"); c.Type == contract.Decimal {
			c.Precision, c.Scale = rapid.IntRange(2, 38).Draw(t, "precision"), 1
		}
		columns = append(columns, c)
		distinct = append(distinct, rapid.SampledFrom([]uint64{1, 2, 100, 5000, 1 << 62}).Draw(t, "distinct"))
	}
	return columns, distinct
}

// TestAnyColumnsReadBackEqual writes columns of any types and reads the file with
// parquet-go: the same values and nulls, within the written bounds.
func TestAnyColumnsReadBackEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		columns, distinct := drawColumns(t)
		rows := rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(0, 60_000)).Draw(t, "rows")
		nulls := rapid.SampledFrom([]int{1, 2, 50, 1 << 30}).Draw(t, "values per null")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		batch, err := row.NewBatch(columns)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		file := parquetfile.New(&body, parquetfile.Data(columns, "0123456789abcdef0123456789abcdef"), rapid.SampledFrom([]parquetfile.Level{1, 3}).Draw(t, "level"))
		want := make([][]string, len(columns))
		values := make([]row.Value, len(columns))
		for i := range rows {
			for c, column := range columns {
				values[c] = row.Value{}
				if column.Required || random.IntN(nulls) != 0 {
					n := random.Uint64N(distinct[c])
					values[c] = row.Value{Kind: row.Text, Text: []byte(textOf(column, n))}
				}
			}
			if broken := batch.Add(int64(i+1), values); broken != "" {
				t.Fatalf("%q broke %s", values, broken)
			}
			if batch.Full() || i == rows-1 {
				for c := range columns {
					want[c] = appendShown(want[c], batch.Columns[c])
				}
				if err := file.Write(batch); err != nil {
					t.Fatal(err)
				}
				batch.Reset()
			}
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		compare(t, body.Bytes(), want, rows)
	})
}

// appendShown appends the values of a column in the form of shown.
func appendShown(dst []string, c *row.Column) []string {
	for i, isPresent := range c.Present {
		v := parquet.NullValue()
		if isPresent {
			switch c.Physical {
			case row.Int64:
				v = parquet.Int64Value(c.Int64s[i])
			case row.Int32:
				v = parquet.Int32Value(c.Int32s[i])
			case row.Float64:
				v = parquet.DoubleValue(c.Float64s[i])
			case row.Bool:
				v = parquet.BooleanValue(c.Bools[i])
			case row.Wide:
				v = parquet.FixedLenByteArrayValue(wide(c.Wides[i]))
			default:
				v = parquet.ByteArrayValue(c.TextAt(i))
			}
		}
		dst = append(dst, shown(v))
	}
	return dst
}

func wide(n row.Int128) []byte {
	b := make([]byte, 16)
	for i := range 8 {
		b[7-i], b[15-i] = byte(n.High>>(8*i)), byte(n.Low>>(8*i))
	}
	return b
}

// shown formats a value. It removes the leading sign bytes of a wide decimal, so that
// values of different lengths are comparable.
func shown(v parquet.Value) string {
	if v.IsNull() {
		return "null"
	}
	if v.Kind() != parquet.FixedLenByteArray {
		return v.String()
	}
	b := v.ByteArray()
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xFF && b[1] >= 0x80) {
		b = b[1:]
	}
	return fmt.Sprintf("%x", b)
}

func compare(t *rapid.T, body []byte, want [][]string, rows int) {
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	if file.NumRows() != int64(rows) {
		t.Fatalf("%d rows, want %d", file.NumRows(), rows)
	}
	got := make([][]string, len(want))
	for _, group := range file.RowGroups() {
		for c := range want {
			chunk := group.ColumnChunks()[c].(*parquet.FileColumnChunk)
			got[c] = append(got[c], read(t, chunk)...)
		}
	}
	for c := range want {
		if diff := cmp.Diff(want[c], got[c]); diff != "" {
			t.Fatalf("column %d (-want +got):\n%s", c, diff[:min(len(diff), 2000)])
		}
	}
}

// read returns the values of a chunk, and compares each value with the bounds of the
// chunk.
func read(t *rapid.T, chunk *parquet.FileColumnChunk) []string {
	low, high, bounded := chunk.Bounds()
	kind := chunk.Type()
	pages := chunk.Pages()
	defer pages.Close()
	var all []string
	for {
		page, err := pages.ReadPage()
		if err != nil {
			return all
		}
		values := make([]parquet.Value, page.NumValues())
		n, _ := page.Values().ReadValues(values) // io.EOF comes with the last value
		if int64(n) != page.NumValues() {
			t.Fatalf("a page has %d values, its header has %d", n, page.NumValues())
		}
		for _, v := range values {
			all = append(all, shown(v))
			if bounded && !v.IsNull() && (kind.Compare(v, low) < 0 || kind.Compare(v, high) > 0) {
				t.Fatalf("value %+v is outside of the bounds %+v and %+v", v, low, high)
			}
		}
		parquet.Release(page)
	}
}

// TestProcessorCountChangesNoByte writes the same file with 1, 2 and 7 processors.
func TestProcessorCountChangesNoByte(t *testing.T) { //nolint:paralleltest // it sets the number of processors of all tests
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var bodies [][]byte
	for _, processors := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(processors)
		bodies = append(bodies, writeBody(t, 30_000))
	}
	for _, body := range bodies[1:] {
		if !bytes.Equal(body, bodies[0]) {
			t.Error("the files differ")
		}
	}
}
