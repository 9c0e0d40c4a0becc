package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/work"
)

// mailSchema names the form of a mail's JSON part. New versions of the code may add
// keys under this name, but never rename or remove a key.
const mailSchema = "firn.alert/1"

type machineMail struct {
	Schema  string          `json:"schema"`
	Dataset string          `json:"dataset"`
	Code    string          `json:"code"`
	Hint    string          `json:"hint"`
	Command string          `json:"command"`
	Count   int             `json:"count"`
	Objects []machineObject `json:"objects"`
	// Environment is the name of the deployment.
	Environment string `json:"environment"`
	// State is "failed", "held", "not_loaded" or "recovered".
	State string `json:"state"`
	// Runbook is the address of the code's entry in the runbook.
	Runbook string `json:"runbook"`
	// FailedNow is the number of objects that are failed with the code; absent if the
	// mail is about one batch of failures.
	FailedNow int `json:"failed_now,omitempty"`
}

type machineObject struct {
	ObjectID     string `json:"object_id"`
	Bucket       string `json:"bucket"`
	Key          string `json:"key"`
	Version      string `json:"version"`
	Stage        string `json:"stage"`
	Cause        string `json:"cause"`
	FailedAt     string `json:"failed_at"`
	RowsRead     int64  `json:"rows_read"`
	RowsWritten  int64  `json:"rows_written"`
	RowsRejected int64  `json:"rows_rejected"`
	QueryID      string `json:"query_id"`
	RunID        string `json:"run_id"`
	MessageID    string `json:"message_id"`
	// Delivery is the name of a held delivery.
	Delivery string `json:"delivery,omitempty"`
	// Column is the name of a new column, as in the text of the mail.
	Column string `json:"column,omitempty"`
}

// The states of a cause in the JSON part.
const (
	stateFailed    = "failed"
	stateHeld      = "held"
	stateNotLoaded = "not_loaded" // columns
	stateRecovered = "recovered"
)

// machineText returns the JSON part: the objects that the text lists, and the count of
// all objects.
func machineText(g *group, c commands, site Site) string {
	m := machineMail{
		Schema: mailSchema, Dataset: g.dataset, Code: g.code, Hint: g.hint(), Command: c.next, Count: g.size(),
		Environment: site.Environment, State: stateFailed, Runbook: site.entry(g.code), FailedNow: g.stillFailed,
	}
	switch {
	case g.isHeld():
		m.State = stateHeld
	case g.report != nil:
		m.State = stateNotLoaded
	}
	first, last := g.listed()
	for _, f := range slices.Concat(first, last) {
		m.Objects = append(m.Objects, f.machine())
	}
	return encode(m)
}

// encode returns the JSON part of a mail.
func encode(m any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(m); err != nil { // can't happen: the values are strings and numbers
		panic(fmt.Sprintf("encode alert: %v", err))
	}
	return string(work.EscapeMessage(bytes.TrimSpace(out.Bytes())))
}

func (f *failure) machine() machineObject {
	o := machineObject{
		ObjectID: f.objectID, Bucket: f.object.Bucket, Key: f.object.Key, Version: f.object.Version,
		Stage: f.stage, Cause: truncate(f.cause), QueryID: f.queryID, RunID: f.runID, MessageID: f.messageID,
		RowsRead: f.rowsRead, RowsWritten: f.rowsWritten, RowsRejected: f.rowsRejected,
	}
	if f.held != nil {
		o.Delivery = f.held.Name
	}
	if f.column != nil {
		o.Column = f.column.Display()
	}
	if !f.at.IsZero() {
		o.FailedAt = f.at.UTC().Format(time.RFC3339)
	}
	return o
}
