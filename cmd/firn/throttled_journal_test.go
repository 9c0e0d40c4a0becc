//go:build standin

package main_test

import (
	"bytes"
	"net/http"
	urlpath "path"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	appalert "github.com/firn-data/firn/internal/app/alert"
	"github.com/firn-data/firn/internal/journal"
)

// throttleJournal answers each request of DynamoDB as a table above its throughput
// (amazondynamodb/latest/developerguide/Programming.Errors).
var throttleJournal = refuseAWS("DynamoDB_", "", http.StatusBadRequest,
	`{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "The level of configured provisioned throughput for the table was exceeded."}`)

// TestThrottledJournalStopsTheHeartbeat: without the journal no stage can record a wait,
// and alert can't read the waits. A tick fails and writes no heartbeat, so the alarm
// FirnHeartbeat reports journal_away. Afterwards the object is loaded without a command.
func TestThrottledJournalStopsTheHeartbeat(t *testing.T) {
	t.Parallel()
	p := newWaitingPath(t, "FIRN_THROTTLED")
	dataset := p.addDataset(t, "throttled")
	tick := p.startAlert(t)
	if heartbeats, failed := tick(); heartbeats != 1 || failed != 0 {
		t.Fatalf("%d heartbeats and %d failed ticks before the throttle, want 1 and 0", heartbeats, failed)
	}
	p.aws.set(throttleJournal)
	o := p.put(t, p.keyIn(t, dataset, "a.csv"), goodFile)
	if heartbeats, failed := tick(); heartbeats != 0 || failed != 1 {
		t.Errorf("%d heartbeats and %d failed ticks during the throttle, want 0 and 1", heartbeats, failed)
	}
	p.aws.set(nil)
	p.drain(t)
	p.checkState(t, o, journal.Loaded)
	if heartbeats, failed := tick(); heartbeats != 1 || failed != 0 {
		t.Errorf("%d heartbeats and %d failed ticks after the throttle, want 1 and 0", heartbeats, failed)
	}
}

// startAlert starts the alert function beside the proxy of AWS. The result passes a tick
// to the function, and returns the numbers of heartbeats and of failed messages.
func (p *waitingPath) startAlert(t *testing.T) (tick func() (heartbeats, failed int)) {
	t.Helper()
	created, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(p.stackName() + "-ticks")})
	if err != nil {
		t.Fatal(err)
	}
	ticks := aws.ToString(created.QueueUrl)
	variables := map[string]string{
		"LAMBDA_TASK_ROOT": p.taskRoot(t), "FIRN_JOURNAL_TABLE": p.journalTable, "FIRN_ALERTS_TOPIC_ARN": p.topic, "FIRN_DEAD_LETTER_URLS": p.queues["dead"],
		"FIRN_QUEUE_URL": ticks, "FIRN_DEAD_LETTER_URL": p.queues["dead"], "FIRN_QUEUE_URLS": p.queues["load"],
		"FIRN_INGEST_QUEUE_URL": p.queues["ingest"], "AWS_ENDPOINT_URL": p.aws.address.String(),
	}
	var metrics bytes.Buffer
	handle, err := appalert.New(t.Context(), func(name string) (string, bool) { return variables[name], variables[name] != "" }, &metrics)
	if err != nil {
		t.Fatal(err)
	}
	return func() (heartbeats, failed int) {
		t.Helper()
		metrics.Reset()
		response, err := handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{
			MessageId: "m", Body: `{"tick":"2026-11-24T10:05:00Z"}`, EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:" + urlpath.Base(ticks),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(metrics.String(), `"Heartbeat":1`), len(response.BatchItemFailures)
	}
}
