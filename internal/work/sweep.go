package work

import (
	"encoding/json"
	"fmt"
	"time"
)

// Sweep asks route to search for objects without an event, and for objects and ingestion
// runs that stopped moving. A schedule or an operator sends only a time: {"sweep": <time>}. If the sweep
// doesn't fit into one invocation, a message with a Page continues the sweep.
type Sweep struct {
	// At is the time of the request.
	At time.Time `json:"sweep"`
	// All searches all versions. Without All, the sweep searches the versions since the
	// last sweep.
	All bool `json:"all,omitempty"`
	// Grace is the shortest age of a version without an event. Nil for route's default.
	Grace *Seconds `json:"grace_seconds,omitempty"`
	// Stuck is the shortest time without progress of an object or a run. Nil for route's
	// default.
	Stuck *Seconds `json:"stuck_seconds,omitempty"`
	// Page is the place at which the sweep continues the list of the landing bucket.
	// Nil for a new sweep.
	Page *Page `json:"page,omitempty"`
}

// Page is a place in the list of the landing bucket's versions.
type Page struct {
	// Since and Until limit the time at which the versions were written: at Since or
	// later, and before Until.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Key and Version name the last searched version.
	Key     string `json:"key"`
	Version string `json:"version"`
}

// Seconds is a duration in whole seconds in a message.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler. It drops fractions of a second.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d", time.Duration(s)/time.Second), nil
}

// UnmarshalJSON implements json.Unmarshaler. A negative number and more than 365 days
// are errors.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var n int64
	if err := json.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("decode seconds: %w", err)
	}
	if n < 0 || n > int64(maxSweepDuration/time.Second) {
		return fmt.Errorf("decode seconds: %d is not from 0 to %d", n, maxSweepDuration/time.Second)
	}
	*s = Seconds(time.Duration(n) * time.Second)
	return nil
}

// maxSweepDuration is the longest duration in a sweep's message.
const maxSweepDuration = 365 * 24 * time.Hour

// Or returns the duration, or other if s is nil.
func (s *Seconds) Or(other time.Duration) time.Duration {
	if s == nil {
		return other
	}
	return time.Duration(*s)
}

// Encode returns the message's body.
func (s Sweep) Encode() string {
	body, err := Message(s)
	if err != nil { // unreachable before the year 10000: texts, numbers and times
		panic(fmt.Sprintf("encode sweep: %v", err))
	}
	return string(body)
}

// DecodeSweep reads a message's body. It fails if the body isn't a sweep.
func DecodeSweep(body string) (Sweep, error) {
	var s Sweep
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return Sweep{}, fmt.Errorf("decode sweep: %w", err)
	}
	switch {
	case s.At.IsZero():
		return Sweep{}, fmt.Errorf("decode sweep: the message has no time")
	case s.Page != nil && s.Page.Key == "":
		return Sweep{}, fmt.Errorf("decode sweep: the page names no key")
	}
	return s, nil
}
