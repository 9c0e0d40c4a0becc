//go:build endtoend

package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake"
)

// world is the state of a run: the generator's facts, and the effects to complete at
// the end.
type world struct {
	t *testing.T
	r *rand.Rand
	// keys are in the order of their first upload.
	keys []*key
	// late are the versions whose event comes later.
	late []*version
	// paused has the datasets that the run has paused.
	paused map[string]bool
	// receiptEvents is false while the curated bucket sends no events.
	receiptEvents bool
	notifications map[string]*s3types.NotificationConfiguration
	// owed are the commands that a fault refused. They must succeed at the end.
	owed []command
	// refused counts the refused commands that need no success.
	refused map[string]int
	// killed is the number of killed processes of functions.
	killed int
	puts   int
}

// command is a command of an operator, with variables beside the environment.
type command struct {
	variables []string
	arguments []string
}

// commandLimit is the longest time of one command.
const commandLimit = 3 * time.Minute

func newWorld(t *testing.T, r *rand.Rand) *world {
	t.Helper()
	return &world{
		t: t, r: r, paused: make(map[string]bool), refused: make(map[string]int), receiptEvents: true,
		notifications: make(map[string]*s3types.NotificationConfiguration),
	}
}

func (w *world) check(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// versionsOf returns the uploaded versions that fit, in the order of the uploads.
func (w *world) versionsOf(fits func(*version) bool) []*version {
	var found []*version
	for _, k := range w.keys {
		for _, v := range k.versions {
			if fits(v) {
				found = append(found, v)
			}
		}
	}
	return found
}

// someVersion draws a sound version.
func (w *world) someVersion() *version {
	sound := w.versionsOf(func(v *version) bool { return v.sound })
	return sound[w.r.IntN(len(sound))]
}

// earlyVersion draws from the keys of the first half of the run so far, and returns the
// newest sound version of the key. Most of these versions are loaded.
func (w *world) earlyVersion() *version {
	early := w.versionsOf(func(v *version) bool { return v.sound })
	k := early[w.r.IntN((len(early)+1)/2)].key
	for _, v := range slices.Backward(k.versions) {
		if v.sound {
			return v
		}
	}
	panic("the key has a sound version")
}

// brokenVersion draws a broken version of a dataset. Without one, it puts one.
func (w *world) brokenVersion() *version {
	broken := w.versionsOf(func(v *version) bool {
		return !v.sound && v.key.dataset != noContract && len(v.rows)+len(v.rejects) > 0
	})
	if len(broken) == 0 {
		v := w.put(false)
		w.announce(v)
		return v
	}
	return broken[w.r.IntN(len(broken))]
}

// someKeys draws keys of datasets.
func (w *world) someKeys(n int) []*key {
	keys := make([]*key, n)
	for i := range keys {
		keys[i] = w.someVersion().key
	}
	return keys
}

// put uploads a file to a new key, or a new version to an earlier key.
func (w *world) put(sound bool) *version {
	again, d := w.r.IntN(3) == 0, datasets[w.r.IntN(len(datasets))]
	if again && len(w.keys) > 0 {
		return w.putVersion(w.someKeys(1)[0], sound)
	}
	k := &key{dataset: d, name: strings.ReplaceAll(d.name, ".", "/") + fmt.Sprintf("/%04d%s", len(w.keys), d.extension)}
	w.keys = append(w.keys, k)
	return w.putVersion(k, sound)
}

func (w *world) putVersion(k *key, sound bool) *version {
	v := w.newVersion(k)
	v.sound = sound
	body := v.fill(w.r)
	output, err := stack.s3.PutObject(w.t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(stack.operator.Stack.LandingBucket), Key: aws.String(k.name), Body: strings.NewReader(body),
	})
	w.check("put "+k.name, err)
	v.object = object.Object{
		Bucket: stack.operator.Stack.LandingBucket, Key: k.name, Version: aws.ToString(output.VersionId),
		ETag: strings.Trim(aws.ToString(output.ETag), `"`), Size: int64(len(body)),
	}
	return v
}

func (w *world) newVersion(k *key) *version {
	w.puts++
	v := &version{key: k, number: len(k.versions), sequencer: fmt.Sprintf("%016X", w.puts)}
	k.versions = append(k.versions, v)
	return v
}

