package samples_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/firn-data/firn/local/fdsn"
)

// TestShippedWeekMatchesItsMetadata serves the week of earthquakes. The number of
// events is the number in the file's metadata.
func TestShippedWeekMatchesItsMetadata(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(datasets, "usgs/event", samples["usgs.event"].file))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var shipped struct{ Metadata struct{ Count int } }
	if err := json.NewDecoder(plain).Decode(&shipped); err != nil {
		t.Fatal(err)
	}
	handler, err := fdsn.NewHandler(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, fdsn.QueryPath+"?format=geojson&starttime=2018-01-01", nil))
	var served struct {
		Metadata struct{ Count int }
		Features []struct{ ID string }
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &served); err != nil {
		t.Fatalf("%v in %s", err, answer.Body)
	}
	if n := len(served.Features); n != served.Metadata.Count || n != shipped.Metadata.Count || n != samples["usgs.event"].records {
		t.Errorf("the handler returns %d events with a count of %d, the file's metadata has %d", n, served.Metadata.Count, shipped.Metadata.Count)
	}
}
