package transform_test

import (
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

// fuzzColumns are columns of every type, with every kind of rule.
func fuzzColumns() []contract.Column {
	one, nine := 1, 9
	return []contract.Column{
		{Name: "id", Type: contract.Integer, Required: true, Unique: true},
		{Name: "code", Type: contract.String, Pattern: "[A-Z]{2}[0-9]*", MinLength: &one, MaxLength: &nine},
		{Name: "state", Type: contract.String, Enum: []string{"new", "paid", "ü"}},
		{Name: "amount", Type: contract.Decimal, Precision: 8, Scale: 2, Minimum: "0"},
		{Name: "wide", Type: contract.Decimal, Precision: 30, Scale: 3, ExclusiveMaximum: "1e20"},
		{Name: "share", Type: contract.Double, Maximum: "1"},
		{Name: "flag", Type: contract.Boolean},
		{Name: "day", Type: contract.Date},
		{Name: "moment", Type: contract.Timestamp},
		{Name: "clock", Type: contract.Time},
		{Name: "body", Type: contract.JSON},
		{Name: "note", Type: contract.String, Unique: true},
	}
}

const (
	fuzzHeader = "id,code,state,amount,wide,share,flag,day,moment,clock,body,note\n"
	fuzzRow    = `1,AB1,new,1.50,-3.125,0.5,true,2024-02-29,2024-02-29T12:00:00.5Z,23:59:59,"{""a"":[1]}","a ""b"",` + "\n" + `c"` + "\n"
	fuzzLine   = `{"id":1,"code":"AB1","state":"\u00fc","amount":1.50,"wide":-3.125,"share":0.5,"flag":true,"day":"2024-02-29",` +
		`"moment":"2024-02-29T12:00:00.5Z","clock":"23:59:59","body":{"a":[1]},"note":"a\"b"}` + "\n"
)

// FuzzCSV runs the whole engine on any bytes after the header.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"", fuzzRow, fuzzRow + fuzzRow, "1\n", "2,,,,,,,,,,,\r\n\r\n", ",,,,,,,,,,,", "3,\"open", "3,\"a\"b,", "\xff,,,,,,,,,,,\n", "4,\x00,,,,,,,,,,\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkRowCounts(t, run(t, tolerant(contract.CSV), "orders.csv", append([]byte(fuzzHeader), body...)))
	})
}

// FuzzNDJSON runs the whole engine on any bytes.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{
		"", "\n", fuzzLine, fuzzLine + fuzzLine, "{}\r\n\n{\"id\":2}", `{"id":1,"id":2}`, `[1]`, `{"id":`, `{"note":"\u0000\ud800"}`, `{"body":[[[[{}]]]]}`, "\xff\xfe",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkRowCounts(t, run(t, tolerant(contract.NDJSON), "orders.ndjson", body))
	})
}

// tolerant returns a contract without a limit of rejects.
func tolerant(format contract.Format) *contract.Contract {
	c := newContract(format, fuzzColumns()...)
	c.MaxRejectRatio = 1
	return c
}

// checkRowCounts checks the counts of the receipt and the files. Each record number
// must occur once.
func checkRowCounts(t *testing.T, o outcome) {
	t.Helper()
	if o.err != nil {
		t.Fatalf("the engine failed: %v", o.err)
	}
	r := o.receipt
	if r.Outcome == work.Refused {
		if r.RowsWritten != 0 || len(o.rows) != 0 || len(o.rejects) > int(r.RowsRejected) || r.RowsRejected > r.RowsRead || r.Code == "" {
			t.Fatalf("refused with %+v", r)
		}
		return
	}
	if r.RowsRead != r.RowsWritten+r.RowsRejected {
		t.Fatalf("%d rows read, %d written, %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	}
	if int64(len(o.rows)) != r.RowsWritten || int64(len(o.rejects)) != r.RowsRejected {
		t.Fatalf("files have %d rows and %d rejects, the receipt has %d and %d", len(o.rows), len(o.rejects), r.RowsWritten, r.RowsRejected)
	}
	numbers := make(map[any]bool)
	for _, row := range append(o.rows, o.rejects...) {
		numbers[row["_firn_record"]] = true
	}
	if int64(len(numbers)) != r.RowsRead {
		t.Fatalf("%d record numbers for %d rows", len(numbers), r.RowsRead)
	}
}
