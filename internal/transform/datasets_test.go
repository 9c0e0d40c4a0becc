package transform_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

// datasets is the folder of the made-up project.
const datasets = "../../testdata/project/datasets"

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// TestMadeUpDatasets transforms the files of the made-up project. Every row must be
// accepted.
func TestMadeUpDatasets(t *testing.T) {
	t.Parallel()
	contracts, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		dataset, file string
		rows          int64
	}{
		{"shop.customer", "shop/customer/2026-01-31.csv", 20},
		{"shop.item", "shop/item/items.csv.gz", 60},
		{"shop.order", "shop/order/orders.csv", 40},
		{"shop.visit", "shop/visit/visits.csv", 240},
		{"station.event", "station/event/events.geojson.gz", 668},
	}
	for _, test := range tests {
		t.Run(test.dataset, func(t *testing.T) {
			t.Parallel()
			key, body := test.file, read(t, filepath.Join(datasets, test.file))
			if test.dataset == "station.event" {
				key, body = "station/event/part-00001.ndjson", features(t, body)
			}
			got := run(t, contracts.ByDataset(test.dataset), key, body)
			if got.err != nil {
				t.Fatal(got.err)
			}
			r := got.receipt
			if r.Outcome != work.Accepted || r.RowsRead != test.rows || r.RowsRejected != 0 {
				t.Errorf("outcome %s %s: %d read, %d rejected, first %v", r.Outcome, r.Cause, r.RowsRead, r.RowsRejected, r.FirstRejects)
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// features writes a GeoJSON collection in the format of ingest: one feature per line.
func features(t *testing.T, packed []byte) []byte {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	var collection struct {
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(body, &collection); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for _, feature := range collection.Features {
		if err := json.Compact(&lines, feature); err != nil {
			t.Fatal(err)
		}
		lines.WriteByte('\n')
	}
	return lines.Bytes()
}
