package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// mailSchema names the form of a mail's JSON part. Keys are only added under one
// name, never renamed or removed.
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
}

// machineText is the mail for programs: as many objects as the text names, and
// the count of all.
func machineText(g *group, c commands) string {
	m := machineMail{
		Schema: mailSchema, Dataset: g.dataset, Code: g.code, Hint: g.hint(), Command: c.next, Count: len(g.failures),
	}
	for _, f := range g.failures[:min(len(g.failures), maxListedObjects)] {
		m.Objects = append(m.Objects, f.machine())
	}
	return encode(m)
}

// encode writes a mail's part for programs.
func encode(m any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(m); err != nil { // only strings and numbers: can't happen
		panic(fmt.Sprintf("encode alert: %v", err))
	}
	return string(bytes.TrimSpace(out.Bytes()))
}

func (f *failure) machine() machineObject {
	o := machineObject{
		ObjectID: f.objectID, Bucket: f.object.Bucket, Key: f.object.Key, Version: f.object.Version,
		Stage: f.stage, Cause: truncate(f.cause), QueryID: f.queryID, RunID: f.runID, MessageID: f.messageID,
		RowsRead: f.rowsRead, RowsWritten: f.rowsWritten, RowsRejected: f.rowsRejected,
	}
	if !f.at.IsZero() {
		o.FailedAt = f.at.UTC().Format(time.RFC3339)
	}
	return o
}
