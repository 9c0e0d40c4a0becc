package samples_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/authoring/check"
	"github.com/firn-data/firn/internal/authoring/infer"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

// read returns the contracts of the sample project.
func read(t *testing.T) contract.Set {
	t.Helper()
	set, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestShippedDatasetsHaveNoRejects transforms the real data with the real contracts.
// Every row is good.
func TestShippedDatasetsHaveNoRejects(t *testing.T) {
	t.Parallel()
	set := read(t)
	for dataset, sample := range samples {
		t.Run(dataset, func(t *testing.T) {
			t.Parallel()
			c := set.ByDataset(dataset)
			report := runCheck(t, landing(t, filepath.Join(datasets, c.Source, c.Entity, sample.file)), c)
			if report.Outcome != work.Accepted || report.RowsRead != int64(sample.records) || report.RowsRejected != 0 {
				t.Errorf("outcome %s %s: %d read, %d rejected, first %v", report.Outcome, report.Cause, report.RowsRead, report.RowsRejected, report.Rejects)
			}
		})
	}
}

// TestInferredContractsFitShippedFiles infers a contract from each file of real data.
// The file fits the inferred contract. The inferred contract has the columns of the
// real contract.
func TestInferredContractsFitShippedFiles(t *testing.T) {
	t.Parallel()
	set := read(t)
	for dataset, sample := range samples {
		t.Run(dataset, func(t *testing.T) {
			t.Parallel()
			c := set.ByDataset(dataset)
			path := landing(t, filepath.Join(datasets, c.Source, c.Entity, sample.file))
			draft, err := (&infer.Infer{File: path, Source: c.Source, Entity: c.Entity}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			report := runCheck(t, path, draft.Contract)
			if !report.Clean() || report.RowsRead < 16 || !draft.Whole || report.RowsRead != draft.Records {
				t.Errorf("the draft has %d records, the report is %+v", draft.Records, report)
			}
			for _, column := range c.Columns {
				if c.Format == contract.CSV && draft.Contract.Column(column.Name) == nil {
					t.Errorf("column %s is missing in\n%s", column.Name, draft.Text)
				}
			}
		})
	}
}

func runCheck(t *testing.T, path string, c *contract.Contract) check.Report {
	t.Helper()
	report, err := (&check.Check{File: path, Contract: c, Rejects: 3, Now: time.Now}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// landing returns the path of a landing file. For a GeoJSON collection, the landing
// file is the NDJSON file that ingest writes.
func landing(t *testing.T, path string) string {
	t.Helper()
	if !strings.HasSuffix(path, ".geojson.gz") {
		return path
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var collection struct {
		Features []json.RawMessage `json:"features"`
	}
	if err := json.NewDecoder(plain).Decode(&collection); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for _, feature := range collection.Features {
		if err := json.Compact(&lines, feature); err != nil {
			t.Fatal(err)
		}
		lines.WriteByte('\n')
	}
	landed := filepath.Join(t.TempDir(), "part-00001.ndjson")
	if err := os.WriteFile(landed, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return landed
}
