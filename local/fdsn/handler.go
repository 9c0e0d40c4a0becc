// Package fdsn answers searches for events from a file: the laptop's stand-in
// for an FDSN event web service.
//
// It follows https://earthquake.usgs.gov/fdsnws/event/1/ and, where that page
// is silent, the service's published source (github.com/usgs/earthquake-event-ws,
// FDSNEventWebService and WebService, October 2020). Where the service lets a
// request pass that can't mean what it says, the stand-in refuses it.
package fdsn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
)

// QueryPath and CountPath are the paths that the handler answers.
const (
	QueryPath = "/fdsnws/event/1/query"
	CountPath = "/fdsnws/event/1/count"
)

type handler struct {
	events    []event
	limit     int
	noContent bool
	faults    faults
	requests  atomic.Int64
}

// NewHandler answers searches from a GeoJSON FeatureCollection, plain or gzip.
// Options make it fail on purpose, for tests.
func NewHandler(geojson io.Reader, options ...Option) (http.Handler, error) {
	events, err := readCatalog(geojson)
	if err != nil {
		return nil, err
	}
	h := &handler{events: events, limit: serviceLimit}
	for _, option := range options {
		option(h)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+QueryPath, h.countRequest(h.query))
	mux.HandleFunc("GET "+CountPath, h.countRequest(h.count))
	return mux, nil
}

// query answers a page of events. A search that matches more events than the
// service's limit is refused, whatever its limit parameter says: the page
// promises it, though the published source counts after applying limit.
func (h *handler) query(w http.ResponseWriter, r *http.Request, number int) {
	s, err := parseSearch(r.URL.RawQuery)
	if err == nil && s.format != "geojson" {
		err = refusal(fmt.Sprintf("format %q isn't served here: ask for geojson", s.format))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	matching := s.matching(h.faults.visible(h.events, number))
	page := s.page(matching)
	switch {
	case len(matching) > h.limit:
		refuse(w, refusal(fmt.Sprintf("%d events match, more than the limit of %d: search for fewer", len(matching), h.limit)))
	case len(page) == 0 && h.noContent:
		w.WriteHeader(http.StatusNoContent)
	default:
		h.answer(w, number, "application/json; charset=utf-8", collection(r, s, page))
	}
}

// count answers how many events match; plain text unless GeoJSON is asked for.
func (h *handler) count(w http.ResponseWriter, r *http.Request, number int) {
	s, err := parseSearch(r.URL.RawQuery)
	if err == nil && s.format != "" && s.format != "geojson" && s.format != "text" {
		err = refusal(fmt.Sprintf("format %q isn't served here: ask for geojson or text", s.format))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	matching := len(s.matching(h.faults.visible(h.events, number)))
	if s.format != "geojson" {
		h.answer(w, number, "text/plain", []byte(strconv.Itoa(matching)))
		return
	}
	answer := map[string]any{"count": matching, "maxAllowed": h.limit}
	if matching > h.limit {
		answer["error"] = fmt.Sprintf("%d events match, more than the limit of %d: the query would fail", matching, h.limit)
	}
	h.answer(w, number, "application/json", encode(answer))
}

// collection is the GeoJSON answer, one feature a line. The bbox that the
// service adds when there are features is left out.
func collection(r *http.Request, s search, page []event) []byte {
	metadata := map[string]any{
		"url": "http://" + r.Host + r.URL.RequestURI(), "title": "Events",
		"status": http.StatusOK, "count": len(page),
	}
	if s.limit > 0 {
		metadata["limit"], metadata["offset"] = s.limit, s.offset
	}
	var body bytes.Buffer
	body.WriteString(`{"type":"FeatureCollection","metadata":`)
	body.Write(encode(metadata))
	body.WriteString(`,"features":[`)
	for n, e := range page {
		if n > 0 {
			body.WriteString(",\n")
		}
		body.Write(e.feature)
	}
	body.WriteString("]}")
	return body.Bytes()
}

func encode(value map[string]any) []byte {
	body, err := json.Marshal(value)
	if err != nil { // only strings and numbers: can't happen
		panic(err)
	}
	return body
}

func refuse(w http.ResponseWriter, err error) {
	var words refusal
	if !errors.As(err, &words) {
		panic(err)
	}
	writeError(w, http.StatusBadRequest, string(words))
}

func writeError(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "Error %d: %s\n\n%s\n", status, http.StatusText(status), words)
}

// answer writes a whole body, or the part of it that a fault lets through.
func (h *handler) answer(w http.ResponseWriter, number int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	keep, cut := h.faults.cuts[number]
	if !cut || keep >= len(body) {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:keep])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
