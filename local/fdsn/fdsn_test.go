package fdsn_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/local/fdsn"
)

// fourEvents has events b and c at the same time, and event a without a magnitude.
const fourEvents = `{"type":"FeatureCollection","features":[
{"type":"Feature","properties":{"mag":4.5,"time":1517443203000},"id":"d0"},
{"type":"Feature","properties":{"mag":2,"time":1517443201500},"id":"c"},
{"type":"Feature","properties":{"mag":3,"time":1517443201500},"id":"b"},
{"type":"Feature","properties":{"mag":null,"time":1517443200000},"id":"a"}]}`

const from = "starttime=2018-02-01T00:00:00"

func newHandler(t *testing.T, geojson io.Reader, options ...fdsn.Option) http.Handler {
	t.Helper()
	handler, err := fdsn.NewHandler(geojson, options...)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func get(handler http.Handler, target string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	return recorder
}

func ids(t *testing.T, body []byte) string {
	t.Helper()
	var collection struct {
		Type     string
		Metadata struct{ Count int }
		Features []struct{ ID string }
	}
	if err := json.Unmarshal(body, &collection); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if collection.Type != "FeatureCollection" || collection.Metadata.Count != len(collection.Features) {
		t.Errorf("the collection has type %q and count %d", collection.Type, collection.Metadata.Count)
	}
	names := make([]string, len(collection.Features))
	for i, f := range collection.Features {
		names[i] = f.ID
	}
	return strings.Join(names, " ")
}

func TestQueryReturnsMatchingEvents(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, query, want string }{
		{"newest first by default", "", "d0 c b a"},
		{"oldest first", "&orderby=time-asc", "a b c d0"},
		{"strongest first", "&orderby=magnitude", "d0 b c a"},
		{"weakest first", "&orderby=magnitude-asc", "a c b d0"},
		{"minimum magnitude", "&minmagnitude=3&orderby=time-asc", "b d0"},
		{"page", "&orderby=time-asc&limit=2&offset=2", "b c"},
		{"last page", "&orderby=time-asc&limit=3&offset=4", "d0"},
		{"page after the last page", "&orderby=time-asc&limit=3&offset=5", ""},
		{"inclusive end", "&endtime=2018-02-01T00:00:03&orderby=time-asc", "a b c d0"},
		{"end without its fraction of a second", "&endtime=2018-02-01T00:00:01.999&orderby=time-asc", "a"},
		{"time with a zone", "&endtime=2018-02-01T01:00:02%2B01:00&orderby=time-asc", "a b c"},
		{"date", "&endtime=2018-02-01", "a"},
		{"empty values", "&limit=&nodata=404", "d0 c b a"},
	}
	handler := newHandler(t, strings.NewReader(fourEvents))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := get(handler, fdsn.QueryPath+"?format=geojson&"+from+test.query)
			if answer.Code != http.StatusOK {
				t.Fatalf("status %d: %s", answer.Code, answer.Body)
			}
			if got := ids(t, answer.Body.Bytes()); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestStartIsInclusive(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, strings.NewReader(fourEvents))
	answer := get(handler, fdsn.QueryPath+"?format=geojson&starttime=2018-02-01T00:00:03")
	if got := ids(t, answer.Body.Bytes()); got != "d0" {
		t.Errorf("got %q", got)
	}
}

func TestInvalidSearchIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, target, want string }{
		{"unknown parameter", fdsn.QueryPath + "?format=geojson&" + from + "&page=2", `unknown parameter "page"`},
		{"unsupported parameter of the service", fdsn.QueryPath + "?format=geojson&" + from + "&maxdepth=2", `unknown parameter "maxdepth"`},
		{"parameter given twice", fdsn.QueryPath + "?format=geojson&" + from + "&limit=1&limit=2", "2 times"},
		{"default format", fdsn.QueryPath + "?" + from, `format "" isn't supported here`},
		{"csv", fdsn.QueryPath + "?format=csv&" + from, `format "csv" isn't supported here`},
		{"unknown format", fdsn.QueryPath + "?format=parquet&" + from, "bad format"},
		{"limit too large", fdsn.QueryPath + "?format=geojson&" + from + "&limit=20001", "from 1 to 20000"},
		{"limit 0", fdsn.QueryPath + "?format=geojson&" + from + "&limit=0", "bad limit"},
		{"signed limit", fdsn.QueryPath + "?format=geojson&" + from + "&limit=%2B1", "bad limit"},
		{"offset 0", fdsn.QueryPath + "?format=geojson&" + from + "&limit=1&offset=0", "bad offset"},
		{"offset without limit", fdsn.QueryPath + "?format=geojson&" + from + "&offset=2", "no effect"},
		{"order", fdsn.QueryPath + "?format=geojson&" + from + "&orderby=time-desc", "bad orderby"},
		{"no start", fdsn.QueryPath + "?format=geojson", "starttime is missing"},
		{"time", fdsn.QueryPath + "?format=geojson&starttime=yesterday", "bad starttime"},
		{"magnitude", fdsn.QueryPath + "?format=geojson&" + from + "&minmagnitude=strong", "bad minmagnitude"},
		{"nodata", fdsn.QueryPath + "?format=geojson&" + from + "&nodata=200", "bad nodata"},
		{"query string", fdsn.QueryPath + "?format=geojson;" + from, "can't be parsed"},
		{"too many events", fdsn.QueryPath + "?format=geojson&limit=1&" + from, "4 events match, more than the limit of 3"},
		{"count in xml", fdsn.CountPath + "?format=xml&" + from, `format "xml" isn't supported here`},
		{"count of an unknown parameter", fdsn.CountPath + "?" + from + "&page=2", "unknown parameter"},
	}
	handler := newHandler(t, strings.NewReader(fourEvents), fdsn.SearchLimit(3))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := get(handler, test.target)
			if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), test.want) {
				t.Errorf("status %d: %s", answer.Code, answer.Body)
			}
		})
	}
}