// deleteKey writes a delete marker, which is a version of its key.
func (w *world) deleteKey(k *key) *version {
	v := w.newVersion(k)
	output, err := stack.s3.DeleteObject(w.t.Context(), &s3.DeleteObjectInput{
		Bucket: aws.String(stack.operator.Stack.LandingBucket), Key: aws.String(k.name),
	})
	w.check("delete "+k.name, err)
	v.object = object.Object{Bucket: stack.operator.Stack.LandingBucket, Key: k.name, Version: aws.ToString(output.VersionId)}
	v.marker = true
	return v
}

func (w *world) putCurated(name string, body []byte) {
	_, err := stack.s3.PutObject(w.t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(stack.operator.Stack.CuratedBucket), Key: aws.String(name), Body: bytes.NewReader(body),
	})
	w.check("put "+name, err)
}

// announce sends the event of a version.
func (w *world) announce(v *version) {
	name := "ObjectCreated:Put"
	if v.marker {
		name = "ObjectRemoved:DeleteMarkerCreated"
	}
	w.send("RouteQueue", eventOf(v.object, name, v.sequencer))
}

// delay holds an event back.
func (w *world) delay(v *version) { w.late = append(w.late, v) }

// eventOf returns S3's event about an object.
func eventOf(o object.Object, name, sequencer string) string {
	encoded := strings.ReplaceAll(url.QueryEscape(o.Key), "%2F", "/")
	body, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"eventVersion": "2.6", "eventSource": "aws:s3", "eventName": name, "eventTime": time.Now().UTC().Format(time.RFC3339),
		"s3": map[string]any{
			"bucket": map[string]any{"name": o.Bucket},
			"object": map[string]any{"key": encoded, "size": o.Size, "eTag": o.ETag, "versionId": o.Version, "sequencer": sequencer},
		},
	}}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// queueURL returns the URL of a queue. queue is the queue's name in the template.
func queueURL(queue string) *string {
	return aws.String(stack.cloud.Outputs[strings.TrimSuffix(queue, "s")+"Url"])
}

func (w *world) send(queue, body string) {
	_, err := stack.sqs.SendMessage(w.t.Context(), &sqs.SendMessageInput{QueueUrl: queueURL(queue), MessageBody: aws.String(body)})
	w.check("send to "+queue, err)
}

// counts returns the numbers of a queue's waiting messages and of its messages in
// flight.
func (w *world) counts(queue string) (waiting, inFlight int) {
	answer, err := stack.sqs.GetQueueAttributes(w.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queueURL(queue), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	w.check("read the counts of "+queue, err)
	number := func(name sqstypes.QueueAttributeName) int {
		n, err := strconv.Atoi(answer.Attributes[string(name)])
		w.check("read the counts of "+queue, err)
		return n
	}
	return number(sqstypes.QueueAttributeNameApproximateNumberOfMessages) + number(sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed),
		number(sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
}

// setNotifications switches the events of a bucket on or off.
func (w *world) setNotifications(bucket string, on bool) {
	if w.notifications[bucket] == nil {
		current, err := stack.s3.GetBucketNotificationConfiguration(w.t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String(bucket)})
		w.check("read the notifications", err)
		w.notifications[bucket] = &s3types.NotificationConfiguration{
			QueueConfigurations: current.QueueConfigurations, TopicConfigurations: current.TopicConfigurations,
		}
	}
	set := &s3types.NotificationConfiguration{}
	if on {
		set = w.notifications[bucket]
	}
	_, err := stack.s3.PutBucketNotificationConfiguration(w.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String(bucket), NotificationConfiguration: set,
	})
	w.check("switch the notifications", err)
}

// run runs the operator's command.
func (c command) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, stack.cloud.Program, c.arguments...)
	cmd.Env = append(os.Environ(), c.variables...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("firn %s: %w: %s", strings.Join(c.arguments, " "), err, text)
	}
	return string(text), err
}

// must runs a command that no fault may refuse.
func (w *world) must(arguments ...string) {
	_, err := command{arguments: arguments}.run(w.t.Context())
	w.check("run a command", err)
}

// runAfterLock runs a command that no fault may refuse, and again while another loader
// holds the lock of the dataset. The session of a killed loader can hold the lock for the
// time of idleBlocker.
func (w *world) runAfterLock(c command) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	var last error
	if err := poll(ctx, func() bool {
		_, last = c.run(w.t.Context())
		return last == nil || !strings.Contains(last.Error(), "lock_busy")
	}); err != nil {
		last = fmt.Errorf("after %s: %w", waitLimit, last)
	}
	w.check("run a command", last)
}

