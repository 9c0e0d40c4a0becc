package parquetfile_test

import (
	"io"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/parquetfile"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
)

// TestPanicOfColumnIsFault writes a batch without its last column. The columns are
// written in goroutines of their own, and the process stays alive.
func TestPanicOfColumnIsFault(t *testing.T) {
	t.Parallel()
	columns := []contract.Column{{Name: "a", Type: contract.Integer}, {Name: "b", Type: contract.Integer}}
	batch, err := row.NewBatch(columns)
	if err != nil {
		t.Fatal(err)
	}
	number := row.Value{Kind: row.Text, Text: []byte("1")}
	if broken := batch.Add(1, []row.Value{number, number}); broken != "" {
		t.Fatal(broken)
	}
	batch.Columns = batch.Columns[:1]
	err = parquetfile.New(io.Discard, parquetfile.Data(columns, "o"), parquetfile.Fastest).Write(batch)
	if !fault.Is(err, fault.Crashed) || !strings.Contains(err.Error(), "at internal/engine/parquetfile.") {
		t.Errorf("error %v", err)
	}
}
