// Package fdsn answers searches for events from a file. The package is the laptop's
// stand-in for an FDSN event web service.
//
// The behaviour follows https://earthquake.usgs.gov/fdsnws/event/1/. For questions
// without an answer on this page, the behaviour follows the service's published source
// (github.com/usgs/earthquake-event-ws, FDSNEventWebService and WebService, October
// 2020). The stand-in is stricter: it refuses requests with parameters that the service
// would ignore.
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

// QueryPath and CountPath are the handler's paths.
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

// NewHandler returns a handler that answers searches from a GeoJSON FeatureCollection,
// plain or gzip. Options add faults for tests.
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

// query answers with a page of events. A search with more matches than the service's
// limit is refused, even with a small limit parameter. The service's page promises this
// refusal, but the published source counts after limit.
func (h *handler) query(w http.ResponseWriter, r *http.Request, number int) {
	s, err := parseSearch(r.URL.RawQuery)
	if err == nil && s.format != "geojson" {
		err = refusal(fmt.Sprintf("format %q isn't supported here: use geojson", s.format))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	matching := s.matching(h.faults.visible(h.events, number))
	page := s.page(matching)
	switch {
	case len(matching) > h.limit:
		refuse(w, refusal(fmt.Sprintf("%d events match, more than the limit of %d: narrow the search", len(matching), h.limit)))
	case len(page) == 0 && h.noContent:
		w.WriteHeader(http.StatusNoContent)
	default:
		h.answer(w, number, "application/json; charset=utf-8", collection(r, s, page))
	}
}

// count answers with the number of matching events: as plain text, or as GeoJSON if the
// request has this format.
func (h *handler) count(w http.ResponseWriter, r *http.Request, number int) {
	s, err := parseSearch(r.URL.RawQuery)
	if err == nil && s.format != "" && s.format != "geojson" && s.format != "text" {
		err = refusal(fmt.Sprintf("format %q isn't supported here: use geojson or text", s.format))
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

// collection returns the GeoJSON answer with one feature per line. Unlike the service's
// answer, the collection has no bbox.
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
	if err != nil { // impossible: the map has only strings and numbers
		panic(err)
	}
	return body
}

func refuse(w http.ResponseWriter, err error) {
	var refused refusal
	if !errors.As(err, &refused) {
		panic(err)
	}
	writeError(w, http.StatusBadRequest, string(refused))
}

func writeError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "Error %d: %s\n\n%s\n", status, http.StatusText(status), message)
}

// answer writes the whole body, or the first part for a request with CutAt.
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