// try runs a command that a fault, or the state of the object, may refuse.
func (w *world) try(arguments ...string) {
	if _, err := (command{arguments: arguments}).run(w.t.Context()); err != nil {
		w.refused[arguments[0]]++
		w.t.Log(err)
	}
}

// owe runs a command, at the end of the run again if the command fails now.
func (w *world) owe(arguments ...string) { w.oweWith(nil, arguments...) }

func (w *world) oweWith(variables []string, arguments ...string) {
	c := command{variables: variables, arguments: arguments}
	if _, err := c.run(w.t.Context()); err != nil {
		w.t.Log(err)
		w.owed = append(w.owed, c)
	}
}

// query runs a statement in Snowflake.
func (w *world) query(statement string) snowflake.Result {
	w.t.Helper()
	session, err := app.OpenSnowflake(context.WithoutCancel(w.t.Context()), os.LookupEnv)
	w.check("open Snowflake", err)
	defer session.Close()
	answer, err := session.Query(context.WithoutCancel(w.t.Context()), "run a statement", statement)
	w.check(statement, err)
	return answer
}

// killWait is the longest wait for a message in the function, before the kill.
const killWait = time.Second

// kill kills all processes of a function, as soon as the function has a message.
func (w *world) kill(function string) {
	queue := map[string]string{"Route": "RouteQueue", "Transform": "TransformQueue", "Load": "LoadQueue", "Alert": "AlertQueue"}[function]
	ctx, cancel := context.WithTimeout(w.t.Context(), killWait)
	defer cancel()
	_ = poll(ctx, func() bool {
		_, inFlight := w.counts(queue)
		return inFlight > 0
	})
	for _, pid := range processesOf(stack.cloud.Outputs[function+"FunctionName"]) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatal(err)
		}
		w.killed++
	}
}

// processesOf returns the ids of a function's processes in this cloud.
func processesOf(function string) []int {
	var found []int
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // the process of another user, or an ended process
		}
		variables := strings.Split(string(content), "\x00")
		if !slices.Contains(variables, "AWS_LAMBDA_FUNCTION_NAME="+function) || !slices.Contains(variables, "AWS_ENDPOINT_URL="+stack.cloud.FunctionEndpoint) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// poll calls done until done returns true or the context ends.
func poll(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// timeouts are the timeouts of the functions in seconds. The claim of a killed transform
// and the lock of a killed load end sooner. Each timeout is longer than the time that the
// function reserves for its end. Route keeps its minute, because a sweep of all objects
// needs the time.
var timeouts = map[string]int32{"Route": 60, "Transform": 40, "Load": 40, "Alert": 60}

// visibilitySeconds is the time after which the message of a killed function comes back.
// In a short run the message of a slow function comes back too, like a repeated message.
// In a long run this would repeat long sweeps.
func visibilitySeconds(queue string) int {
	const short, long = 10, 70
	if *objects <= manyObjects && queue != "GlueQueue" { // its messages wait for a batch
		return short
	}
	return long
}

// configure shortens the time until the message of a killed function comes back, and
// the time from the first mail about a cause to its digest.
func (w *world) configure() {
	for function := range timeouts {
		w.configureFunction(function)
	}
	for _, queue := range []string{"RouteQueue", "ReceiptsQueue", "TransformQueue", "LoadQueue", "GlueQueue", "AlertQueue"} {
		_, err := stack.sqs.SetQueueAttributes(w.t.Context(), &sqs.SetQueueAttributesInput{
			QueueUrl:   queueURL(queue),
			Attributes: map[string]string{string(sqstypes.QueueAttributeNameVisibilityTimeout): strconv.Itoa(visibilitySeconds(queue))},
		})
		w.check("shorten the visibility timeout of "+queue, err)
	}
}

func (w *world) configureFunction(function string) {
	name := aws.String(stack.cloud.Outputs[function+"FunctionName"])
	current, err := stack.lambda.GetFunctionConfiguration(w.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	w.check("read the configuration of "+function, err)
	variables := current.Environment.Variables
	if function == "Alert" {
		variables["FIRN_FIRST_DIGEST"], variables["FIRN_MAILS_PER_HOUR"] = "1ms", "10000" // each digest doubles the time
	}
	_, err = stack.lambda.UpdateFunctionConfiguration(w.t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Timeout: aws.Int32(timeouts[function]), Environment: &lambdatypes.Environment{Variables: variables},
	})
	w.check("configure "+function, err)
}
