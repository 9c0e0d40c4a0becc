package work

import (
	"encoding/json"
	"fmt"
	"time"
)

// StuckRun asks route to resume an ingestion run that may have lost its message. A sweep
// sends StuckRun to route's queue.
type StuckRun struct {
	// Stage is the receiving stage: Route.
	Stage Stage `json:"stage"`
	// Dataset and RunID name the run.
	Dataset string `json:"dataset"`
	RunID   string `json:"run_id"`
	// Before is the time since which the run must have had no activity.
	Before time.Time `json:"before"`
}

// Encode returns the message's body.
func (r StuckRun) Encode() string {
	r.Stage = Route
	body, err := json.Marshal(r)
	if err != nil { // unreachable before the year 10000: texts and a time
		panic(fmt.Sprintf("encode stuck run: %v", err))
	}
	return string(body)
}

// DecodeStuckRun reads a message's body. It fails if the body isn't a stuck run.
func DecodeStuckRun(body string) (StuckRun, error) {
	var r StuckRun
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return StuckRun{}, fmt.Errorf("decode stuck run: %w", err)
	}
	if r.Stage != Route || r.Dataset == "" || r.RunID == "" || r.Before.IsZero() {
		return StuckRun{}, fmt.Errorf("decode stuck run: the message needs the stage %q, a dataset, a run and a time", Route)
	}
	return r, nil
}
