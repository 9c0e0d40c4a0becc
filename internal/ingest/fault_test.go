package ingest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/local/fdsn"
)

// TestRetryAfterSourceFaultLandsEachRecordOnce fails one request, then repeats the
// message. Landed records aren't landed again.
func TestRetryAfterSourceFaultLandsEachRecordOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		option   fdsn.Option
		after    time.Duration
		contain  string
		requests int64 // of both attempts: 2 counts, 4 pages, and the repeated request
	}{
		{"first count", fdsn.FailAt(1, 503, ""), 0, "503 Service Unavailable: Error …: Service Unavailable", 7},
		{"third page, with a delay in seconds", fdsn.FailAt(4, 503, "7"), 7 * time.Second, "failure by an option of the stand-in", 7},
		{"third page, with a delay that isn't a number", fdsn.FailAt(4, 429, "soon"), 0, "429 Too Many Requests", 7},
		{"third page, with a negative delay", fdsn.FailAt(4, 502, "-5"), 0, "502", 7},
		{"incomplete page", fdsn.CutAt(3, 300), 0, "unexpected EOF", 7},
		{"incomplete count", fdsn.CutAt(1, 5), 0, "unexpected EOF", 7},
		{"last count", fdsn.FailAt(6, 500, "1"), time.Second, "500", 7},
		{"request timeout", fdsn.FailAt(2, 408, ""), 0, "408", 7},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, collectionOf(minutes(20)), 6, test.option)
			f := checkFault(t, w.handle(oneDay), fault.SourceAway, fault.RetryAfter, test.contain)
			if f.After != test.after {
				t.Errorf("delay %s, want %s", f.After, test.after)
			}
			if err := w.handle(oneDay); err != nil {
				t.Fatal(err)
			}
			if got := landedIDs(t, w); got != idsOf(minutes(20)) {
				t.Errorf("landed records: %s", got)
			}
			if w.requests.Load() != test.requests {
				t.Errorf("%d requests, want %d", w.requests.Load(), test.requests)
			}
			for key, versions := range w.puts {
				if len(versions) != 1 {
					t.Errorf("%s was written %d times", key, len(versions))
				}
			}
		})
	}
}

func TestRetryAfterDateSetsDelay(t *testing.T) {
	t.Parallel()
	date := time.Now().Add(time.Hour).Truncate(time.Second)
	w := newFixture(t, collectionOf(minutes(3)), 500, fdsn.FailAt(1, 429, date.UTC().Format(http.TimeFormat)))
	w.clock = date.Add(-90 * time.Second)
	f := checkFault(t, w.handle(oneDay), fault.SourceAway, fault.RetryAfter)
	if f.After != 90*time.Second {
		t.Errorf("delay %s, want 90 s", f.After)
	}
}

func TestUnreachableSourceIsDependencyFault(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(3)), 500)
	w.server.Close()
	_ = checkFault(t, w.handle(oneDay), fault.SourceAway, fault.RetryAfter)
}

func TestRefusedRequestIsPermanent(t *testing.T) {
	t.Parallel()
	t.Run("with a text", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, collectionOf(minutes(3)), 20_001) // the service's limit for a page is 20,000
		f := checkFault(t, w.handle(oneDay), fault.SourceRefused, fault.Permanent,
			`400 Bad Request: Error …: Bad Request bad limit value …`, "limit=20001")
		if f.Subject != "station.event 20180201T000000Z-20180202T000000Z" {
			t.Errorf("subject is %q", f.Subject)
		}
	})
	t.Run("with a long text", func(t *testing.T) {
		t.Parallel()
		w := newAnsweringFixture(t, http.StatusForbidden, strings.Repeat("bad ", 5000))
		f := checkFault(t, w.handle(oneDay), fault.SourceRefused, fault.Permanent)
		if kept := strings.Count(f.Error(), "bad"); kept != 75 {
			t.Errorf("%d quoted words, want 75", kept)
		}
	})
	t.Run("with a value", func(t *testing.T) {
		t.Parallel()
		w := newAnsweringFixture(t, http.StatusForbidden, "the record of Lovelace isn't valid: 'SSN 078-05-1120'")
		f := checkFault(t, w.handle(oneDay), fault.SourceRefused, fault.Permanent, "403 Forbidden: the record of … isn't valid: …")
		if strings.Contains(f.Error(), "Lovelace") || strings.Contains(f.Error(), "1120") {
			t.Errorf("the fault has the value: %v", f)
		}
	})
	t.Run("search with too many records", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, collectionOf(minutes(12)), 5, fdsn.SearchLimit(11))
		_ = checkFault(t, w.handle(oneDay), fault.BadRequest, fault.Permanent, "12 records", "at most 11", "shorter intervals")
		if w.requests.Load() != 1 {
			t.Errorf("%d requests, want 1", w.requests.Load())
		}
	})
	t.Run("too many parts for a checkpoint", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, collectionOf(minutes(1001)), 1)
		_ = checkFault(t, w.handle(oneDay), fault.BadRequest, fault.Permanent, "1001 records", "at most 1000")
	})
	t.Run("page above the limit", func(t *testing.T) {
		t.Parallel()
		body := `{"features":[{"id":"` + strings.Repeat("x", 9<<20) + `"}]}`
		w := newAnsweringFixture(t, http.StatusOK, body)
		_ = checkFault(t, w.handle(oneDay), fault.SourceRefused, fault.Permanent, "too large, over 8388608 bytes", "pageSize")
	})
}

// TestUnexpectedAnswerIsRetried has complete answers without a page. They are retried
// and count as attempts, because a notice of maintenance has this form.
func TestUnexpectedAnswerIsRetried(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a web page":                "<html>Down for maintenance</html>",
		"no features":               `{"type":"FeatureCollection"}`,
		"features are no array":     `{"features":{}}`,
		"a feature is null":         `{"features":[null]}`,
		"a feature is a number":     `{"features":[7]}`,
		"properties are no object":  `{"features":[{"id":"a","properties":[]}]}`,
		"an array":                  `[]`,
		"data after the collection": `{"features":[]} {}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAnsweringFixture(t, http.StatusOK, body)
			_ = checkFault(t, w.handle(oneDay), fault.SourceRefused, fault.Retry)
			if len(w.puts) != 0 {
				t.Errorf("objects were written: %v", sortedKeys(w.puts))
			}
		})
	}
	t.Run("answer without a count", func(t *testing.T) {
		t.Parallel()
		w := serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, `{"error":"?"}`)
		}), 500)
		t.Cleanup(w.server.Close)
		_ = checkFault(t, w.handle(oneDay), fault.SourceRefused, fault.Retry, "the count is missing")
	})
}

// newAnsweringFixture returns a fixture whose source answers every page with the body.
func newAnsweringFixture(t *testing.T, status int, body string) *fixture {
	t.Helper()
	w := serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if agent := r.Header.Get("User-Agent"); agent != "firn/test" {
			t.Errorf("User-Agent is %q", agent)
		}
		if r.URL.Path == fdsn.CountPath {
			_, _ = fmt.Fprint(rw, `{"count":1,"maxAllowed":20000}`)
			return
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}), 500)
	t.Cleanup(w.server.Close)
	return w
}
