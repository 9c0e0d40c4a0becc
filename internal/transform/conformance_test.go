package transform_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/transform/parquetfile"
	"github.com/firn-data/firn/internal/work"
)

var update = flag.Bool("update", false, "write the expected files of testdata instead of comparing")

// TestConformance holds the engine against every case of the suite that all
// engines must pass: input and contract in; rows, rejects or a refusal out.
func TestConformance(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/conformance/*")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, folder := range cases {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			name, body := inputOf(t, folder)
			got := run(t, contractOf(t, folder), name, body)
			if got.err != nil {
				t.Fatalf("transform: %v", got.err)
			}
			checkAccount(t, got)
			compare(t, folder, "expected.ndjson", expected(t, got))
			compare(t, folder, "rejects.ndjson", rejects(t, got))
			compare(t, folder, "receipt.json", summary(t, got))
		})
	}
}

func inputOf(t *testing.T, folder string) (name string, body []byte) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join(folder, "input.*"))
	if err != nil || len(inputs) != 1 {
		t.Fatalf("%s must hold one input file: %v", folder, inputs)
	}
	body, err = os.ReadFile(inputs[0])
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(inputs[0]), body
}

// contractOf reads a reduced contract: the fields of contract.Contract that
// matter for the case. The path "(record)" stands for the whole record.
func contractOf(t *testing.T, folder string) *contract.Contract {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(folder, "contract.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := newContract(contract.CSV)
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	fillNames(c)
	return c
}

func checkAccount(t *testing.T, o outcome) {
	t.Helper()
	r := o.receipt
	if r.Outcome == work.Accepted && r.RowsRead != r.RowsWritten+r.RowsRejected {
		t.Errorf("%d rows read, but %d written and %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	}
	if int64(len(o.rows)) != r.RowsWritten || r.Outcome == work.Accepted && int64(len(o.rejects)) != r.RowsRejected {
		t.Errorf("files hold %d and %d rows, the receipt says %d and %d", len(o.rows), len(o.rejects), r.RowsWritten, r.RowsRejected)
	}
	if keys := o.store.keys(); !strings.HasSuffix(keys[len(keys)-1], "/receipt.json") {
		t.Errorf("the receipt must be written last: %v", keys)
	}
}

func expected(t *testing.T, o outcome) string {
	t.Helper()
	var text strings.Builder
	for _, row := range o.rows {
		checkObject(t, o, row)
		text.WriteString(asJSON(t, row) + "\n")
	}
	return text.String()
}

// checkObject holds the object's id, which no expected file repeats.
func checkObject(t *testing.T, o outcome, row map[string]any) {
	t.Helper()
	if row[parquetfile.ObjectColumn] != string(o.receipt.ObjectID) {
		t.Errorf("a row says that it comes from %v", row[parquetfile.ObjectColumn])
	}
	delete(row, parquetfile.ObjectColumn)
}

func rejects(t *testing.T, o outcome) string {
	t.Helper()
	var text strings.Builder
	for _, row := range o.rejects {
		checkObject(t, o, row)
		text.WriteString(asJSON(t, row) + "\n")
	}
	return text.String()
}

// summary is what every engine's receipt must say besides the rows. How many
// rows it read before it refused is an engine's own affair, but for rejects.
func summary(t *testing.T, o outcome) string {
	t.Helper()
	r := o.receipt
	said := map[string]any{"outcome": r.Outcome}
	if r.Code != "" {
		said["code"] = r.Code
	}
	if len(r.ExtraColumns) > 0 {
		said["extra_columns"] = r.ExtraColumns
	}
	if r.Outcome == work.Accepted || r.Code == string(fault.TooManyRejects) {
		said["rows_read"], said["rows_rejected"] = r.RowsRead, r.RowsRejected
	}
	body, err := json.MarshalIndent(said, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(body) + "\n"
}

func compare(t *testing.T, folder, name, got string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