func TestCountReturnsNumberOfMatches(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, strings.NewReader(fourEvents), fdsn.SearchLimit(3))
	tests := []struct{ name, query, want string }{
		{"plain", "", "4"},
		{"text", "&format=text&endtime=2018-02-01T00:00:02", "3"},
		{"geojson", "&format=geojson&endtime=2018-02-01T00:00:02", `{"count":3,"maxAllowed":3}`},
		{"limit and offset have no effect", "&format=geojson&minmagnitude=3&limit=1&offset=2", `{"count":2,"maxAllowed":3}`},
		{
			"over the limit", "&format=geojson",
			`{"count":4,"error":"4 events match, more than the limit of 3: the query would fail","maxAllowed":3}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := get(handler, fdsn.CountPath+"?"+from+test.query)
			if diff := cmp.Diff(test.want, answer.Body.String()); diff != "" || answer.Code != http.StatusOK {
				t.Errorf("status %d, body (-want +got):\n%s", answer.Code, diff)
			}
		})
	}
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, strings.NewReader(fourEvents))
	if code := get(handler, "/fdsnws/event/1/catalogs").Code; code != http.StatusNotFound {
		t.Errorf("catalogs: %d", code)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, fdsn.QueryPath, nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", recorder.Code)
	}
}

func TestFaultOptionsApplyToNumberedRequests(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newHandler(t, strings.NewReader(fourEvents),
		fdsn.FailAt(1, http.StatusServiceUnavailable, "3"), fdsn.CutAt(2, 50), fdsn.NoContent(),
		fdsn.AppearsAt(4, "a"), fdsn.WithdrawnAt(5, "b")))
	t.Cleanup(server.Close)
	query := func(search string) (*http.Response, string, error) {
		response, err := server.Client().Get(server.URL + fdsn.QueryPath + "?format=geojson&orderby=time-asc&" + search)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return response, string(body), err
	}
	if r, body, err := query(from); r.StatusCode != 503 || r.Header.Get("Retry-After") != "3" || err != nil {
		t.Errorf("request 1: %s %s %v", r.Status, body, err)
	}
	if r, body, err := query(from); r.StatusCode != 200 || len(body) != 50 || err == nil {
		t.Errorf("request 2: %s %s %v", r.Status, body, err)
	}
	for _, want := range []string{"b c d0", "a b c d0", "a c d0"} {
		if _, body, _ := query(from); ids(t, []byte(body)) != want {
			t.Errorf("got %q, want %q", ids(t, []byte(body)), want)
		}
	}
	if r, body, err := query("starttime=2019-01-01"); r.StatusCode != 204 || body != "" || err != nil {
		t.Errorf("no content: %s %s %v", r.Status, body, err)
	}
}

func TestBadCatalogIsRefused(t *testing.T) {
	t.Parallel()
	for name, geojson := range map[string]string{
		"no JSON":        "id,time",
		"single feature": `{"type":"Feature"}`,
		"no id":          `{"type":"FeatureCollection","features":[{"properties":{"time":1}}]}`,
		"no time":        `{"type":"FeatureCollection","features":[{"id":"a","properties":{}}]}`,
		"repeated id":    `{"type":"FeatureCollection","features":[{"id":"a","properties":{"time":1}},{"id":"a","properties":{"time":2}}]}`,
		"damaged gzip":   "\x1f\x8b\x08",
		"empty file":     "",
		"text as time":   `{"type":"FeatureCollection","features":[{"id":"a","properties":{"time":"now"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := fdsn.NewHandler(strings.NewReader(geojson)); err == nil {
				t.Error("NewHandler returned no error")
			}
		})
	}
}

// TestPackedFile serves a gzip file. The number of events is the number in the file's
// metadata.
func TestPackedFile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/project/datasets/station/event/*.geojson.gz")
	if err != nil || len(files) != 1 {
		t.Fatalf("want one file of events, got %v (%v)", files, err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var packed struct{ Metadata struct{ Count int } }
	if err := json.NewDecoder(plain).Decode(&packed); err != nil {
		t.Fatal(err)
	}
	answer := get(newHandler(t, bytes.NewReader(body)), fdsn.QueryPath+"?format=geojson&starttime=2018-01-01")
	if n := len(strings.Fields(ids(t, answer.Body.Bytes()))); n != packed.Metadata.Count || n != 668 {
		t.Errorf("the handler returns %d events, the file's metadata has %d", n, packed.Metadata.Count)
	}
}
