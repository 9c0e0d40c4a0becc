//go:build endtoend

package path_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// useCase is an effect of firn that a user can see.
type useCase struct {
	name string
	// start starts the use case.
	start func(*testing.T) startedUseCase
}

type startedUseCase struct {
	// done reports whether the use case is done, with a text about the current state.
	done func() (bool, string)
	// repair runs after the grants are back and before the wait for done. nil if firn
	// tries again by itself.
	repair func()
}

// customerFile is a file whose rows are loaded.
var customerFile = useCase{"a file is loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "customers.csv"), customers("grants", 2))
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Loaded) }}
}}

// customerFileWithoutMarker is customerFile in a bucket without firn's marker object.
var customerFileWithoutMarker = useCase{"a file is loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	versions, err := stack.s3.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{
		Bucket: aws.String(stack.cloud.Outputs["LandingBucket"]), Prefix: aws.String(object.MarkerKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions.Versions {
		if _, err := stack.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{
			Bucket: aws.String(stack.cloud.Outputs["LandingBucket"]), Key: v.Key, VersionId: v.VersionId,
		}); err != nil {
			t.Fatal(err)
		}
	}
	return customerFile.start(t)
}}

// completeTick is a tick whose message is done.
var completeTick = useCase{"a tick is complete", func(t *testing.T) startedUseCase {
	t.Helper()
	since := time.Now()
	sendTo(t, "AlertQueue", fmt.Sprintf(`{"tick":%q}`, since.UTC().Format(time.RFC3339)))
	return startedUseCase{done: func() (bool, string) {
		for _, line := range logOf(t, "Alert", since) {
			if line.Message == "message done" {
				return true, ""
			}
		}
		return false, "the log has no line about a done message"
	}}
}}

// refusedFile is a file that breaks the contract and causes a mail.
var refusedFile = useCase{"a broken file causes a mail", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "broken.csv"), []byte("code,name\nAA,fine\n\"BB,never closed\n"))
	return startedUseCase{done: func() (bool, string) {
		failed, last := inState(t, o, journal.Failed)
		return failed && len(mailsSoon(t, string(o.ID()))) > 0, last
	}}
}}

// deletedObject is an object that is deleted before any function reads it.
var deletedObject = useCase{"a deleted object fails with code object_gone", func(t *testing.T) startedUseCase {
	t.Helper()
	var o object.Object
	withoutLandingNotifications(t, func() { o = put(t, keyOf(t, "gone.csv"), customers("gone", 2)) })
	_, err := stack.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{
		Bucket: aws.String(o.Bucket), Key: aws.String(o.Key), VersionId: aws.String(o.Version),
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, s3Event(o, "01"))
	return startedUseCase{done: func() (bool, string) {
		failed, last := inState(t, o, journal.Failed)
		entry, err := stack.journal.Get(t.Context(), o.ID())
		return failed && err == nil && entry.Code == string(fault.ObjectGone), last
	}}
}}

// deletedFile is a loaded file of shop.item that is deleted. Its contract has
// firn.onDelete: withdraw.
var deletedFile = useCase{"the rows of a deleted file are withdrawn", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, itemKeyOf(t, "items.csv"), items("2026-03-01", "GRANT1"))
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	deleteKey(t, o)
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Withdrawn) }}
}}

// repeatedWork is work on an object that is already transformed.
var repeatedWork = useCase{"repeated work is ignored", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "customers.csv"), customers("grants", 2))
	checkState(t, awaitStopped(t, o)[0], journal.Loaded)
	since := time.Now()
	sendTo(t, "TransformQueue", work.Work{Stage: work.Transform, Dataset: "shop.customer", Object: o}.Encode())
	return startedUseCase{done: func() (bool, string) {
		for _, line := range logOf(t, "Transform", since) {
			if line.Message == "object not claimed" && line.Object == string(o.ID()) {
				return true, ""
			}
		}
		return false, "the line is missing in the log"
	}}
}}

