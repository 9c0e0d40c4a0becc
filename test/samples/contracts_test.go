package samples_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
)

const datasets = "../../datasets"

// samples lists the sample files of the contracts, with the numbers of records in
// datasets/README.md.
var samples = map[string]struct {
	file    string
	records int
	key     []string
}{
	"nycflights.airline": {"airlines_2013-12-31.csv", 16, []string{"carrier"}},
	"nycflights.airport": {"airports_2013-12-31.csv", 1458, []string{"faa"}},
	"nycflights.flight":  {"flights_2013-01.csv.gz", 27004, []string{"time_hour", "carrier", "flight"}},
	"nycflights.plane":   {"planes_2013-12-31.csv", 3322, []string{"tailnum"}},
	"nycflights.weather": {"weather_2013-01.csv", 2226, []string{"origin", "time_hour"}},
	"usgs.event":         {"events_2018-01-31_2018-02-07.geojson.gz", 1707, []string{"id"}},
}

func TestEveryDatasetIsDescribed(t *testing.T) {
	t.Parallel()
	set, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	if len(set) < len(samples) {
		t.Errorf("%d contracts, want at least %d", len(set), len(samples))
	}
	for _, c := range set {
		for _, column := range c.Columns {
			if !strings.HasSuffix(column.Description, ".") {
				t.Errorf("%s:%d: the description of %s isn't a sentence with a full stop", c.File, column.Line, column.Name)
			}
		}
		if len(c.PrimaryKeyColumns()) == 0 {
			t.Errorf("%s has no primary key", c.File)
		}
	}
}

// Every sample has the contract's columns, the expected number of records, and a unique
// primary key.
func TestSamplesFitTheirContracts(t *testing.T) {
	t.Parallel()
	set, err := contract.ReadAll(os.DirFS(datasets))
	if err != nil {
		t.Fatal(err)
	}
	for dataset, sample := range samples {
		t.Run(dataset, func(t *testing.T) {
			t.Parallel()
			c := set.ByDataset(dataset)
			if c == nil {
				t.Fatal("no contract")
			}
			records := open(t, filepath.Join(datasets, c.Source, c.Entity, sample.file), c)
			if len(records) != sample.records {
				t.Errorf("%d records, want %d", len(records), sample.records)
			}
			if diff := cmp.Diff(sample.key, columnNames(c.PrimaryKeyColumns())); diff != "" {
				t.Errorf("primary key, -want +got:\n%s", diff)
			}
			seen := map[string]bool{}
			for i, record := range records {
				for _, column := range c.Columns {
					if column.Required && record[column.Name] == "" {
						t.Fatalf("record %d: %s is required and empty", i+1, column.Name)
					}
				}
				seen[key(c, record)] = true
			}
			if len(seen) != len(records) {
				t.Errorf("%d different keys for %d records", len(seen), len(records))
			}
		})
	}
}

func columnNames(columns []contract.Column) []string {
	var names []string
	for _, column := range columns {
		names = append(names, column.Name)
	}
	return names
}

func key(c *contract.Contract, record map[string]string) string {
	var key strings.Builder
	for _, part := range c.PrimaryKeyColumns() {
		key.WriteString(record[part.Name] + "\x00")
	}
	return key.String()
}

// open returns the sample's records by column name. "" means null.
func open(t *testing.T, path string, c *contract.Contract) []map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	var from io.Reader = bufio.NewReader(file)
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	if c.Format == contract.NDJSON {
		return features(t, from, c)
	}
	return rows(t, from, c)
}

func rows(t *testing.T, from io.Reader, c *contract.Contract) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(from).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var headers []string
	for _, column := range c.Columns {
		headers = append(headers, column.Header)
	}
	if diff := cmp.Diff(headers, all[0]); diff != "" {
		t.Fatalf("header, -contract +file:\n%s", diff)
	}
	null := map[string]bool{}
	for _, text := range c.NullValues {
		null[text] = true
	}
	records := make([]map[string]string, len(all)-1)
	for i, row := range all[1:] {
		records[i] = map[string]string{}
		for j, text := range row {
			if !null[text] {
				records[i][c.Columns[j].Name] = text
			}
		}
	}
	return records
}

// features returns the features of a GeoJSON document. An ingestion writes each feature
// as one line.
func features(t *testing.T, from io.Reader, c *contract.Contract) []map[string]string {
	t.Helper()
	var document struct{ Features []any }
	if err := json.NewDecoder(from).Decode(&document); err != nil {
		t.Fatal(err)
	}
	records := make([]map[string]string, len(document.Features))
	for i, feature := range document.Features {
		records[i] = map[string]string{}
		for _, column := range c.Columns {
			found, ok := point(feature, column.Path)
			if !ok {
				t.Fatalf("feature %d: no value at %s", i+1, column.Path)
			}
			if text, err := json.Marshal(found); err == nil && string(text) != "null" {
				records[i][column.Name] = string(text)
			}
		}
	}
	return records
}

// point returns the value at a JSON pointer without escapes.
func point(from any, path string) (any, bool) {
	if path == "" {
		return from, true
	}
	name, rest, more := strings.Cut(path[1:], "/")
	if more {
		rest = "/" + rest
	}
	switch from := from.(type) {
	case map[string]any:
		member, ok := from[name]
		if !ok {
			return nil, false
		}
		return point(member, rest)
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i >= len(from) {
			return nil, false
		}
		return point(from[i], rest)
	default:
		return nil, false
	}
}
