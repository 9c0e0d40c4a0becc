// Package work defines the messages between the stages: work on an object, the receipt
// of a transform, manifests, sweeps and dead letters.
package work

import (
	"encoding/json"
	"fmt"

	"github.com/firn-data/firn/internal/object"
)

// Stage names a step of the path of an object.
type Stage string

// The stages, in the order of the path.
const (
	Ingest    Stage = "ingest"
	Route     Stage = "route"
	Transform Stage = "transform"
	// Glue is the transform by a Glue run. The stage has a queue of its own and no
	// function.
	Glue  Stage = "glue"
	Load  Stage = "load"
	Alert Stage = "alert"
)

// Work asks a stage to process an object. Work is the whole body of a message on the
// transform, glue and load queues. A sweep also sends work about one object to route's
// queue. Work holds keys, never rows.
type Work struct {
	// Stage is the receiving stage: Route, Transform, Glue or Load.
	Stage Stage `json:"stage"`
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// Object is the landing object.
	Object object.Object `json:"object"`
	// Generation is the number of reloads of the object; 0 for the first load.
	Generation int `json:"generation,omitempty"`
	// Receipt is the place of the transform's receipt. Nil for all stages but Load, and
	// for a withdrawal.
	Receipt *Location `json:"receipt,omitempty"`
	// Withdraw asks Load to withdraw the object. Nil for any other work.
	Withdraw *Withdrawal `json:"withdraw,omitempty"`
}

// Withdrawal asks for the end of an object's rows: afterwards the table has no rows of
// the object, nor of an older version of its key. The object may be a delete marker,
// which is a version of its key without rows.
type Withdrawal struct {
	// By is the person or the event behind the withdrawal.
	By string `json:"by"`
	// Note is the reason.
	Note string `json:"note"`
}

// Location is a key in a bucket.
type Location struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// Encode returns the message's body.
func (w Work) Encode() string {
	body, err := Message(w)
	if err != nil { // unreachable: strings and numbers
		panic(fmt.Sprintf("encode work: %v", err))
	}
	return string(body)
}

// Decode reads a message's body. It fails if the body isn't work for the stage.
func Decode(body string, stage Stage) (Work, error) {
	var w Work
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		return Work{}, fmt.Errorf("decode work: %w", err)
	}
	switch {
	case w.Stage != stage:
		return Work{}, fmt.Errorf("decode work: the message is for stage %q, not %q", w.Stage, stage)
	case w.Object.Bucket == "" || w.Object.Key == "":
		return Work{}, fmt.Errorf("decode work: the message names no object")
	case stage == Load && w.Receipt == nil && w.Withdraw == nil:
		return Work{}, fmt.Errorf("decode work: the message names no receipt")
	case w.Withdraw != nil && (stage != Load || w.Receipt != nil || w.Withdraw.By == ""):
		return Work{}, fmt.Errorf("decode work: a withdrawal is work for load, names a person and has no receipt")
	}
	return w, nil
}
