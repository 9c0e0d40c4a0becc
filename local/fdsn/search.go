package fdsn

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serviceLimit is the largest number of events for one search.
const serviceLimit = 20_000

// search holds the parameters of a request.
type search struct {
	start, end       time.Time // both inclusive; a zero end means no limit
	minimumMagnitude float64
	limit, offset    int // offset counts from 1; limit 0 means no limit
	order            string
	format           string
}

// refusal is the text of an answer with status 400.
type refusal string

func (r refusal) Error() string { return string(r) }

// parameters has a setter for each supported parameter. The stand-in refuses the
// service's other parameters, so that a caller doesn't rely on them.
var parameters = map[string]func(s *search, name, value string) error{
	"starttime": func(s *search, name, value string) (err error) { s.start, err = parseTime(name, value); return },
	"endtime":   func(s *search, name, value string) (err error) { s.end, err = parseTime(name, value); return },
	"limit": func(s *search, name, value string) (err error) {
		s.limit, err = parseCount(name, value, serviceLimit)
		return
	},
	"offset": func(s *search, name, value string) (err error) {
		s.offset, err = parseCount(name, value, math.MaxInt32)
		return
	},
	"minmagnitude": parseMinimumMagnitude,
	"orderby":      parseOrder,
	"format":       parseFormat,
	"nodata":       parseNoData,
}

// parseSearch returns the parameters of a request. An empty value means a missing
// parameter.
func parseSearch(query string) (search, error) {
	s := search{offset: 1, order: "time", minimumMagnitude: math.Inf(-1)}
	values, err := url.ParseQuery(query)
	if err != nil {
		return s, refusal("the query string can't be parsed: " + err.Error())
	}
	for name, given := range values {
		set, known := parameters[name]
		switch {
		case !known:
			return s, refusal(fmt.Sprintf("unknown parameter %q", name))
		case len(given) > 1:
			return s, refusal(fmt.Sprintf("parameter %q is given %d times", name, len(given)))
		case given[0] == "":
			continue
		}
		if err := set(&s, name, given[0]); err != nil {
			return s, err
		}
	}
	return s, s.check(values)
}

// check refuses requests with a surprising effect. Without a start the service searches
// the last 30 days. Without a limit the service ignores an offset.
func (s search) check(values url.Values) error {
	switch {
	case s.start.IsZero():
		return refusal("starttime is missing; this catalog has a fixed week, not the last 30 days")
	case values.Get("offset") != "" && s.limit == 0:
		return refusal("offset has no effect without limit")
	}
	return nil
}

// timeLayouts lists forms of ISO 8601. A time without a zone is in UTC.
var timeLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02",
}

// parseTime removes the fraction of a second, as the service's own validateTime does.
// So a search until 23:59:59.999 misses the events of the day's last second.
func parseTime(name, value string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC().Truncate(time.Second), nil
		}
	}
	return time.Time{}, refusal(fmt.Sprintf("bad %s value %q: it must be an ISO 8601 time", name, value))
}

func parseCount(name, value string, maximum int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maximum || strings.HasPrefix(value, "+") {
		return 0, refusal(fmt.Sprintf("bad %s value %q: it must be a whole number from 1 to %d", name, value, maximum))
	}
	return n, nil
}

func parseMinimumMagnitude(s *search, name, value string) error {
	magnitude, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(magnitude) {
		return refusal(fmt.Sprintf("bad %s value %q: it must be a number", name, value))
	}
	s.minimumMagnitude = magnitude
	return nil
}

func parseOrder(s *search, name, value string) (err error) {
	s.order, err = parseWord(name, value, "time", "time-asc", "magnitude", "magnitude-asc")
	return err
}

func parseFormat(s *search, name, value string) (err error) {
	s.format, err = parseWord(name, value, "geojson", "text", "csv", "xml", "quakeml", "kml", "kmlraw", "cap")
	return err
}

// parseNoData checks the value and ignores it. The service uses nodata only for XML.
// For a GeoJSON search without a match, the service answers with an empty collection.
func parseNoData(_ *search, name, value string) error {
	_, err := parseWord(name, value, "204", "404")
	return err
}

func parseWord(name, value string, words ...string) (string, error) {
	if !slices.Contains(words, value) {
		return "", refusal(fmt.Sprintf("bad %s value %q: it must be one of %s", name, value, strings.Join(words, ", ")))
	}
	return value, nil
}

// matching returns the sorted events of a search, before limit and offset.
func (s search) matching(events []event) []event {
	var found []event
	for _, e := range events {
		if s.isMatch(e) {
			found = append(found, e)
		}
	}
	s.sort(found)
	return found
}

func (s search) isMatch(e event) bool {
	afterEnd := !s.end.IsZero() && e.time.After(s.end)
	tooWeak := !math.IsInf(s.minimumMagnitude, -1) && (e.magnitude == nil || *e.magnitude < s.minimumMagnitude)
	return !e.time.Before(s.start) && !afterEnd && !tooWeak
}

func (s search) sort(events []event) {
	switch s.order {
	case "time":
		slices.SortFunc(events, func(a, b event) int { return byTime(b, a) })
	case "time-asc":
		slices.SortFunc(events, byTime)
	case "magnitude":
		slices.SortFunc(events, func(a, b event) int { return byMagnitude(b, a) })
	case "magnitude-asc":
		slices.SortFunc(events, byMagnitude)
	}
}

// page applies limit and offset to the matching events.
func (s search) page(matching []event) []event {
	first := min(s.offset-1, len(matching))
	if s.limit == 0 {
		return matching[first:]
	}
	return matching[first:min(first+s.limit, len(matching))]
}
