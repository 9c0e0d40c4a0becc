package event

import (
	"encoding/json"
)

// EndedGlueRun returns the id of the ended Glue run in a body of EventBridge, or false
// for another body. Glue sends a Glue Job State Change only for the end of a run
// (aws:glue/latest/dg/automating-awsglue-with-cloudwatch-events).
func EndedGlueRun(body string) (id string, ok bool) {
	var e struct {
		Source string `json:"source"`
		Type   string `json:"detail-type"`
		Detail struct {
			Run string `json:"jobRunId"`
		} `json:"detail"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return "", false
	}
	return e.Detail.Run, e.Source == "aws.glue" && e.Type == "Glue Job State Change" && e.Detail.Run != ""
}
