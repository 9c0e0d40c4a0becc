package transform_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// BenchmarkTransform reports the megabytes of uncompressed input per second of CPU time
// (MB/cpu-s), from input to Parquet. Wall-clock time means little on a busy machine.
// About one row in a hundred is rejected.
func BenchmarkTransform(b *testing.B) {
	const rows = 500_000
	csv, ndjson := generate(rows)
	for name, test := range map[string]struct {
		format contract.Format
		key    string
		body   []byte
	}{
		"csv":    {contract.CSV, "orders.csv", csv},
		"ndjson": {contract.NDJSON, "orders.ndjson", ndjson},
	} {
		b.Run(name, func(b *testing.B) {
			c := newContract(test.format, orderColumns()...)
			w := work.Work{Dataset: "shop.order", Object: object.Object{Bucket: "landing", Key: test.key, Version: "1"}}
			engine := &transform.Engine{Store: discardStore{body: test.body}, Bucket: bucket, Now: time.Now}
			b.SetBytes(int64(len(test.body)))
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				receipt, err := engine.Transform(b.Context(), transform.Job{Work: w, Contract: c, Attempt: "1"})
				if err != nil || receipt.RowsRead != rows || receipt.RowsRejected == 0 {
					b.Fatalf("%+v: %v", receipt, err)
				}
			}
			b.ReportMetric(float64(b.N*len(test.body))/1e6/(cpuTime(b)-before).Seconds(), "MB/cpu-s")
		})
	}
}

// BenchmarkStages reports the cost of each stage of a CSV object alone, in megabytes of
// uncompressed input per second of CPU time. The stages are read and hash, split into
// records, check by the contract, and write Parquet at both levels.
func BenchmarkStages(b *testing.B) {
	const rows = 500_000
	body, _ := generate(rows)
	c := newContract(contract.CSV, orderColumns()...)
	for _, stage := range []struct {
		name string
		run  func(b *testing.B, body []byte, c *contract.Contract)
	}{
		{"hash", func(_ *testing.B, body []byte, _ *contract.Contract) { sha256.Sum256(body) }},
		{"split", split},
		{"parse", parseOnly},
		{"parse and encode zstd 1", encodeAt(parquetfile.Fastest)},
		{"parse and encode zstd 3", encodeAt(parquetfile.Default)},
	} {
		b.Run(stage.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				stage.run(b, body, c)
			}
			b.ReportMetric(float64(b.N*len(body))/1e6/(cpuTime(b)-before).Seconds(), "MB/cpu-s")
		})
	}
}

func split(b *testing.B, body []byte, c *contract.Contract) {
	b.Helper()
	lines := reader.NewCSV(bytes.NewReader(body), c.Delimiter)
	for {
		if _, err := lines.NextBlock(row.BlockRecords); err != nil {
			return // io.EOF; BenchmarkTransform fails for any other error
		}
	}
}

func parseOnly(b *testing.B, body []byte, c *contract.Contract) {
	b.Helper()
	parse(b, body, c, func(*row.Batch) {})
}

func encodeAt(level parquetfile.Level) func(*testing.B, []byte, *contract.Contract) {
	return func(b *testing.B, body []byte, c *contract.Contract) {
		b.Helper()
		encode(b, body, c, level)
	}
}

// parse calls full with each full batch and with the last batch.
func parse(b *testing.B, body []byte, c *contract.Contract, full func(*row.Batch)) {
	b.Helper()
	lines := reader.NewCSV(bytes.NewReader(body), c.Delimiter)
	header, err := lines.Header()
	if err != nil {
		b.Fatal(err)
	}
	fields, err := row.NewFields(header, c)
	if err != nil {
		b.Fatal(err)
	}
	batch, err := row.NewBatch(c.Columns)
	if err != nil {
		b.Fatal(err)
	}
	for {
		block, err := lines.NextBlock(row.BlockRecords)
		if err != nil {
			full(batch)
			return
		}
		batch.AddBlock(fields.Block(block))
		if batch.Full() {
			full(batch)
			batch.Reset()
		}
	}
}

