package transform_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

func numbers() *contract.Contract {
	c := newContract(contract.CSV, contract.Column{Name: "n", Type: contract.Integer})
	c.MaxRejectRatio = 1
	return c
}

func TestReceiptHasAllFields(t *testing.T) {
	t.Parallel()
	body := []byte("n,more\n1,a\nx,b\n3,c\n")
	got := run(t, numbers(), "shop/order/a b+c%20ü.csv", body)
	if got.err != nil {
		t.Fatal(got.err)
	}
	sum := sha256.Sum256(body)
	id := got.receipt.Object.ID()
	prefix := "shop/order/" + string(id) + "/01/"
	want := work.Receipt{
		Object: got.receipt.Object, Dataset: "shop.order", ObjectID: id, Contract: "1.0.0", Attempt: "01",
		Engine: "lambda", Outcome: work.Accepted, RowsRead: 3, RowsWritten: 2, RowsRejected: 1,
		Data:         []work.File{{Key: prefix + "data-00000.parquet", Rows: 2, Bytes: got.receipt.Data[0].Bytes}},
		Rejects:      []work.File{{Key: prefix + "rejects-00000.parquet", Rows: 1, Bytes: got.receipt.Rejects[0].Bytes}},
		FirstRejects: []work.Reject{{Record: 2, Line: 3, Rule: "n:integer"}}, RejectsByRule: map[string]int64{"n:integer": 1},
		ExtraColumns: []string{"more"}, ContentHash: "sha256:" + hex.EncodeToString(sum[:]),
		StartedAt: start, FinishedAt: start,
	}
	if diff := cmp.Diff(want, got.receipt); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	wantOrder := []string{prefix + "data-00000.parquet", prefix + "rejects-00000.parquet", prefix + "receipt.json"}
	if diff := cmp.Diff(wantOrder, got.store.keys()); diff != "" {
		t.Errorf("files in order of appearance (-want +got):\n%s", diff)
	}
}

// TestRefusedObjectHasFirstRejectsOnly: a refused object has its receipt, and at most one
// file with the first rejects.
func TestRefusedObjectHasFirstRejectsOnly(t *testing.T) {
	t.Parallel()
	rows, bad := strings.Repeat("1\n", 50_000), strings.Repeat("x\n", 100_000)
	tests := []struct {
		name, key, body string
		code            fault.Code
		cause           string
		read            int64
		kept            int
	}{
		{"bad quoting after 50,000 records", "a.csv", "n\n" + rows + "\"2\"x\n" + rows, fault.BadQuoting, "record 50001 (line 50002): there is text after a closing quote", 50_000, 0},
		{"bad quoting after a reject", "a.csv", "n\nx\n" + rows + "\"2\"x\n" + rows, fault.BadQuoting, "record 50002 (line 50003): there is text after a closing quote", 50_001, 1},
		{"truncated gzip", "a.csv.gz", string(gzipped(t, "n\n"+rows))[:60], fault.BadCompression, "ends too early", 0, 0},
		{"rejects", "a.csv", "n\n" + rows + bad, fault.TooManyRejects, "100000 of 150000 records (66.7 %) break the contract, above both limits of 10 records and 5.0 %; 100000 break n:integer", 150_000, 1000},
		{"no good record", "a.csv", "n\n" + bad, fault.NoGoodRow, "none of the 100000 records fits the contract; 100000 break n:integer", 100_000, 1000},
		{"record too long", "a.csv", "n\n1\n" + strings.Repeat("1", 16<<20+1) + "\n", fault.RecordTooLong, "record 2 (line 3): it is longer than 16 MiB", 1, 0},
		{"open quote", "a.csv", "n\n1\n\"" + strings.Repeat("1\n", 9<<20), fault.RecordTooLong, "record 2 (line 3): it is longer than 16 MiB", 1, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := numbers()
			c.MaxRejectRatio = 0.05
			got := run(t, c, test.key, []byte(test.body))
			if got.err != nil {
				t.Fatal(got.err)
			}
			r := got.receipt
			if r.Outcome != work.Refused || r.Code != string(test.code) || !strings.Contains(r.Cause, test.cause) || r.Hint == "" {
				t.Errorf("outcome %s, code %s, cause %q, hint %q", r.Outcome, r.Code, r.Cause, r.Hint)
			}
			if r.RowsRead != test.read || r.RowsWritten != 0 {
				t.Errorf("%d rows read, %d written", r.RowsRead, r.RowsWritten)
			}
			if len(r.Data) != 0 || len(got.rejects) != test.kept {
				t.Errorf("the receipt has the data files %v and %d rejects, want no file and %d rejects", r.Data, len(got.rejects), test.kept)
			}
			checkKeptRejects(t, got)
		})
	}
}

