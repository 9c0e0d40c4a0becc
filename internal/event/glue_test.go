package event_test

import (
	"testing"

	"github.com/firn-data/firn/internal/event"
)

func TestEndedGlueRun(t *testing.T) {
	t.Parallel()
	// The example of aws:glue/latest/dg, automating-awsglue-with-cloudwatch-events.
	const failed = `{"version":"0","id":"abcdef01-1234-5678-9abc-def012345678","detail-type":"Glue Job State Change",
		"source":"aws.glue","account":"123456789012","time":"2017-09-07T06:02:03Z","region":"us-west-2","resources":[],
		"detail":{"jobName":"MyJob","severity":"ERROR","state":"FAILED","jobRunId":"jr_0123456789abcdef","message":"JobName:MyJob and JobRunId:jr_0123456789abcdef failed to execute with exception Role arn is invalid"}}`
	if run, ok := event.EndedGlueRun(failed); !ok || run != "jr_0123456789abcdef" {
		t.Errorf("run %q, %t", run, ok)
	}
	for name, body := range map[string]string{
		"no JSON":         "x",
		"work":            `{"stage":"glue","dataset":"shop.order"}`,
		"another service": `{"source":"aws.s3","detail-type":"Glue Job State Change","detail":{"jobRunId":"jr"}}`,
		"another event":   `{"source":"aws.glue","detail-type":"Glue Job Run Status","detail":{"jobRunId":"jr"}}`,
		"no run":          `{"source":"aws.glue","detail-type":"Glue Job State Change","detail":{}}`,
	} {
		if run, ok := event.EndedGlueRun(body); ok {
			t.Errorf("%s: found the run %q", name, run)
		}
	}
}
