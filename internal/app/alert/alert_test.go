package alert_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
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
	for _, name := range []string{"FIRN_JOURNAL_TABLE", "FIRN_ALERTS_TOPIC_ARN", "FIRN_DEAD_LETTER_URLS", "FIRN_BACKOFF_SECONDS", "FIRN_QUEUE_URL", "LAMBDA_TASK_ROOT", "FIRN_QUEUE_URLS", "FIRN_INGEST_QUEUE_URL"} {
		if !regexp.MustCompile(name + `\b`).MatchString(err.Error()) {
			t.Errorf("the error lacks %s: %v", name, err)
		}
	}
}

// completeEnvironment returns an environment with the contracts of one source.
func completeEnvironment(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"FIRN_JOURNAL_TABLE": "journal", "FIRN_ALERTS_TOPIC_ARN": "arn:alerts", "FIRN_DEAD_LETTER_URLS": "https://sqs/1/a,https://sqs/1/b",
		"FIRN_QUEUE_URL": "https://sqs/1/ticks", "FIRN_INGEST_QUEUE_URL": "https://sqs/1/ingest", "FIRN_QUEUE_URLS": "https://sqs/1/ticks,https://sqs/1/c", "FIRN_DEAD_LETTER_URL": "https://sqs/1/b", "FIRN_ENVIRONMENT": "test", "LAMBDA_TASK_ROOT": functiontest.TaskRootOf(t, "station"),
	}
}

