package alert_test

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firn-data/firn/internal/app/alert"
	"github.com/firn-data/firn/internal/app/function/functiontest"
)

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := alert.New(context.Background(), functiontest.Environment(map[string]string{"FIRN_BACKOFF_SECONDS": "soon"}), io.Discard)
	if err == nil {
		t.Fatal("New with an empty environment: no error")
	}
	for _, name := range []string{"FIRN_JOURNAL_TABLE", "FIRN_ALERTS_TOPIC_ARN", "FIRN_DEAD_LETTER_URLS", "FIRN_BACKOFF_SECONDS", "FIRN_QUEUE_URL", "FIRN_INGEST_QUEUE_URL", "LAMBDA_TASK_ROOT"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error lacks %s: %v", name, err)
		}
	}
}

// completeEnvironment returns an environment with the contracts of one source.
func completeEnvironment(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"FIRN_JOURNAL_TABLE": "journal", "FIRN_ALERTS_TOPIC_ARN": "arn:alerts", "FIRN_DEAD_LETTER_URLS": "https://sqs/1/a,https://sqs/1/b",
		"FIRN_QUEUE_URL": "https://sqs/1/ticks", "FIRN_INGEST_QUEUE_URL": "https://sqs/1/ingest", "FIRN_DEAD_LETTER_URL": "https://sqs/1/b", "LAMBDA_TASK_ROOT": functiontest.TaskRootOf(t, "station"),
	}
}

// serveAWS starts a stand-in of AWS with the handler, and sets the environment of the
// clients.
func serveAWS(t *testing.T, handler http.HandlerFunc) {
	t.Helper()
	cloud := httptest.NewServer(handler)
	t.Cleanup(cloud.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
}

// TestTickChecksBreakerAndSendsMail: after a tick, the function reads the breaker,
// counts the waiting objects of the contracts' datasets, and sends a mail.
func TestTickChecksBreakerAndSendsMail(t *testing.T) {
	var subject, counted string
	serveAWS(t, func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.") {
		case "GetItem":
			_, _ = io.WriteString(w, `{"Item": {"pk": {"S": "breaker#snowflake"}, "outage": {"S": "o"}, "status": {"S": "open"},
				"since": {"N": "1764000000000"}, "until": {"N": "1764000300000"}, "code": {"S": "snowflake_away"}}}`)
		case "Query":
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "run#waiting") {
				_, _ = io.WriteString(w, `{"Items": []}`)
				return
			}
			counted = string(body)
			_, _ = io.WriteString(w, `{"Items": [{"pk": {"S": "a"}}, {"pk": {"S": "b"}}]}`)
		case "UpdateItem":
			_, _ = io.WriteString(w, `{}`)
		default:
			subject = r.FormValue("Subject")
			_, _ = io.WriteString(w, `<PublishResponse><PublishResult><MessageId>x</MessageId></PublishResult></PublishResponse>`)
		}
	})
	handle, err := alert.New(context.Background(), functiontest.Environment(completeEnvironment(t)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	response, err := handle(context.Background(), events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m", Body: `{"tick":"2026-11-24T10:05:00Z"}`, EventSourceARN: "arn:aws:sqs:eu-central-1:1:ticks",
	}}})
	if err != nil || len(response.BatchItemFailures) != 0 {
		t.Fatalf("response %v, error %v", response, err)
	}
	if subject != "firn: snowflake: snowflake_away (2 objects waiting)" || !strings.Contains(counted, "waiting#station.event") {
		t.Errorf("published %q, counted by %s", subject, counted)
	}
}

// TestTickResumesWaitingRun: after a tick, the function claims a run whose wait is over
// and sends the run's message to the ingest queue.
func TestTickResumesWaitingRun(t *testing.T) {
	const run = `{"pk": {"S": "run#station.event/r1"}, "change": {"S": "c1"}, "run_state": {"S": "waiting"}, "message": {"S": "the message"},
		"delay_code": {"S": "source_away"}, "delay_tries": {"N": "6"}, "delay_last": {"N": "1764000000000"}, "delay_next": {"N": "1764000300000"}}`
	var sent string
	var claims int
	serveAWS(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer := `{}`
		switch target := r.Header.Get("X-Amz-Target"); {
		case strings.HasSuffix(target, ".Query") && strings.Contains(string(body), "run#waiting"):
			answer = `{"Items": [` + run + `]}`
		case strings.HasSuffix(target, ".Query"):
			answer = `{"Items": []}`
		case strings.HasSuffix(target, ".GetItem") && strings.Contains(string(body), "run#station.event/r1"):
			answer = `{"Item": ` + run + `}`
		case strings.HasSuffix(target, ".UpdateItem") && strings.Contains(string(body), "resuming_until"):
			claims++
		case strings.HasSuffix(target, ".SendMessageBatch"):
			sent = string(body)
			answer = fmt.Sprintf(`{"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "%x"}], "Failed": []}`, md5.Sum([]byte("the message")))
		}
		_, _ = io.WriteString(w, answer)
	})
	handle, err := alert.New(context.Background(), functiontest.Environment(completeEnvironment(t)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	response, err := handle(context.Background(), events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m", Body: `{"tick":"2026-11-24T10:05:00Z"}`, EventSourceARN: "arn:aws:sqs:eu-central-1:1:ticks",
	}}})
	if err != nil || len(response.BatchItemFailures) != 0 {
		t.Fatalf("response %v, error %v", response, err)
	}
	if claims != 1 || !strings.Contains(sent, `"https://sqs/1/ingest"`) || !strings.Contains(sent, `"the message"`) {
		t.Errorf("%d claims, sent %s", claims, sent)
	}
}

// TestDeadLetterIsPublished passes a dead letter without an object through the whole
// function. During a refusal by SNS, the message stays in the queue and gets a delay.
func TestDeadLetterIsPublished(t *testing.T) {
	var subject, topic, delayed string
	refuse := true
	serveAWS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") == "AmazonSQS.ChangeMessageVisibility" {
			body, _ := io.ReadAll(r.Body)
			delayed = string(body)
			_, _ = io.WriteString(w, "{}")
			return
		}
		if refuse {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code></Error></ErrorResponse>`)
			return
		}
		subject, topic = r.FormValue("Subject"), r.FormValue("TopicArn")
		_, _ = io.WriteString(w, `<PublishResponse><PublishResult><MessageId>x</MessageId></PublishResult></PublishResponse>`)
	})
	handle, err := alert.New(context.Background(), functiontest.Environment(completeEnvironment(t)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	code := "undecodable_message"
	event := events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m", Body: "x", EventSourceARN: "arn:aws:sqs:eu-central-1:1:b", ReceiptHandle: "h",
		MessageAttributes: map[string]events.SQSMessageAttribute{"code": {DataType: "String", StringValue: &code}},
	}}}
	response, err := handle(context.Background(), event)
	if err != nil || len(response.BatchItemFailures) != 1 || !strings.Contains(delayed, `"https://sqs/1/b"`) {
		t.Fatalf("while SNS refuses: response %v, error %v, delayed %q", response, err, delayed)
	}
	refuse = false
	response, err = handle(context.Background(), event)
	if err != nil || len(response.BatchItemFailures) != 0 {
		t.Fatalf("response %v, error %v", response, err)
	}
	if subject != "firn: no dataset: undecodable_message (1 message)" || topic != "arn:alerts" {
		t.Errorf("published %q on %q", subject, topic)
	}
}