func encode(b *testing.B, body []byte, c *contract.Contract, level parquetfile.Level) {
	b.Helper()
	file := parquetfile.New(io.Discard, parquetfile.Data(c.Columns, "0123456789abcdef0123456789abcdef"), level)
	parse(b, body, c, func(batch *row.Batch) {
		if err := file.Write(batch); err != nil {
			b.Fatal(err)
		}
	})
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(file.Size())/1e6, "MB/file")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// orderColumns are ten columns with all common types.
func orderColumns() []contract.Column {
	return []contract.Column{
		{Name: "order_id", Type: contract.Integer, Required: true},
		{Name: "customer_id", Type: contract.String, Required: true, Pattern: "C[0-9]{8}"},
		{Name: "ordered_at", Type: contract.Timestamp, Required: true},
		{Name: "amount", Type: contract.Decimal, Precision: 12, Scale: 2, Required: true, Minimum: "0"},
		{Name: "quantity", Type: contract.Integer, Required: true, Minimum: "1", Maximum: "1000"},
		{Name: "status", Type: contract.String, Required: true, Enum: []string{"new", "paid", "shipped", "delivered", "returned"}},
		{Name: "country", Type: contract.String, Required: true, Pattern: "[A-Z]{2}"},
		{Name: "is_gift", Type: contract.Boolean, Required: true},
		{Name: "ship_date", Type: contract.Date},
		{Name: "note", Type: contract.String},
	}
}

func generate(rows int) (csv, ndjson []byte) {
	random := rand.New(rand.NewPCG(1, 2))
	statuses := []string{"new", "paid", "shipped", "delivered", "returned"}
	countries := []string{"DE", "US", "FR", "GB", "PL", "JP", "BR", "IN"}
	notes := []string{"", "leave at the door", "ring bell twice, fragile", "gift wrap", "Grüße 日本", "call before delivery no rush"}
	var c, n bytes.Buffer
	c.WriteString("order_id,customer_id,ordered_at,amount,quantity,status,country,is_gift,ship_date,note\n")
	for i := range rows {
		at := start.Add(time.Duration(random.IntN(63_072_000_000)) * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
		day := start.AddDate(0, 0, random.IntN(700)).Format("2006-01-02")
		amount := fmt.Sprintf("%d.%02d", random.IntN(2048), random.IntN(100))
		if random.IntN(100) == 0 {
			amount = "12.345"
		}
		customer, quantity := random.IntN(100_000_000), 1+random.IntN(64)
		status, country := statuses[random.IntN(5)], countries[random.IntN(8)]
		gift, note := random.IntN(2) == 0, notes[random.IntN(len(notes))]
		fmt.Fprintf(&c, "%d,C%08d,%s,%s,%d,%s,%s,%t,%s,\"%s\"\n", 1_000_000_000+i, customer, at, amount, quantity, status, country, gift, day, note)
		fmt.Fprintf(&n, `{"order_id":%d,"customer_id":"C%08d","ordered_at":%q,"amount":%s,"quantity":%d,"status":%q,"country":%q,"is_gift":%t,"ship_date":%q,"note":%q}`+"\n",
			1_000_000_000+i, customer, at, amount, quantity, status, country, gift, day, note)
	}
	return c.Bytes(), n.Bytes()
}

// discardStore is a store without any cost.
type discardStore struct{ body []byte }

func (d discardStore) Open(context.Context, object.Object) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(d.body)), nil
}
func (discardStore) Create(context.Context, work.Location) transform.Upload { return discardUpload{} }
func (discardStore) Put(context.Context, work.Location, []byte) error       { return nil }

type discardUpload struct{}

func (discardUpload) Write(p []byte) (int, error)  { return len(p), nil }
func (discardUpload) Commit(context.Context) error { return nil }
func (discardUpload) Abort(context.Context) error  { return nil }