// newVersionWithoutSequencer is a second version of a key without sequencers. Only the
// bucket knows the order of the versions.
var newVersionWithoutSequencer = useCase{"a newer version without a sequencer replaces the older version", func(t *testing.T) startedUseCase {
	t.Helper()
	key := keyOf(t, "customers.csv")
	var older, newer object.Object
	withoutLandingNotifications(t, func() {
		older = put(t, key, customers("older", 2))
		newer = put(t, key, customers("newer", 3))
	})
	send(t, s3Event(older, ""))
	checkState(t, awaitStopped(t, older)[0], journal.Loaded)
	send(t, s3Event(newer, ""))
	return startedUseCase{done: func() (bool, string) {
		loaded, last := inState(t, newer, journal.Loaded)
		superseded, olderState := inState(t, older, journal.Superseded)
		return loaded && superseded, last + ", and the older version: " + olderState
	}}
}}

// lostLoadMessage is an object whose message to the load queue is lost. A load of the
// dataset's next object also loads the first object.
var lostLoadMessage = useCase{"an object without a message is loaded together with the next object", func(t *testing.T) startedUseCase {
	t.Helper()
	since := time.Now()
	restore := removeGrants(t, removedGrant{"Route", "Send", "sqs:SendMessage", "LoadQueue"})
	lost := put(t, keyOf(t, "lost.csv"), customers("lost", 2))
	eventually(t, "the request for the load fails", func() (bool, string) {
		for _, line := range logOf(t, "Route", since) {
			if line.Message == messageFailed && line.Object == string(lost.ID()) {
				return true, ""
			}
		}
		return false, "the line is missing in the log"
	})
	awaitState(t, lost, journal.Transformed)
	if _, err := stack.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String(queueURL("ReceiptsQueue"))}); err != nil {
		t.Fatal(err)
	}
	restore()
	next := func(name string) {
		checkState(t, awaitStopped(t, put(t, keyOf(t, name), customers("next", 2)))[0], journal.Loaded)
	}
	next("next.csv")
	return startedUseCase{
		done:   func() (bool, string) { return inState(t, lost, journal.Loaded) },
		repair: func() { next("after.csv") },
	}
}}

// ingestRun ingests half an hour of events. Each call uses another half hour.
var ingestRun = useCase{"records of an API are loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	return startedUseCase{done: startRun(t)}
}}

// lostRun is a run whose message was lost hours ago. A sweep sends the message again.
var lostRun = useCase{"a run with a lost message is loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	request := nextRequest()
	orderRun(t, tableAt(-7*time.Hour), request)
	firn(t, "sweep")
	return startedUseCase{done: runDone(t, request)}
}}

