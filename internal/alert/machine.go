package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
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
}

// machineText returns the JSON part: the objects that the text lists, and the count of
// all objects.
func machineText(g *group, c commands) string {
	m := machineMail{
		Schema: mailSchema, Dataset: g.dataset, Code: g.code, Hint: g.hint(), Command: c.next, Count: len(g.failures),
	}
	for _, f := range g.failures[:min(len(g.failures), maxListedObjects)] {
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
	if !f.at.IsZero() {
		o.FailedAt = f.at.UTC().Format(time.RFC3339)
	}
	return o
}
