package event

import (
	"encoding/json"
)

// Run says that a Glue run has ended.
type Run struct {
	// Job and ID name the run.
	Job, ID string
	// State is SUCCEEDED, FAILED, TIMEOUT or STOPPED.
	State string
	// Message is Glue's own.
	Message string
}

// DecodeRun returns the run that a body of EventBridge tells of, or false if the
// body isn't a Glue Job State Change
// (aws:glue/latest/dg/automating-awsglue-with-cloudwatch-events).
func DecodeRun(body string) (Run, bool) {
	var e struct {
		Source string `json:"source"`
		Type   string `json:"detail-type"`
		Detail struct {
			Job     string `json:"jobName"`
			Run     string `json:"jobRunId"`
			State   string `json:"state"`
			Message string `json:"message"`
		} `json:"detail"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return Run{}, false
	}
	d := e.Detail
	return Run{Job: d.Job, ID: d.Run, State: d.State, Message: d.Message},
		e.Source == "aws.glue" && e.Type == "Glue Job State Change" && d.Run != ""
}
