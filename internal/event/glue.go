package event

import (
	"encoding/json"
)

// EndedGlueRun returns the id of the Glue run whose end a body of EventBridge tells
// of, or false if the body isn't a Glue Job State Change, which comes for no
// other state (aws:glue/latest/dg/automating-awsglue-with-cloudwatch-events).
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
