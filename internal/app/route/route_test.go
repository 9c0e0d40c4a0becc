package route_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firn-data/firn/internal/app/function/functiontest"
	"github.com/firn-data/firn/internal/app/route"
)

// variables returns the environment variables of the stack.
func variables(taskRoot string) map[string]string {
	return map[string]string{
		"LAMBDA_TASK_ROOT": taskRoot, "FIRN_JOURNAL_TABLE": "journal",
		"FIRN_LANDING_BUCKET": "landing", "FIRN_CURATED_BUCKET": "curated",
		"FIRN_QUEUE_URL": "https://sqs/1/route", "FIRN_DEAD_LETTER_URL": "https://sqs/1/route-dead",
		"FIRN_RECEIPTS_QUEUE_URL": "https://sqs/1/receipts", "FIRN_RECEIPTS_DEAD_LETTER_URL": "https://sqs/1/receipts-dead",
		"FIRN_TRANSFORM_QUEUE_URL": "https://sqs/1/transform", "FIRN_LOAD_QUEUE_URL": "https://sqs/1/load",
		"FIRN_INGEST_QUEUE_URL": "https://sqs/1/ingest",
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := route.New(context.Background(), functiontest.Environment(map[string]string{"FIRN_ATTEMPTS": "many", "FIRN_LOAD_EVERY": "5"}), io.Discard)
	if err == nil {
		t.Fatal("New with an empty environment: no error")
	}
	for name := range variables("") {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error lacks %s: %v", name, err)
		}
	}
	for _, name := range []string{"FIRN_ATTEMPTS", "FIRN_LOAD_EVERY"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error lacks %s: %v", name, err)
		}
	}
}

func TestNewReportsMissingContracts(t *testing.T) {
	t.Parallel()
	if _, err := route.New(context.Background(), functiontest.Environment(variables(t.TempDir())), io.Discard); err == nil {
		t.Error("New without contracts: no error")
	}
}

// TestDeadLettersGoToTheirOwnQueue passes an undecodable message of each queue through
// the whole function.
func TestDeadLettersGoToTheirOwnQueue(t *testing.T) {
	var mu sync.Mutex
	sent := make(map[string]string)
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			QueueURL    string `json:"QueueUrl"`
			MessageBody string
		}
		target := r.Header.Get("X-Amz-Target")
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || target != "AmazonSQS.SendMessage" {
			t.Errorf("request %s: %v", target, err)
		}
		mu.Lock()
		sent[in.QueueURL] = in.MessageBody
		mu.Unlock()
		sum := md5.Sum([]byte(in.MessageBody))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_ = json.NewEncoder(w).Encode(map[string]string{"MessageId": "x", "MD5OfMessageBody": hex.EncodeToString(sum[:])})
	}))
	t.Cleanup(cloud.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	handle, err := route.New(context.Background(), functiontest.Environment(variables(functiontest.TaskRoot(t))), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	for _, queue := range []string{"route", "receipts"} {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: queue, Body: "from " + queue, EventSourceARN: "arn:aws:sqs:eu-central-1:1:" + queue,
		})
	}
	response, err := handle(context.Background(), event)
	if err != nil || len(response.BatchItemFailures) != 0 {
		t.Fatalf("response %v, error %v", response, err)
	}
	for _, queue := range []string{"route", "receipts"} {
		if got := sent["https://sqs/1/"+queue+"-dead"]; got != "from "+queue {
			t.Errorf("the dead-letter queue of %s got %q", queue, got)
		}
	}
}