// waitingRun is a run whose wait is over. alert's tick sends the message.
var waitingRun = useCase{"a run is loaded after its wait", func(t *testing.T) startedUseCase {
	t.Helper()
	request := nextRequest()
	table := tableAt(-time.Hour)
	orderRun(t, table, request)
	tick := func() {
		err := table.DelayRun(t.Context(), nameOf(request), journal.Delay{
			Stage: "ingest", Code: fault.SourceAway, Cause: "test", Tries: 1, Last: table.Now(), Next: table.Now().Add(time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		sendTo(t, "AlertQueue", fmt.Sprintf(`{"tick":%q}`, time.Now().UTC().Format(time.RFC3339)))
	}
	tick()
	// The claim of the unsent message lasts a minute. A new wait ends the claim.
	return startedUseCase{done: runDone(t, request), repair: tick}
}}

var runs int

// nextRequest returns the request for half an hour of events. Each call returns another
// half hour.
func nextRequest() ingest.Request {
	const length = 30 * time.Minute
	start := time.Date(2018, 2, 3, 0, 0, 0, 0, time.UTC).Add(time.Duration(runs) * length)
	runs++
	return ingest.Request{Dataset: "station.event", Interval: ingest.Interval{Start: start, End: start.Add(length)}}
}

func nameOf(r ingest.Request) journal.RunName {
	return journal.RunName{Dataset: r.Dataset, ID: r.RunID()}
}

// orderRun records the order of a run in the journal and sends no message.
func orderRun(t *testing.T, table *journal.Table, r ingest.Request) {
	t.Helper()
	if _, err := table.OrderRun(t.Context(), journal.RunOrder{RunName: nameOf(r), Message: r.Encode()}); err != nil {
		t.Fatal(err)
	}
}

func startRun(t *testing.T) (done func() (bool, string)) {
	t.Helper()
	r := nextRequest()
	if _, err := stack.operator.Ingest(t.Context(), r.Dataset, r.Start, r.End); err != nil {
		t.Fatal(err)
	}
	return runDone(t, r)
}

// runDone returns a function that reports whether all parts of the run are loaded.
func runDone(t *testing.T, r ingest.Request) func() (bool, string) {
	t.Helper()
	prefix := "station/event/run=" + r.RunID() + "/"
	return func() (bool, string) {
		parts, complete, err := stack.operator.RunParts(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range parts {
			if entry, err := stack.journal.Get(t.Context(), id); err != nil || entry.State != journal.Loaded {
				return false, fmt.Sprintf("part %s has state %s", id, entry.State)
			}
		}
		return complete && len(parts) > 0, fmt.Sprintf("%s: %d parts, complete %t", prefix, len(parts), complete)
	}
}

// handOver is a run that continues in a new message, because the function's timeout is
// short. The whole timeout is less than the time that the function reserves for its
// end.
var handOver = useCase{"a run continues in a new message and ends", func(t *testing.T) startedUseCase {
	t.Helper()
	const tooShort = 30
	since := time.Now()
	restore := setTimeout(t, "Ingest", tooShort)
	return startedUseCase{
		done: startRun(t),
		repair: func() {
			eventually(t, "the run continues in a new message", func() (bool, string) {
				lines := logOf(t, "Ingest", since)
				for _, line := range lines {
					if line.Message == "run continues in a new message" {
						return true, ""
					}
				}
				return false, fmt.Sprint(lines)
			})
			restore()
		},
	}
}}

// unreadableMessage is a message that no stage can decode, on the queue of a stage.
func unreadableMessage(queue string) useCase {
	return useCase{"an unreadable message on " + queue + " causes a mail", func(t *testing.T) startedUseCase {
		t.Helper()
		text := "unreadable-" + rand.Text()
		sendTo(t, queue, text)
		return startedUseCase{done: func() (bool, string) { return len(mailsSoon(t, text)) > 0, "no mail" }}
	}}
}

// silentDeadLetter is a dead letter that SQS itself moves after a function's crash.
// Such a dead letter has no attributes. Each call has a dataset of its own, so its mail
// is the first mail about the cause.
var silentDeadLetter = useCase{"a dead letter causes a mail", func(t *testing.T) startedUseCase {
	t.Helper()
	o := object.Object{Bucket: stack.operator.Stack.LandingBucket, Key: keyOf(t, "crashed.csv"), Version: rand.Text()}
	dataset := "crashed." + strings.ToLower(rand.Text())
	sendTo(t, "TransformDeadLetters", work.Work{Stage: work.Transform, Dataset: dataset, Object: o}.Encode())
	return startedUseCase{done: func() (bool, string) { return len(mailsAbout(t, string(o.ID()))) > 0, "no mail" }}
}}

// inState reports whether the journal has the object in a state. The text has the
// current state.
func inState(t *testing.T, o object.Object, want journal.State) (bool, string) {
	t.Helper()
	entry, err := stack.journal.Get(t.Context(), o.ID())
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		t.Fatal(err)
	}
	return entry.State == want, fmt.Sprintf("%s has state %q: %s", o.Key, entry.State, entry.Cause)
}

// sendTo sends a message to a queue. queue is the queue's name in the template.
func sendTo(t *testing.T, queue, body string) {
	t.Helper()
	_, err := stack.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(queueURL(queue)), MessageBody: aws.String(body)})
	if err != nil {
		t.Fatal(err)
	}
}
