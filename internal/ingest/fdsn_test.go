package ingest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/ingest"
)

// fixedAnswer is a transport with the same answer to every request.
type fixedAnswer []byte

func (b fixedAnswer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: make(http.Header), Body: io.NopCloser(bytes.NewReader(b)),
	}, nil
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"type":"FeatureCollection","features":[{"id":"a","properties":{"time":1517966773840}},` + "\n" + `{"id":"b"}]}`))
	f.Add([]byte(`{"features":[{"id":7,"properties":null, "x":[1.50, 1e400, "\u2028"]}],"features":[]}`))
	f.Add([]byte(`{"features":[{}]`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		api := ingest.HTTP{Client: &http.Client{Transport: fixedAnswer(answer)}, MaximumBytes: 1 << 20, Now: time.Now}
		source, err := api.FDSN(contract.Ingest{URL: "https://source.test/query"})
		if err != nil {
			t.Fatal(err)
		}
		err = source.Page(t.Context(), ingest.Interval{}, 0, 10, func(r ingest.Record) error {
			if !json.Valid(r.JSON) || r.JSON[0] != '{' || bytes.ContainsAny(r.JSON, "\r\n") {
				t.Fatalf("%q gives the record %q", answer, r.JSON)
			}
			return nil
		})
		if err != nil && fault.As(err).Code == fault.Unexpected {
			t.Fatalf("the error of %q has no code: %v", answer, err)
		}
		if err == nil && !json.Valid(answer) {
			t.Fatalf("%q isn't JSON and was accepted", answer)
		}
	})
}
