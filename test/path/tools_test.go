//go:build endtoend

package path_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
)

// customers returns a small file of shop.customer. The rows' names identify a test.
// Codes may repeat across files in RAW.
func customers(name string, rows int) []byte {
	var text strings.Builder
	text.WriteString("code,name\n")
	for i := range rows {
		fmt.Fprintf(&text, "%c%c,%s %d\n", 'A'+i/10, '0'+i%10, name, i)
	}
	return []byte(text.String())
}

// put uploads bytes to a landing key.
func put(t *testing.T, key string, body []byte) object.Object {
	t.Helper()
	o, err := upload(t.Context(), key, body)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// upload uploads bytes to a landing key, also from a goroutine.
func upload(ctx context.Context, key string, body []byte) (object.Object, error) {
	output, err := stack.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(stack.operator.Stack.LandingBucket), Key: aws.String(key), Body: strings.NewReader(string(body)),
	})
	if err != nil {
		return object.Object{}, err
	}
	return object.Object{
		Bucket: stack.operator.Stack.LandingBucket, Key: key, Version: aws.ToString(output.VersionId),
		ETag: strings.Trim(aws.ToString(output.ETag), `"`), Size: int64(len(body)),
	}, nil
}

// awaitStopped waits until each object has an end state or failed.
func awaitStopped(t *testing.T, objects ...object.Object) []journal.Entry {
	t.Helper()
	ids := make([]object.ID, len(objects))
	for i, o := range objects {
		ids[i] = o.ID()
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	entries, err := stack.operator.Wait(ctx, ids, func(journal.Entry) {})
	if err != nil {
		for i, e := range entries {
			t.Logf("%s has state %s: %s %s", objects[i].Key, e.State, e.Code, e.Cause)
		}
		t.Fatal(err)
	}
	return entries
}

// awaitState waits until the journal has the object in a state.
func awaitState(t *testing.T, o object.Object, want journal.State) journal.Entry {
	t.Helper()
	return awaitStateWithin(t, waitLimit, o, want)
}

func awaitStateWithin(t *testing.T, limit time.Duration, o object.Object, want journal.State) journal.Entry {
	t.Helper()
	var entry journal.Entry
	within(t, limit, o.Key+" becomes "+string(want), func() (bool, string) {
		var err error
		entry, err = stack.journal.Get(t.Context(), o.ID())
		if err != nil && !errors.Is(err, journal.ErrNotFound) {
			t.Fatal(err)
		}
		return entry.State == want, string(entry.State)
	})
	return entry
}

// warehouse opens a Snowflake session. The end of the test closes the session.
func warehouse(t *testing.T) *snowflake.Session {
	t.Helper()
	session, err := app.OpenSnowflake(t.Context(), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// queryNumber runs a query whose result is one number in a column "n".
func queryNumber(t *testing.T, statement string, args ...any) int64 {
	t.Helper()
	answer, err := warehouse(t).Query(t.Context(), "count", statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Number(0, "n")
}

// rowsOf returns the number of the object's customer rows.
func rowsOf(t *testing.T, o object.Object) int64 {
	t.Helper()
	return queryNumber(t, "select count(*) as n from RAW.SHOP_CUSTOMER where _FIRN_OBJECT = ?", string(o.ID()))
}

// ledgerOf returns the number of the object's entries in the customer ledger and their
// sum of rows.
func ledgerOf(t *testing.T, o object.Object) (entries, rows int64) {
	t.Helper()
	answer, err := warehouse(t).Query(t.Context(), "read ledger",
		"select count(*) as n, coalesce(sum(ROWS_LOADED), 0) as r from RAW.SHOP_CUSTOMER_LOADS where OBJECT = ?", string(o.ID()))
	if err != nil {
		t.Fatal(err)
	}
	return answer.Number(0, "n"), answer.Number(0, "r")
}

// pauseLoads takes the lock of the customer loads, as another loader would. The
// returned function releases the lock.
func pauseLoads(t *testing.T) (release func()) {
	t.Helper()
	session := warehouse(t)
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Exec(t.Context(), "hold the lock", "update RAW.SHOP_CUSTOMER_LOADS set SEQ = SEQ where OBJECT = '~lock'"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := session.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// s3Event returns S3's event for an object. Sequencers order the versions of one key.
func s3Event(o object.Object, sequencer string) string {
	key := strings.ReplaceAll(url.QueryEscape(o.Key), "%2F", "/")
	body, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"eventVersion": "2.6", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
		"eventTime": time.Now().UTC().Format(time.RFC3339),
		"s3": map[string]any{
			"bucket": map[string]any{"name": o.Bucket},
			"object": map[string]any{"key": key, "size": o.Size, "eTag": o.ETag, "versionId": o.Version, "sequencer": sequencer},
		},
	}}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// send sends up to ten messages in one request to the route queue and returns the
// message ids.
func send(t *testing.T, bodies ...string) []string {
	t.Helper()
	var entries []sqstypes.SendMessageBatchRequestEntry
	for i, body := range bodies {
		entries = append(entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(body)})
	}
	output, err := stack.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
		QueueUrl: aws.String(stack.operator.Stack.Queues["route"]), Entries: entries,
	})
	if err != nil || len(output.Failed) > 0 {
		t.Fatalf("send: %v %v", err, output.Failed)
	}
	ids := make([]string, len(bodies))
	for i, result := range output.Successful {
		ids[i] = aws.ToString(result.MessageId)
	}
	return ids
}

// withoutLandingNotifications runs do without events from the landing bucket. So the
// test alone decides which events are sent, and in which order. Tests with this
// function don't run in parallel.
func withoutLandingNotifications(t *testing.T, do func()) {
	t.Helper()
	withoutNotifications(t, stack.operator.Stack.LandingBucket, do)
}

// withoutNotifications runs do without events from a bucket.
func withoutNotifications(t *testing.T, name string, do func()) {
	t.Helper()
	bucket := aws.String(name)
	current, err := stack.s3.GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	set := func(c *types.NotificationConfiguration) {
		_, err := stack.s3.PutBucketNotificationConfiguration(context.WithoutCancel(t.Context()), &s3.PutBucketNotificationConfigurationInput{
			Bucket: bucket, NotificationConfiguration: c,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	defer set(&types.NotificationConfiguration{
		QueueConfigurations: current.QueueConfigurations, TopicConfigurations: current.TopicConfigurations,
	})
	set(&types.NotificationConfiguration{})
	do()
}

// logLine is one JSON line of a function's log.
type logLine struct {
	Message  string `json:"msg"`
	Request  string `json:"request_id"`
	ID       string `json:"message_id"`
	Receives int    `json:"receive_count"`
	Object   string `json:"object"`
	Run      string `json:"run_id"`
	Code     string `json:"code"`
	Error    string `json:"err"`
}

// logOf returns a function's log lines since a time.
func logOf(t *testing.T, function string, since time.Time) []logLine {
	t.Helper()
	group := stack.cloud.Outputs[function+"LogGroup"]
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(stack.logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(group), StartTime: aws.Int64(since.UnixMilli()),
	})
	var lines []logLine
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range page.Events {
			var line logLine
			if json.Unmarshal([]byte(aws.ToString(event.Message)), &line) == nil && line.Message != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// mailsAbout returns the mails with a text in their body.
func mailsAbout(t *testing.T, text string) []demo.Mail {
	t.Helper()
	var found []demo.Mail
	for _, m := range inbox(t) {
		if strings.Contains(m.Body, text) {
			found = append(found, m)
		}
	}
	return found
}

// lastTick is the time of the last tick of mailsSoon, in nanoseconds.
var lastTick atomic.Int64

// mailsSoon is mailsAbout for a wait. Until the mail arrives, a tick each second makes
// alert send its digests.
func mailsSoon(t *testing.T, text string) []demo.Mail {
	t.Helper()
	found := mailsAbout(t, text)
	now, last := time.Now(), lastTick.Load()
	if len(found) == 0 && now.UnixNano()-last > time.Second.Nanoseconds() && lastTick.CompareAndSwap(last, now.UnixNano()) {
		sendTo(t, "AlertQueue", fmt.Sprintf(`{"tick":%q}`, now.UTC().Format(time.RFC3339)))
	}
	return found
}

// keyOf returns a landing key for this test only.
func keyOf(t *testing.T, name string) string {
	t.Helper()
	return path.Join("shop/customer/2026-01-31 "+t.Name(), name)
}
