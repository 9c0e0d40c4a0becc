//go:build standin

package main_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

const (
	// mostDeliveries is the number of deliveries of a kept message in a drain. The number is
	// higher than the attempts of a stage.
	mostDeliveries = 4
	// hiddenLimit is the longest wait for a hidden message. The number is three times the
	// visibility timeout of a receive.
	hiddenLimit = 90 * time.Second
	// longestPoll is the longest wait of a receive that SQS allows.
	longestPoll = 20 * time.Second
)

// deliveries has the messages that the functions kept during a drain.
type deliveries struct {
	// kept counts the deliveries by the id of the message.
	kept map[string]int
	// waiting has the receipt handles of the messages with mostDeliveries, by the URL of the
	// queue. The drain doesn't deliver these messages again.
	waiting map[string][]string
}

// drain passes the messages of all queues to the functions until the queues are empty,
// except messages that a function kept at each of mostDeliveries. The next drain passes
// these messages again.
//
// A receive without a message is no end of the drain: after a lost answer of an earlier
// receive, the messages of the answer are hidden. The drain waits for hidden messages. All
// events of S3 are in the queues before a round, because the test plays S3.
func (p *path) drain(t *testing.T) {
	t.Helper()
	const mostRounds = 300
	d := deliveries{kept: make(map[string]int), waiting: make(map[string][]string)}
	defer p.release(t, d)
	moved := time.Now()
	for range mostRounds {
		p.announce(t)
		before := moved
		for url, handle := range p.functions {
			if p.pass(t, url, handle, d, 0) {
				moved = time.Now()
			}
		}
		if moved != before {
			continue
		}
		url, left := p.notEmpty(t, d)
		if left == 0 {
			return
		}
		if time.Since(moved) > hiddenLimit {
			t.Fatalf("%d messages of %s stay hidden for %s", left, url, hiddenLimit)
		}
		if p.pass(t, url, p.functions[url], d, longestPoll) {
			moved = time.Now()
		}
	}
	t.Fatalf("the queues aren't empty after %d rounds", mostRounds)
}

// TestDrainWaitsForHiddenMessage: the answer of a receive is lost, so its message is hidden
// at the beginning of the drain.
func TestDrainWaitsForHiddenMessage(t *testing.T) {
	t.Parallel()
	p := newPath(t, "FIRN_HIDDEN_MESSAGE")
	o := p.upload(t, p.keyIn(t, p.plain(t), "hidden.csv"), goodFile)
	p.announce(t)
	lost, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(p.queues["route"]), VisibilityTimeout: 2})
	if err != nil || len(lost.Messages) != 1 {
		t.Fatalf("received %d messages, %v", len(lost.Messages), err)
	}
	p.drain(t)
	p.checkState(t, o, journal.Loaded)
}

// notEmpty returns a queue of the functions with further messages than the waiting ones,
// and the number of the further messages; 0 for none.
func (p *path) notEmpty(t *testing.T, d deliveries) (url string, left int) {
	t.Helper()
	for url := range p.functions {
		if left := p.countAt(t, url) - len(d.waiting[url]); left != 0 {
			return url, left
		}
	}
	return "", 0
}

// pass passes one batch of a queue to its function, and reports whether the batch had a
// message. A kept message comes back at once.
func (p *path) pass(t *testing.T, url string, handle function.Handler, d deliveries, wait time.Duration) bool {
	t.Helper()
	received := p.receive(t, url, wait)
	if len(received) == 0 {
		return false
	}
	var batch events.SQSEvent
	for _, m := range received {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body), Attributes: m.Attributes,
			EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:" + url[strings.LastIndexByte(url, '/')+1:],
		})
	}
	response, err := handle(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	again := make(map[string]bool)
	for _, failure := range response.BatchItemFailures {
		again[failure.ItemIdentifier] = true
	}
	for _, record := range batch.Records {
		if !again[record.MessageId] {
			p.settle(t, url, record.ReceiptHandle)
			continue
		}
		if d.kept[record.MessageId]++; d.kept[record.MessageId] < mostDeliveries {
			p.hide(t, url, record.ReceiptHandle, 0)
			continue
		}
		d.waiting[url] = append(d.waiting[url], record.ReceiptHandle)
		p.hide(t, url, record.ReceiptHandle, time.Hour)
	}
	return true
}