// checkKeptRejects checks that a refused object has no file except the receipt and one
// file with its first rejects in order.
func checkKeptRejects(t *testing.T, o outcome) {
	t.Helper()
	var want []string
	if len(o.rejects) > 0 {
		want = append(want, "rejects-00000.parquet")
	}
	var names []string
	for _, key := range o.store.keys() {
		names = append(names, path.Base(key))
	}
	if diff := cmp.Diff(append(want, "receipt.json"), names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for i, first := range o.receipt.FirstRejects {
		if i >= len(o.rejects) || fmt.Sprint(o.rejects[i]["_firn_record"]) != fmt.Sprint(first.Record) || o.rejects[i]["rule"] != first.Rule {
			t.Errorf("reject %d of the receipt isn't in the file: %+v", i+1, first)
		}
	}
}

// TestRefusalWithUnwrittenRejectsIsTriedAgain: without the first rejects there is no
// receipt.
func TestRefusalWithUnwrittenRejectsIsTriedAgain(t *testing.T) {
	t.Parallel()
	store, w := landed("a.csv", []byte("n\nx\n"))
	store.failCreate = fault.Dependency("write", fault.AccessDenied, errors.New("denied"))
	got := runIn(t, t.Context(), &transform.Engine{Store: store, Bucket: bucket, Now: clock}, store, numbers(), w)
	if f := fault.As(got.err); f == nil || f.Code != fault.AccessDenied || f.Disposition != fault.RetryAfter {
		t.Errorf("error %v", got.err)
	}
	if keys := store.keys(); len(keys) != 0 {
		t.Errorf("files %v, want none", keys)
	}
}

// TestRefusalAfterDataFilesNamesNone: a permanent fault between the commits of data and
// rejects leaves a receipt without data files, also if they are visible already.
func TestRefusalAfterDataFilesNamesNone(t *testing.T) {
	t.Parallel()
	store, w := landed("a.csv", []byte("n\n1\nx\n"))
	store.failCommit = fault.Permanentf("write", fault.Unexpected, "a name that is too long")
	got := runIn(t, t.Context(), &transform.Engine{Store: store, Bucket: bucket, Now: clock}, store, numbers(), w)
	if got.err != nil {
		t.Fatal(got.err)
	}
	if r := got.receipt; r.Outcome != work.Refused || len(r.Data) != 0 || r.RowsWritten != 0 || len(got.rejects) != 1 {
		t.Errorf("the receipt is %+v", r)
	}
}

// TestShareAloneLimitsRejectsOfSnapshots: firn.maxRejects has no effect in mode
// snapshot, and the cause names only the share.
func TestShareAloneLimitsRejectsOfSnapshots(t *testing.T) {
	t.Parallel()
	c := numbers()
	c.Mode, c.MaxRejectRatio = contract.Snapshot, 0.05
	got := run(t, c, "a.csv", []byte("n\n1\n2\nx\n"))
	const cause = "1 of 3 records (33.3 %) break the contract, above the limit of 5.0 %; 1 break n:integer"
	if got.err != nil || got.receipt.Code != string(fault.TooManyRejects) || got.receipt.Cause != cause {
		t.Errorf("code %q, cause %q, error %v", got.receipt.Code, got.receipt.Cause, got.err)
	}
	c.Mode = contract.Append
	if got := run(t, c, "a.csv", []byte("n\n1\n2\nx\n")); got.receipt.Outcome != work.Accepted {
		t.Errorf("in mode append: %+v", got.receipt)
	}
}

// TestRefusalNamesNewColumns: the cause has the names of new columns, at most ten.
func TestRefusalNamesNewColumns(t *testing.T) {
	t.Parallel()
	tests := []struct{ header, cause string }{
		{"n,a b", `the contract doesn't have the column "a b"`},
		{`n,"a""b",c`, `the contract doesn't have the columns "a\"b", "c"`},
		{"n,a,b,c,d,e,f,g,h,i,j,k,l", `the contract doesn't have the columns "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" and 2 more`},
	}
	for _, test := range tests {
		c := numbers()
		c.NewColumns = contract.RefuseNewColumns
		got := run(t, c, "a.csv", []byte(test.header+"\n"))
		if got.err != nil || got.receipt.Code != string(fault.NewColumn) || got.receipt.Cause != test.cause {
			t.Errorf("%s: code %q, cause %q, error %v", test.header, got.receipt.Code, got.receipt.Cause, got.err)
		}
	}
}

func TestLongRecordsAreWrittenWhole(t *testing.T) {
	t.Parallel()
	c := newContract(contract.CSV, contract.Column{Name: "s", Type: contract.String})
	long := strings.Repeat("x", 16<<20)
	threeMB := strings.Repeat("y", 3<<20)
	got := run(t, c, "a.csv", []byte("s\r\n"+threeMB+"\r\n"+long+"\r\nz"))
	if got.err != nil || got.receipt.RowsWritten != 3 {
		t.Fatalf("receipt %+v, error %v", got.receipt, got.err)
	}
	for i, want := range []string{threeMB, long, "z"} {
		if got.rows[i]["s"] != want {
			t.Errorf("row %d differs from the written row", i+1)
		}
	}
}

func TestOutputIsSplitAtRollBytes(t *testing.T) {
	t.Parallel()
	const rows = 1_100_000
	var body strings.Builder
	body.WriteString("n\n")
	for i := range rows {
		fmt.Fprintf(&body, "%d\n", i*7919)
	}
	store, w := landed("a.csv", []byte(body.String()))
	engine := &transform.Engine{Store: store, Bucket: bucket, Now: clock, RollBytes: 1 << 20}
	receipt, err := engine.Transform(t.Context(), transform.Job{Work: w, Contract: numbers(), Attempt: "01"})
	if err != nil {
		t.Fatal(err)
	}
	if len(receipt.Data) < 2 {
		t.Fatalf("%d files, want several", len(receipt.Data))
	}
	next := int64(1)
	for _, file := range receipt.Data {
		for _, row := range rowsOf(t, store, []work.File{file}) {
			if fmt.Sprint(row["_firn_record"]) != fmt.Sprint(next) || fmt.Sprint(row["n"]) != fmt.Sprint((next-1)*7919) {
				t.Fatalf("row %v, want record %d", row, next)
			}
			next++
		}
	}
	if next-1 != rows || receipt.RowsWritten != rows {
		t.Errorf("%d rows in files, %d in the receipt, want %d", next-1, receipt.RowsWritten, rows)
	}
}

func TestFailedTransformLeavesNoFiles(t *testing.T) {
	t.Parallel()
	denied := fault.Dependency("write", fault.AccessDenied, errors.New("denied"))
	tests := []struct {
		name        string
		prepare     func(*memoryStore)
		gone        bool
		code        fault.Code
		disposition fault.Disposition
	}{
		{"object gone", func(*memoryStore) {}, true, fault.ObjectGone, fault.Permanent},
		{"broken read", func(m *memoryStore) { m.failRead = 1000 }, false, fault.StoreAway, fault.RetryAfter},
		{"denied write", func(m *memoryStore) { m.failCreate = denied }, false, fault.AccessDenied, fault.RetryAfter},
	}
	for _, test := range tests {
		for _, key := range []string{"a.csv", "a.csv.gz"} {
			t.Run(test.name+" "+key, func(t *testing.T) {
				t.Parallel()
				body := []byte("n\n" + strings.Repeat("12345\n", 2000))
				if key == "a.csv.gz" {
					body = gzipped(t, incompressible(5000))
				}
				store, w := landed(key, body)
				test.prepare(store)
				if test.gone {
					clear(store.landing)
				}
				got := runIn(t, t.Context(), &transform.Engine{Store: store, Bucket: bucket, Now: clock}, store, numbers(), w)
				f := fault.As(got.err)
				if f == nil || f.Code != test.code || f.Disposition != test.disposition {
					t.Errorf("error %v", got.err)
				}
				if keys := store.keys(); len(keys) != 0 {
					t.Errorf("files %v, want none", keys)
				}
			})
		}
	}
}

func incompressible(rows int) string {
	var body strings.Builder
	body.WriteString("n\n")
	for i := range rows {
		fmt.Fprintf(&body, "%d\n", uint32(i*2654435761))
	}
	return body.String()
}

// TestEngineStopsBeforeDeadline reads an object until only the reserve is left before
// the context's deadline.
func TestEngineStopsBeforeDeadline(t *testing.T) {
	t.Parallel()
	store, w := landed("a.csv", []byte("n\n"+strings.Repeat("1\n", 1<<20)))
	deadline := time.Now().Add(transform.Reserve + 50*time.Millisecond)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	late := time.After(time.Until(deadline.Add(-transform.Reserve)) + time.Millisecond)
	reads := 0
	store.reading = func() {
		if reads++; reads == 3 {
			<-late
		}
	}
	got := runIn(t, ctx, &transform.Engine{Store: store, Bucket: bucket, Now: clock}, store, numbers(), w)
	f := fault.As(got.err)
	if f == nil || f.Disposition != fault.Retry || !errors.Is(got.err, context.DeadlineExceeded) {
		t.Fatalf("error %v", got.err)
	}
	if keys := store.keys(); len(keys) != 0 {
		t.Errorf("files %v, want none", keys)
	}
}

// TestEveryRowIsAccountedFor checks read = written + rejected for any mixture of
// records. Each record must be in one of the files.
func TestEveryRowIsAccountedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		values := rapid.SliceOfN(rapid.SampledFrom([]string{"1", "-5", "x", "1,2", "\"7\"", "", "\"a\nb\"", "\xff"}), 0, 60).Draw(rt, "values")
		c := numbers()
		got := run(t, c, "a.csv", []byte("n\n"+strings.Join(values, "\n")))
		if got.err != nil {
			rt.Fatal(got.err)
		}
		records, good := 0, 0
		for _, value := range values {
			if value == "" {
				continue // an empty line is no record
			}
			records++
			if value == "1" || value == "-5" || value == "\"7\"" {
				good++
			}
		}
		r := got.receipt
		if isRefused := records > 0 && good == 0; isRefused != (r.Code == string(fault.NoGoodRow)) || isRefused != (r.Outcome == work.Refused) {
			rt.Fatalf("%d of %d records are good, and the receipt is %+v", good, records, r)
		}
		if r.RowsRead != int64(records) || r.RowsWritten != int64(good) || r.RowsRejected != int64(records-good) {
			rt.Fatalf("%d read, %d written, %d rejected; want %d, %d, %d", r.RowsRead, r.RowsWritten, r.RowsRejected, records, good, records-good)
		}
		if len(got.rows) != good || len(got.rejects) != records-good {
			rt.Fatalf("files have %d rows and %d rejects", len(got.rows), len(got.rejects))
		}
		seen := make(map[string]bool)
		for _, row := range append(got.rows, got.rejects...) {
			record := fmt.Sprint(row["_firn_record"])
			if seen[record] {
				rt.Fatalf("record %s occurs twice", record)
			}
			seen[record] = true
		}
	})
}

func TestCheckNamesBadContracts(t *testing.T) {
	t.Parallel()
	good := numbers()
	bad := newContract(contract.CSV, contract.Column{Name: "d", Type: contract.Date, Minimum: "5"})
	bad.File = "bad.yaml"
	worse := newContract(contract.CSV, contract.Column{Name: "s", Type: contract.String, Pattern: "("})
	worse.File = "worse.yaml"
	err := transform.Check(contract.Set{good, bad, worse})
	if err == nil || !strings.Contains(err.Error(), "bad.yaml") || !strings.Contains(err.Error(), "worse.yaml") {
		t.Errorf("error %v", err)
	}
	if err := transform.Check(contract.Set{good}); err != nil {
		t.Errorf("a good contract: %v", err)
	}
}
