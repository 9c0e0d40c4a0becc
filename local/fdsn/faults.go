package fdsn

import (
	"net/http"
)

// Option changes what a handler does, for tests. Requests are numbered from 1
// in the order in which they arrive, searches and counts alike.
type Option func(*handler)

// FailAt answers the nth request with a status and words, and with a Retry-After
// header unless it is empty.
func FailAt(n, status int, retryAfter string) Option {
	return func(h *handler) {
		h.faults.failures = addTo(h.faults.failures, n, failure{status, retryAfter})
	}
}

// CutAt breaks the connection of the nth request after so many bytes of the
// body.
func CutAt(n, bytes int) Option {
	return func(h *handler) { h.faults.cuts = addTo(h.faults.cuts, n, bytes) }
}

// AppearsAt hides an event from every request before the nth: it is published while
// somebody reads.
func AppearsAt(n int, id string) Option {
	return func(h *handler) { h.faults.from = addTo(h.faults.from, id, n) }
}

// WithdrawnAt hides an event from the nth request and all after it.
func WithdrawnAt(n int, id string) Option {
	return func(h *handler) { h.faults.until = addTo(h.faults.until, id, n) }
}

// SearchLimit replaces the limit of 20,000 events a search.
func SearchLimit(limit int) Option {
	return func(h *handler) { h.limit = limit }
}

// NoContent answers a query without a match with status 204, as the FDSN
// specification has it for every format, instead of an empty collection.
func NoContent() Option {
	return func(h *handler) { h.noContent = true }
}

type failure struct {
	status     int
	retryAfter string
}

// faults are what the options asked for, by number of the request or by id of
// the event.
type faults struct {
	failures map[int]failure
	cuts     map[int]int
	from     map[string]int
	until    map[string]int
}

func addTo[K comparable, V any](values map[K]V, key K, value V) map[K]V {
	if values == nil {
		values = make(map[K]V)
	}
	values[key] = value
	return values
}

// visible returns the events that the request may see.
func (f faults) visible(events []event, number int) []event {
	if len(f.from) == 0 && len(f.until) == 0 {
		return events
	}
	var seen []event
	for _, e := range events {
		until, withdrawn := f.until[e.id]
		if number >= f.from[e.id] && (!withdrawn || number < until) {
			seen = append(seen, e)
		}
	}
	return seen
}

// countRequest counts the request and fails it if it is to fail.
func (h *handler) countRequest(next func(http.ResponseWriter, *http.Request, int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number := int(h.requests.Add(1))
		fail, failing := h.faults.failures[number]
		if !failing {
			next(w, r, number)
			return
		}
		if fail.retryAfter != "" {
			w.Header().Set("Retry-After", fail.retryAfter)
		}
		writeError(w, fail.status, "this failure was asked for")
	}
}
