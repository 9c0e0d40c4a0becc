package fdsn

import (
	"net/http"
)

// Option changes the behaviour of a handler for tests. Requests are numbered from 1 in
// the order of arrival. Searches and counts share the numbers.
type Option func(*handler)

// FailAt answers request n with a status. If retryAfter isn't empty, the answer has the
// header Retry-After.
func FailAt(n, status int, retryAfter string) Option {
	return func(h *handler) {
		h.faults.failures = addTo(h.faults.failures, n, failure{status, retryAfter})
	}
}

// CutAt breaks the connection of request n after a number of bytes of the body.
func CutAt(n, bytes int) Option {
	return func(h *handler) { h.faults.cuts = addTo(h.faults.cuts, n, bytes) }
}

// AppearsAt hides an event from every request before request n, like an event that is
// published during a reader's work.
func AppearsAt(n int, id string) Option {
	return func(h *handler) { h.faults.from = addTo(h.faults.from, id, n) }
}

// WithdrawnAt hides an event from request n and from all later requests.
func WithdrawnAt(n int, id string) Option {
	return func(h *handler) { h.faults.until = addTo(h.faults.until, id, n) }
}

// SearchLimit replaces the limit of 20,000 events per search.
func SearchLimit(limit int) Option {
	return func(h *handler) { h.limit = limit }
}

// NoContent answers a query without a match with status 204 instead of an empty
// collection. The FDSN specification has 204 for every format.
func NoContent() Option {
	return func(h *handler) { h.noContent = true }
}

type failure struct {
	status     int
	retryAfter string
}

// faults holds the faults of the options, by number of the request or by id of the
// event.
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

// visible returns the events that a request may return.
func (f faults) visible(events []event, number int) []event {
	if len(f.from) == 0 && len(f.until) == 0 {
		return events
	}
	var shown []event
	for _, e := range events {
		until, withdrawn := f.until[e.id]
		if number >= f.from[e.id] && (!withdrawn || number < until) {
			shown = append(shown, e)
		}
	}
	return shown
}

// countRequest counts a request. If an option has a failure for the number,
// countRequest answers with the failure.
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
		writeError(w, fail.status, "failure by an option of the stand-in")
	}
}
