//go:build endtoend

package path_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// useCase is something that a user sees firn do.
type useCase struct {
	name string
	// start begins it.
	start func(*testing.T) startedUseCase
}

type startedUseCase struct {
	// done reports whether it is done, and how it stands.
	done func() (bool, string)
	// repair is done once nothing stands in the way any more, before done
	// is waited for. Nil where firn tries again by itself.
	repair func()
}

// customerFile is a file that becomes rows.
var customerFile = useCase{"a file is loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "customers.csv"), customers("grants", 2))
	return startedUseCase{done: func() (bool, string) { return inState(t, o, journal.Loaded) }}
}}

// refusedFile is a file that the contract refuses, and that is mailed.
var refusedFile = useCase{"a broken file is mailed", func(t *testing.T) startedUseCase {
	t.Helper()
	o := put(t, keyOf(t, "broken.csv"), []byte("code,name\nAA,fine\n\"BB,never closed\n"))
	return startedUseCase{done: func() (bool, string) {
		failed, last := inState(t, o, journal.Failed)
		return failed && len(mailsAbout(t, string(o.ID()))) > 0, last
	}}
}}

// deletedObject is an object that is deleted before anybody reads it.
var deletedObject = useCase{"an object that isn't there is reported", func(t *testing.T) startedUseCase {
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

// repeatedWork is work on an object that was transformed before.
var repeatedWork = useCase{"repeated work is told from new work", func(t *testing.T) startedUseCase {
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
		return false, "no line says so"
	}}
}}

// newVersionWithoutSequencer is a second version of a key where only the
// bucket knows which is newer.
var newVersionWithoutSequencer = useCase{"a version that no sequencer orders replaces its elder", func(t *testing.T) startedUseCase {
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
		superseded, of := inState(t, older, journal.Superseded)
		return loaded && superseded, last + ", the older one " + of
	}}
}}

// lostLoadMessage is an object whose message to the load queue is lost: it is
// loaded beside the next one of its dataset.
var lostLoadMessage = useCase{"an object without a message is loaded beside the next", func(t *testing.T) startedUseCase {
	t.Helper()
	since := time.Now()
	giveBack := removeGrants(t, removedGrant{"Route", "Send", "sqs:SendMessage", "LoadQueue"})
	lost := put(t, keyOf(t, "lost.csv"), customers("lost", 2))
	eventually(t, "its load can't be asked for", func() (bool, string) {
		for _, line := range logOf(t, "Route", since) {
			if line.Message == messageFailed && line.Object == string(lost.ID()) {
				return true, ""
			}
		}
		return false, "no line says so"
	})
	awaitState(t, lost, journal.Transformed)
	if _, err := stack.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String(queueURL("ReceiptsQueue"))}); err != nil {
		t.Fatal(err)
	}
	giveBack()
	next := func(name string) {
		checkState(t, awaitStopped(t, put(t, keyOf(t, name), customers("next", 2)))[0], journal.Loaded)
	}
	next("next.csv")
	return startedUseCase{
		done:   func() (bool, string) { return inState(t, lost, journal.Loaded) },
		repair: func() { next("after.csv") },
	}
}}

// ingestRun fetches half an hour of events, another one each time.
var ingestRun = useCase{"records of an API are loaded", func(t *testing.T) startedUseCase {
	t.Helper()
	return startedUseCase{done: beginRun(t)}
}}

var runs int

func beginRun(t *testing.T) (done func() (bool, string)) {
	t.Helper()
	const dataset, length = "station.event", 30 * time.Minute
	start := time.Date(2018, 2, 3, 0, 0, 0, 0, time.UTC).Add(time.Duration(runs) * length)
	runs++
	if err := stack.operator.Ingest(t.Context(), dataset, start, start.Add(length)); err != nil {
		t.Fatal(err)
	}
	const stamp = "20060102T150405Z"
	prefix := "station/event/run=" + start.Format(stamp) + "-" + start.Add(length).Format(stamp) + "/"
	return func() (bool, string) {
		parts, complete, err := stack.operator.Run(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range parts {
			if entry, err := stack.journal.Get(t.Context(), id); err != nil || entry.State != journal.Loaded {
				return false, fmt.Sprintf("part %s is %s", id, entry.State)
			}
		}
		return complete && len(parts) > 0, fmt.Sprintf("%s: %d parts, complete %t", prefix, len(parts), complete)
	}
}

// handOver is a run that hasn't the time to end, and hands on to the next
// invocation: the function may run for no longer than it keeps for giving up
// in order.
var handOver = useCase{"a run is handed on and ends", func(t *testing.T) startedUseCase {
	t.Helper()
	const tooShort = 30
	since := time.Now()
	enough := setTimeout(t, "Ingest", tooShort)
	return startedUseCase{
		done: beginRun(t),
		repair: func() {
			eventually(t, "the run is handed on", func() (bool, string) {
				lines := logOf(t, "Ingest", since)
				for _, line := range lines {
					if line.Message == "run handed on" {
						return true, ""
					}
				}
				return false, fmt.Sprint(lines)
			})
			enough()
		},
	}
}}

// unreadableMessage is a message that nobody can read, on a stage's queue.
func unreadableMessage(queue string) useCase {
	return useCase{"an unreadable message on " + queue + " is mailed", func(t *testing.T) startedUseCase {
		t.Helper()
		word := "poison-" + rand.Text()
		sendTo(t, queue, word)
		return startedUseCase{done: func() (bool, string) { return len(mailsAbout(t, word)) > 0, "no mail" }}
	}}
}

// silentDeadLetter is what SQS moves by itself after a function died: nothing
// but the message.
var silentDeadLetter = useCase{"a dead letter is mailed", func(t *testing.T) startedUseCase {
	t.Helper()
	o := object.Object{Bucket: stack.operator.Stack.LandingBucket, Key: keyOf(t, "crashed.csv"), Version: rand.Text()}
	sendTo(t, "TransformDeadLetters", work.Work{Stage: work.Transform, Dataset: "shop.customer", Object: o}.Encode())
	return startedUseCase{done: func() (bool, string) { return len(mailsAbout(t, string(o.ID()))) > 0, "no mail" }}
}}

// inState reports whether the journal has the object in a state, and where it
// has it.
func inState(t *testing.T, o object.Object, want journal.State) (bool, string) {
	t.Helper()
	entry, err := stack.journal.Get(t.Context(), o.ID())
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		t.Fatal(err)
	}
	return entry.State == want, fmt.Sprintf("%s is %q: %s", o.Key, entry.State, entry.Cause)
}

// sendTo puts a message in a queue, by the template's name for it.
func sendTo(t *testing.T, queue, body string) {
	t.Helper()
	_, err := stack.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(queueURL(queue)), MessageBody: aws.String(body)})
	if err != nil {
		t.Fatal(err)
	}
}
