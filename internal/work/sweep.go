package work

import (
	"encoding/json"
	"fmt"
	"time"
)

// Sweep asks route to look for what no event announced and for what stands
// still. A schedule or an operator sends it with a time alone: {"sweep": <when>}.
// What doesn't fit into one invocation goes on with a Page.
type Sweep struct {
	// At is when the sweep was asked for.
	At time.Time `json:"sweep"`
	// All looks at all versions, and not only at those that were written since
	// the last sweep.
	All bool `json:"all,omitempty"`
	// Grace is how old a version must be to be missed. Nil takes route's own.
	Grace *Seconds `json:"grace_seconds,omitempty"`
	// Stuck is how long an object must have stood still. Nil takes route's own.
	Stuck *Seconds `json:"stuck_seconds,omitempty"`
	// Page is where the list of the landing bucket goes on. Nil for a sweep that
	// begins.
	Page *Page `json:"page,omitempty"`
}

// Page is a place in the list of the landing bucket's versions.
type Page struct {
	// Since and Until bound when the versions that are looked for were written:
	// at Since or later, and before Until.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Key and Version are the last that were looked at.
	Key     string `json:"key"`
	Version string `json:"version"`
}

// Seconds is a duration that a message holds as whole seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler. What is no whole second is cut off.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d", time.Duration(s)/time.Second), nil
}

// UnmarshalJSON implements json.Unmarshaler. A negative number is an error.
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

// maxSweepDuration bounds what a sweep's message may ask for.
const maxSweepDuration = 365 * 24 * time.Hour

// Or returns the duration, or another one where there is none.
func (s *Seconds) Or(other time.Duration) time.Duration {
	if s == nil {
		return other
	}
	return time.Duration(*s)
}

// Encode returns the message's body.
func (s Sweep) Encode() string {
	body, err := json.Marshal(s)
	if err != nil { // only texts, numbers and times: can't happen before the year 10000
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
		return Sweep{}, fmt.Errorf("decode sweep: it doesn't say when it was asked for")
	case s.Page != nil && s.Page.Key == "":
		return Sweep{}, fmt.Errorf("decode sweep: its page names no key")
	}
	return s, nil
}
