// Package work holds what one stage tells the next: the message that asks for
// work on an object, and the receipt that says what became of it.
package work

import (
	"encoding/json"
	"fmt"

	"github.com/firn-data/firn/internal/object"
)

// Stage names one of firn's functions.
type Stage string

// The stages, in the order in which an object meets them.
const (
	Ingest    Stage = "ingest"
	Route     Stage = "route"
	Transform Stage = "transform"
	// Glue is transform by a Glue run: a queue of its own, no function.
	Glue  Stage = "glue"
	Load  Stage = "load"
	Alert Stage = "alert"
)

// Work asks a stage to do something with an object. It is the whole body of
// the message on the transform and load queues, and of a sweep's about one
// object on route's; it holds keys, never rows.
type Work struct {
	// Stage is the one that is asked: Route, Transform, Glue or Load.
	Stage Stage `json:"stage"`
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// Object is the landing object.
	Object object.Object `json:"object"`
	// Generation counts deliberate reloads; 0 is the first.
	Generation int `json:"generation,omitempty"`
	// Receipt is where the transform's receipt is. Nil for all but Load.
	Receipt *Location `json:"receipt,omitempty"`
}

// Location is a key in a bucket.
type Location struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// Encode returns the message's body.
func (w Work) Encode() string {
	body, err := json.Marshal(w)
	if err != nil { // only strings and numbers: can't happen
		panic(fmt.Sprintf("encode work: %v", err))
	}
	return string(body)
}

// Decode reads a message's body. It fails if the body isn't work for the given
// stage.
func Decode(body string, stage Stage) (Work, error) {
	var w Work
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		return Work{}, fmt.Errorf("decode work: %w", err)
	}
	switch {
	case w.Stage != stage:
		return Work{}, fmt.Errorf("decode work: it is for stage %q, not %q", w.Stage, stage)
	case w.Object.Bucket == "" || w.Object.Key == "":
		return Work{}, fmt.Errorf("decode work: it names no object")
	case stage == Load && w.Receipt == nil:
		return Work{}, fmt.Errorf("decode work: it names no receipt")
	}
	return w, nil
}