// receive receives messages of a queue, and waits for a visible message.
func (p *path) receive(t *testing.T, url string, wait time.Duration) []sqstypes.Message {
	t.Helper()
	output, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(url), MaxNumberOfMessages: 10, VisibilityTimeout: int32((hiddenLimit / 3).Seconds()), WaitTimeSeconds: int32(wait.Seconds()),
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return output.Messages
}

// settle deletes a received message. The stand-in refuses the handle of a deleted message,
// but the client repeats a request after a lost answer.
func (p *path) settle(t *testing.T, url, handle string) {
	t.Helper()
	if _, err := p.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{
		QueueUrl: aws.String(url), ReceiptHandle: aws.String(handle),
	}); err != nil && !fault.IsAWS(err, "ReceiptHandleIsInvalid") {
		t.Fatal(err)
	}
}

// release makes the waiting messages of a drain visible for the next drain.
func (p *path) release(t *testing.T, d deliveries) {
	t.Helper()
	for url, handles := range d.waiting {
		for _, handle := range handles {
			p.hide(t, url, handle, 0)
		}
	}
}

// hide sets the time until a received message is visible again.
func (p *path) hide(t *testing.T, url, handle string, until time.Duration) {
	t.Helper()
	if _, err := p.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: aws.String(url), ReceiptHandle: aws.String(handle), VisibilityTimeout: int32(until.Seconds()),
	}); err != nil {
		t.Fatal(err)
	}
}

// purge deletes the messages of a queue, also the hidden ones.
func (p *path) purge(t *testing.T, queue string) {
	t.Helper()
	if _, err := p.sqs.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: aws.String(p.queues[queue])}); err != nil {
		t.Fatal(err)
	}
}

// take receives and deletes the messages of a queue. The client repeats a send after a lost
// answer, so the result has only the first message of each body.
func (p *path) take(t *testing.T, queue string) []sqstypes.Message {
	t.Helper()
	var taken []sqstypes.Message
	url, received := p.queues[queue], time.Now()
	for p.countAt(t, url) > 0 {
		messages := p.receive(t, url, longestPoll)
		if len(messages) > 0 {
			received = time.Now()
		} else if time.Since(received) > hiddenLimit {
			t.Fatalf("a message of %s stays hidden for %s", url, hiddenLimit)
		}
		for _, m := range messages {
			if !slices.ContainsFunc(taken, func(other sqstypes.Message) bool { return *other.Body == *m.Body }) {
				taken = append(taken, m)
			}
			p.settle(t, url, aws.ToString(m.ReceiptHandle))
		}
	}
	return taken
}

// count returns the number of messages of a queue.
func (p *path) count(t *testing.T, queue string) int {
	t.Helper()
	return p.countAt(t, p.queues[queue])
}

// countAt returns the number of messages of the queue at a URL, with the hidden and the
// delayed ones.
func (p *path) countAt(t *testing.T, url string) int {
	t.Helper()
	names := []sqstypes.QueueAttributeName{
		sqstypes.QueueAttributeNameApproximateNumberOfMessages, sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	output, err := p.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(url), AttributeNames: names})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, name := range names {
		n, err := strconv.Atoi(output.Attributes[string(name)])
		if err != nil {
			t.Fatalf("%s of %s: %v", name, url, err)
		}
		sum += n
	}
	return sum
}

// send sends a message to a queue.
func (p *path) send(t *testing.T, queue, body string) {
	t.Helper()
	if _, err := p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(p.queues[queue]), MessageBody: aws.String(body)}); err != nil {
		t.Fatal(err)
	}
}
