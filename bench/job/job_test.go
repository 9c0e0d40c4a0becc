package job_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/firn-data/firn/bench/job"
	"github.com/firn-data/firn/bench/orders"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

const contractPath = "../orders.odcs.yaml"

func TestEngineRejectsEveryBrokenRow(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	folder := t.TempDir()
	path := filepath.Join(folder, "orders.csv")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := orders.Write(file, rows, 3)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	report, err := job.Job{Contract: contractPath, Input: path, Output: folder}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	receipt := report.Receipt
	if receipt.RowsRead != rows || receipt.RowsRejected != summary.Rejected || receipt.ContentHash != summary.Hash {
		t.Errorf("receipt %+v, want the counts of %+v", receipt, summary)
	}
	if report.BytesIn != summary.Bytes || report.BytesOut == 0 || report.CPUSeconds <= 0 || report.PeakBytes == 0 {
		t.Errorf("unexpected report %+v", report)
	}
	if found := rules(t, folder, receipt.Rejects); !maps.Equal(found, summary.ByRule) {
		t.Errorf("rejects\n%v, want\n%v", found, summary.ByRule)
	}
	for _, f := range append(receipt.Data, receipt.Rejects...) {
		if information, err := os.Stat(filepath.Join(folder, f.Key)); err != nil || information.Size() != f.Bytes {
			t.Errorf("%s has a wrong size, want %d bytes: error %v", f.Key, f.Bytes, err)
		}
	}
}

// TestFileBreaksEveryRule checks that the file breaks every rule of the contract. The
// benchmark compares engines only for broken rules.
func TestFileBreaksEveryRule(t *testing.T) {
	t.Parallel()
	summary, err := orders.Write(discardWriter{}, 20_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(contractPath)
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Read("orders.odcs.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range c.Columns {
		for rule, hasRule := range map[string]bool{
			string(column.Type): column.Type != contract.String,
			"required":          column.Required,
			"pattern":           column.Pattern != "",
			"enum":              column.Enum != nil,
			"minimum":           column.Minimum != "",
			"maximum":           column.Maximum != "",
		} {
			if name := column.Name + ":" + rule; hasRule && summary.ByRule[name] == 0 {
				t.Errorf("no row breaks %s", name)
			}
		}
	}
}

type discardWriter struct{}

func (discardWriter) Write(p []byte) (int, error) { return len(p), nil }

// rules counts the rejects by rule.
func rules(t *testing.T, folder string, files []work.File) map[string]int64 {
	t.Helper()
	type reject struct {
		Rule string `parquet:"rule,optional"`
	}
	found := make(map[string]int64)
	for _, f := range files {
		rejects, err := parquet.ReadFile[reject](filepath.Join(folder, f.Key))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rejects {
			found[r.Rule]++
		}
	}
	return found
}

func TestRefusedFileIsAnError(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "orders.csv")
	if err := os.WriteFile(path, []byte("order_id\n1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := job.Job{Contract: contractPath, Input: path, Output: folder}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), string(fault.BadHeader)) {
		t.Errorf("unexpected error %v", err)
	}
}

func TestFilesStoresObjects(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	store := job.Files{}
	at := work.Location{Bucket: folder, Key: "a/b.parquet"}
	path := filepath.Join(folder, "a", "b.parquet")
	aborted := store.Create(t.Context(), at)
	if _, err := aborted.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := aborted.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
		t.Errorf("Abort left the files %v", files)
	}
	committed := store.Create(t.Context(), at)
	if _, err := committed.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file exists before Commit")
	}
	if err := errors.Join(committed.Commit(t.Context()), committed.Abort(t.Context())); err != nil {
		t.Fatal(err)
	}
	if body, err := os.ReadFile(path); err != nil || string(body) != "whole" {
		t.Errorf("file %q, error %v, want whole", body, err)
	}
	if _, err := store.Open(t.Context(), object.Object{Key: filepath.Join(folder, "none")}); fault.As(err) == nil || fault.As(err).Code != fault.ObjectGone {
		t.Errorf("unexpected error %v", err)
	}
}