// serveAWS starts a stand-in of AWS with the handler, and sets the environment of the
// clients.
func serveAWS(t *testing.T, handler http.Handler) {
	t.Helper()
	cloud := httptest.NewServer(handler)
	t.Cleanup(cloud.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
}

// fakeAWS answers like DynamoDB, SQS and SNS for one mail.
type fakeAWS struct {
	// items are the items of the journal by their keys, and found the items of an index
	// by the partition.
	items, found map[string]string
	// changed are the keys of the changed items.
	changed []string
	// refuses is the code of SNS's refusal; empty for none.
	refuses string
	// subjects and topics are those of the mails, and delayed the delayed message.
	subjects, topics []string
	delayed          string
}

// noMessages is the answer of GetQueueAttributes for an empty queue.
const noMessages = `{"Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0"}}`

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if operation == "" {
		f.publish(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var input struct {
		Key                       map[string]struct{ S string }
		ExpressionAttributeValues map[string]struct{ S string }
	}
	_ = json.Unmarshal(body, &input)
	switch pk := input.Key["pk"].S; operation {
	case "GetItem":
		_, _ = io.WriteString(w, `{`+f.items[pk]+`}`)
	case "Query":
		_, _ = io.WriteString(w, `{"Items": [`+f.found[input.ExpressionAttributeValues[":p"].S]+`]}`)
	case "UpdateItem":
		f.changed = append(f.changed, pk)
		_, _ = io.WriteString(w, `{"Attributes": {"pk": {"S": "x"}, "sent": {"N": "1"}, "status": {"S": "open"}, "mails": {"N": "0"}}}`)
	case "GetQueueAttributes":
		_, _ = io.WriteString(w, noMessages)
	case "ChangeMessageVisibility":
		f.delayed = string(body)
		_, _ = io.WriteString(w, "{}")
	default:
		http.Error(w, operation, http.StatusBadRequest)
	}
}

func (f *fakeAWS) publish(w http.ResponseWriter, r *http.Request) {
	if f.refuses != "" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>`+f.refuses+`</Code></Error></ErrorResponse>`)
		return
	}
	f.subjects, f.topics = append(f.subjects, r.FormValue("Subject")), append(f.topics, r.FormValue("TopicArn"))
	_, _ = io.WriteString(w, `<PublishResponse><PublishResult><MessageId>x</MessageId></PublishResult></PublishResponse>`)
}

// TestTickChecksBreakerAndSendsMail: after a tick, the function reads the breaker,
// counts the waiting objects of the contracts' datasets, and sends a mail.
func TestTickChecksBreakerAndSendsMail(t *testing.T) {
	cloud := &fakeAWS{
		items: map[string]string{"breaker#snowflake": `"Item": {"pk": {"S": "breaker#snowflake"}, "outage": {"S": "o"}, "status": {"S": "open"},
			"since": {"N": "1764000000000"}, "until": {"N": "1764000300000"}, "code": {"S": "snowflake_away"}}`},
		found: map[string]string{"waiting#station.event": `{"pk": {"S": "a"}}, {"pk": {"S": "b"}}`},
	}
	serveAWS(t, cloud)
	tick(t, completeEnvironment(t))
	if want := []string{"firn [test]: snowflake: snowflake_away (2 objects waiting)"}; !slices.Equal(cloud.subjects, want) {
		t.Errorf("mails %q, want %q", cloud.subjects, want)
	}
}

func tick(t *testing.T, environment map[string]string) {
	t.Helper()
	handle, err := alert.New(t.Context(), functiontest.Environment(environment), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	response, err := handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m", Body: `{"tick":"2026-11-24T10:05:00Z"}`, EventSourceARN: "arn:aws:sqs:eu-central-1:1:ticks",
	}}})
	if err != nil || len(response.BatchItemFailures) != 0 {
		t.Fatalf("response %v, error %v", response, err)
	}
}

// TestTickSendsDigest: an open notice has three waiting messages.
func TestTickSendsDigest(t *testing.T) {
	notice := `{"notice": {"S": "n"}, "kind": {"S": "message"}, "code": {"S": "undecodable_message"}, "status": {"S": "open"}, "mails": {"N": "1"},
		"opened_at": {"N": "1764000000000"}, "seen_at": {"N": "1764000000000"}, "next_at": {"N": "1764000000000"},
		"pending_keys": {"SS": ["m1", "m2", "m3"]}, "pending_last": {"S": "{\"message_id\": \"m3\", \"body\": \"junk\"}"}}`
	cloud := &fakeAWS{
		items: map[string]string{"notice#message#-#undecodable_message": `"Item": ` + notice},
		found: map[string]string{"notice": notice},
	}
	serveAWS(t, cloud)
	tick(t, completeEnvironment(t))
	if want := []string{"firn [test]: no dataset: 3 messages failed: undecodable_message"}; !slices.Equal(cloud.subjects, want) {
		t.Errorf("mails %q, want %q", cloud.subjects, want)
	}
}

// TestTickReadsWebhookOnlyWithSecret: without the setting, the function searches no
// messages for the webhook.
func TestTickReadsWebhookOnlyWithSecret(t *testing.T) {
	for _, arn := range []string{"", "arn:aws:secretsmanager:eu-central-1:1:secret:hook-AbCdEf"} {
		cloud := &fakeAWS{found: map[string]string{"post": `{"pk": {"S": "post#p"}, "post": {"S": "p"}, "body": {"S": "{}"}, "tries": {"N": "0"}}`}}
		serveAWS(t, cloud)
		environment := completeEnvironment(t)
		environment["FIRN_WEBHOOK_SECRET_ARN"] = arn
		tick(t, environment)
		if tried := slices.Contains(cloud.changed, "post#p"); tried != (arn != "") {
			t.Errorf("with the secret %q: the message was tried: %t", arn, tried)
		}
	}
}

// TestNewRefusesLimitWithoutMails: a limit of 0 would stop all mails.
func TestNewRefusesLimitWithoutMails(t *testing.T) {
	environment := completeEnvironment(t)
	environment["FIRN_MAILS_PER_HOUR"] = "0"
	if _, err := alert.New(t.Context(), functiontest.Environment(environment), io.Discard); err == nil || !strings.Contains(err.Error(), "FIRN_MAILS_PER_HOUR") {
		t.Errorf("New = %v, want an error that names the variable", err)
	}
}

// TestTickResumesWaitingRun: after a tick, the function claims a run whose wait is over
// and sends the run's message to the ingest queue.
func TestTickResumesWaitingRun(t *testing.T) {
	const run = `{"pk": {"S": "run#station.event/r1"}, "change": {"S": "c1"}, "run_state": {"S": "waiting"}, "message": {"S": "the message"},
		"delay_code": {"S": "source_away"}, "delay_tries": {"N": "6"}, "delay_last": {"N": "1764000000000"}, "delay_next": {"N": "1764000300000"}}`
	var sent string
	var claims int
	serveAWS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		case strings.HasSuffix(target, ".GetQueueAttributes"):
			answer = noMessages
		case strings.HasSuffix(target, ".SendMessageBatch"):
			sent = string(body)
			answer = fmt.Sprintf(`{"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "%x"}], "Failed": []}`, md5.Sum([]byte("the message")))
		}
		_, _ = io.WriteString(w, answer)
	}))
	tick(t, completeEnvironment(t))
	if claims != 1 || !strings.Contains(sent, `"https://sqs/1/ingest"`) || !strings.Contains(sent, `"the message"`) {
		t.Errorf("%d claims, sent %s", claims, sent)
	}
}

// TestDeadLetterIsPublished passes a dead letter without an object through the whole
// function. During a refusal by SNS, the message stays in the queue and gets a delay.
func TestDeadLetterIsPublished(t *testing.T) {
	cloud := &fakeAWS{refuses: "AuthorizationError"}
	serveAWS(t, cloud)
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
	if err != nil || len(response.BatchItemFailures) != 1 || !strings.Contains(cloud.delayed, `"https://sqs/1/b"`) {
		t.Fatalf("while SNS refuses: response %v, error %v, delayed %q", response, err, cloud.delayed)
	}
	cloud.refuses = ""
	response, err = handle(context.Background(), event)
	if err != nil || len(response.BatchItemFailures) != 0 {
		t.Fatalf("response %v, error %v", response, err)
	}
	want := []string{"firn [test]: no dataset: 1 message failed: undecodable_message"}
	if !slices.Equal(cloud.subjects, want) || !slices.Equal(cloud.topics, []string{"arn:alerts"}) {
		t.Errorf("published %q on %q", cloud.subjects, cloud.topics)
	}
}
