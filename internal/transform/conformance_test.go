package transform_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/engines/suite"
)

var update = flag.Bool("update", false, "write the expected files of testdata instead of comparing")

// TestEngineMatchesExpectedFiles runs the engine on every case of the suite for all
// engines. Input and contract go in; rows, rejects or a refusal come out. test/engines
// runs the engine on Glue on the same cases.
func TestEngineMatchesExpectedFiles(t *testing.T) {
	t.Parallel()
	testExpectedFiles(t, false)
}

// TestLargeObjectsMatchExpectedFiles tests the cases with an object too large for the
// repository. `make test` runs tests named TestLarge... without the race detector.
func TestLargeObjectsMatchExpectedFiles(t *testing.T) {
	t.Parallel()
	testExpectedFiles(t, true)
}

func testExpectedFiles(t *testing.T, large bool) {
	t.Helper()
	cases, err := suite.Cases("testdata/conformance")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if c.IsGenerated() != large {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			body, err := c.Input()
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, c.Contract, c.InputName, body)
			if got.err != nil {
				t.Fatalf("transform: %v", got.err)
			}
			checkReceiptCounts(t, got)
			compare(t, c, suite.Rows, lines(t, got, got.rows))
			compare(t, c, suite.Rejects, lines(t, got, got.rejects))
			summary, err := suite.Summary(got.receipt)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, c, suite.Receipt, summary)
		})
	}
}

func checkReceiptCounts(t *testing.T, o outcome) {
	t.Helper()
	r := o.receipt
	if r.Outcome == work.Accepted && r.RowsRead != r.RowsWritten+r.RowsRejected {
		t.Errorf("%d rows read, but %d written and %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	}
	if int64(len(o.rows)) != r.RowsWritten || r.Outcome == work.Accepted && int64(len(o.rejects)) != r.RowsRejected {
		t.Errorf("files have %d rows and %d rejects, the receipt has %d and %d", len(o.rows), len(o.rejects), r.RowsWritten, r.RowsRejected)
	}
	byRule := int64(0)
	for _, count := range r.RejectsByRule {
		byRule += count
	}
	if byRule != r.RowsRejected && r.Code != string(fault.BadCompression) {
		t.Errorf("%d rows rejected, but %d by rule: %v", r.RowsRejected, byRule, r.RejectsByRule)
	}
	if keys := o.store.keys(); !strings.HasSuffix(keys[len(keys)-1], "/receipt.json") {
		t.Errorf("the receipt isn't the last file: %v", keys)
	}
}

// lines returns rows in the format of the suite. Each row must have the object's id,
// which the expected files leave out.
func lines(t *testing.T, o outcome, rows []map[string]any) string {
	t.Helper()
	for _, row := range rows {
		if row[parquetfile.ObjectColumn] != string(o.receipt.ObjectID) {
			t.Errorf("a row has the object %v", row[parquetfile.ObjectColumn])
		}
	}
	text, err := suite.Lines(rows)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func compare(t *testing.T, c suite.Case, kind, got string) {
	t.Helper()
	if *update {
		if err := c.Update(kind, got); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := c.Expected(kind, transform.EngineName)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", kind, diff)
	}
}
