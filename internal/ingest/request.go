// Package ingest fetches the records of a dataset from an HTTP API into the landing
// bucket. Each dataset and interval has one run. After any interruption, a run resumes
// at its checkpoint.
package ingest

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// Interval is the time from Start to End. Start is inclusive and End is exclusive. Both
// are whole seconds in UTC, because the sources cut fractions off.
type Interval struct {
	Start, End time.Time
}

// RunID returns the id of a dataset's run for the interval. Equal intervals have equal
// ids.
func (i Interval) RunID() string { return work.RunID(i.Start, i.End) }

// Contains reports whether the time is in the interval.
func (i Interval) Contains(t time.Time) bool {
	return !t.Before(i.Start) && t.Before(i.End)
}

// Request is the message on the ingest queue for one run.
type Request struct {
	// Dataset is "<source>.<entity>".
	Dataset string
	Interval
	// Hop is the number of times that the run continued in a new message before its
	// deadline.
	Hop int
}

// requestMessage is the JSON form of a request. Operators, Airflow and the stage itself
// send an explicit interval. EventBridge Scheduler sends the scheduled time, and the
// interval is the full UTC day before this time.
type requestMessage struct {
	Dataset   string     `json:"dataset"`
	Start     *time.Time `json:"start,omitempty"`
	End       *time.Time `json:"end,omitempty"`
	Scheduled *time.Time `json:"scheduled,omitempty"`
	Hop       int        `json:"hop,omitempty"`
}

// DecodeRequest reads a message's body. An error is a permanent fault, because the same
// body fails on every attempt.
func DecodeRequest(body string) (Request, error) {
	var m requestMessage
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&m)
	if err == nil {
		err = expectEOF(decoder)
	}
	if err != nil {
		return Request{}, badRequest("the body isn't one JSON object with dataset, start, end, scheduled and hop: %w", err)
	}
	return m.request()
}

func expectEOF(decoder *json.Decoder) error {
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is data after the object")
	}
	return nil
}

func (m requestMessage) request() (Request, error) {
	request := Request{Dataset: m.Dataset, Hop: m.Hop}
	switch {
	case m.Dataset == "":
		return Request{}, badRequest("dataset is missing")
	case m.Hop < 0:
		return Request{}, badRequest("hop is %d, below 0", m.Hop)
	case m.Scheduled != nil && (m.Start != nil || m.End != nil):
		return Request{}, badRequest("scheduled excludes start and end")
	case m.Scheduled != nil:
		request.Interval = dayBefore(*m.Scheduled)
	case m.Start == nil || m.End == nil:
		return Request{}, badRequest("the request needs start and end, or scheduled")
	default:
		request.Interval = Interval{Start: m.Start.UTC(), End: m.End.UTC()}
	}
	return request, request.check()
}

func (i Interval) check() error {
	switch {
	case i.Start.Nanosecond() != 0 || i.End.Nanosecond() != 0:
		return badRequest("start %s and end %s must be whole seconds", stamp(i.Start), stamp(i.End))
	case i.Start.Year() < 1 || i.End.Year() > 9999:
		return badRequest("start %s and end %s must be in the years 1 to 9999, in UTC", stamp(i.Start), stamp(i.End))
	case !i.Start.Before(i.End):
		return badRequest("start %s isn't before end %s", stamp(i.Start), stamp(i.End))
	}
	return nil
}

func dayBefore(t time.Time) Interval {
	const day = 24 * time.Hour
	midnight := t.UTC().Truncate(day)
	return Interval{Start: midnight.Add(-day), End: midnight}
}

// Encode returns the message's body, always with an explicit interval.
func (r Request) Encode() string {
	body, err := json.Marshal(requestMessage{Dataset: r.Dataset, Start: &r.Start, End: &r.End, Hop: r.Hop})
	if err != nil { // impossible: check refuses years beyond 9999
		panic(err)
	}
	return string(body)
}

func badRequest(format string, args ...any) *fault.Fault {
	return fault.Permanentf("read request", fault.BadRequest, format, args...)
}

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }
