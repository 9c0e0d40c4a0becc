package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// outbox collects the work that a batch of messages leads to, so that it is
// sent in few requests.
type outbox struct{ letters []*letter }

// letter is a message for one queue, the work that it is about, and the messages
// that wait until it is sent.
type letter struct {
	queue  string
	delay  time.Duration
	work   work.Work
	body   string
	owners []string
}

// add puts work into the outbox. Equal work for the same queue goes out once
// for all messages that ask for it: S3 may announce an object several times.
func (o *outbox) add(owner, queue string, delay time.Duration, w work.Work) {
	o.put(owner, queue, delay, w, w.Encode())
}

// put is add for a message that says in other words what the work is about.
func (o *outbox) put(owner, queue string, delay time.Duration, w work.Work, body string) {
	for _, l := range o.letters {
		if l.queue == queue && l.body == body {
			l.owners = append(l.owners, owner)
			return
		}
	}
	o.letters = append(o.letters, &letter{queue: queue, delay: delay, work: w, body: body, owners: []string{owner}})
}

// hasObject reports whether the letter is about an object; the rest of a sweep isn't.
func (l *letter) hasObject() bool { return l.work.Object.Key != "" }

// fault names the letter's object on a fault.
func (l *letter) fault(err error) error {
	if !l.hasObject() {
		return err
	}
	return onObject(err, l.work.Object, l.work.Dataset)
}

// names are the attributes that name the letter's object in a log.
func (l *letter) names() []any {
	if !l.hasObject() {
		return nil
	}
	return telemetry.Object(l.work.Object, l.work.Dataset)
}

// byQueue returns the letters of each queue.
func (o *outbox) byQueue() map[string][]*letter {
	queues := make(map[string][]*letter)
	for _, l := range o.letters {
		queues[l.queue] = append(queues[l.queue], l)
	}
	return queues
}

// mostEntries is SQS's limit of messages in one SendMessageBatch.
const mostEntries = 10

// send sends all letters and returns a fault for each message, by id, that
// waits for one that wasn't sent.
func (r *Router) send(ctx context.Context, out *outbox) map[string]error {
	failed := make(map[string]error)
	for queue, letters := range out.byQueue() {
		for some := range slices.Chunk(letters, mostEntries) {
			for i, err := range r.sendBatch(ctx, queue, some) {
				l := some[i]
				for _, owner := range l.owners {
					failed[owner] = mostPatient(failed[owner], l.fault(err))
				}
			}
		}
	}
	return failed
}

// sendBatch returns a fault for each letter, by its place, that SQS didn't
// take.
func (r *Router) sendBatch(ctx context.Context, queue string, letters []*letter) map[int]error {
	entries := make([]types.SendMessageBatchRequestEntry, len(letters))
	failed := make(map[int]error)
	for i, l := range letters {
		entries[i] = types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(l.body), DelaySeconds: int32(l.delay.Seconds()),
		}
		failed[i] = fault.Dependency("send work", fault.QueueAway, errors.New("SQS's answer doesn't mention it"))
	}
	output, err := r.Sender.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(queue), Entries: entries})
	if err != nil {
		for i := range letters {
			failed[i] = fault.AWS("send work", fault.QueueAway, err)
		}
		return failed
	}
	for _, sent := range output.Successful {
		i := place(sent.Id, letters)
		if i < 0 {
			continue
		}
		delete(failed, i)
		telemetry.Logger(ctx).InfoContext(ctx, "sent to "+string(letters[i].work.Stage),
			append(letters[i].names(), telemetry.KeyDelay, letters[i].delay.Seconds())...)
	}
	for _, refused := range output.Failed {
		if i := place(refused.Id, letters); i >= 0 {
			failed[i] = refusedBySQS(refused)
		}
	}
	return failed
}

// place returns the place of the letter that an answer is about, or -1.
func place(id *string, letters []*letter) int {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= len(letters) {
		return -1
	}
	return i
}

// refusedBySQS is permanent only where the message itself is at fault: a key
// with a character that XML forbids. SenderFault alone doesn't tell, since it
// is set for missing grants on keys too.
func refusedBySQS(entry types.BatchResultErrorEntry) error {
	code := aws.ToString(entry.Code)
	err := fmt.Errorf("%s: %s", code, aws.ToString(entry.Message))
	if entry.SenderFault && code == "InvalidMessageContents" {
		return &fault.Fault{Op: "send work", Code: fault.Unexpected, Disposition: fault.Permanent, Err: err}
	}
	return fault.Dependency("send work", fault.QueueAway, err)
}
