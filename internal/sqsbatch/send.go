// Package sqsbatch sends messages to SQS in batches. The package is separate from
// internal/batch because the command `firn` sends messages too: the command needs
// neither the consumer of internal/batch nor Lambda's event types.
package sqsbatch

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Client is the part of the SQS client that Send needs.
type Client interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
}

// Message is a message to send.
type Message struct {
	Body string
	// Delay is the time until SQS delivers the message: at most 15 minutes, in
	// whole seconds (SQS API reference, SendMessageBatchRequestEntry).
	Delay time.Duration
}

// Refused is the error of a message that SQS didn't take, although SQS answered the
// request.
type Refused struct {
	// Code and Text come from SQS.
	Code, Text string
	// SenderFault is SQS's opinion on the sender: true for a bad message, and also for
	// some missing grants.
	SenderFault bool
}

func (r *Refused) Error() string { return r.Code + ": " + r.Text }

// ErrUnanswered is the error of a message without an answer in SQS's response.
var ErrUnanswered = errors.New("the response of SQS has no result for the message")

// MostEntries is SQS's limit of messages in one request.
const MostEntries = 10

// Send sends the messages to the queue, in order and ten in a request. The result
// has the error of each message at the message's place, and nil for a sent message.
// The error is a *Refused, ErrUnanswered or the error of the whole request. A
// failed request doesn't stop the next one.
func Send(ctx context.Context, client Client, queueURL string, messages []Message) []error {
	failed := make([]error, 0, len(messages))
	for chunk := range slices.Chunk(messages, MostEntries) {
		failed = append(failed, send(ctx, client, queueURL, chunk)...)
	}
	return failed
}

// send sends one request. An entry's id is the message's place.
func send(ctx context.Context, client Client, queueURL string, messages []Message) []error {
	entries := make([]types.SendMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(m.Body), DelaySeconds: int32(m.Delay.Seconds()),
		}
	}
	output, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String(queueURL), Entries: entries})
	if err != nil {
		return slices.Repeat([]error{err}, len(messages))
	}
	failed := slices.Repeat([]error{ErrUnanswered}, len(messages))
	for _, sent := range output.Successful {
		if i := place(sent.Id, len(messages)); i >= 0 {
			failed[i] = nil
		}
	}
	for _, refused := range output.Failed {
		if i := place(refused.Id, len(messages)); i >= 0 {
			failed[i] = &Refused{Code: aws.ToString(refused.Code), Text: aws.ToString(refused.Message), SenderFault: refused.SenderFault}
		}
	}
	return failed
}

// place returns the place of the message with an entry's id, or -1 for a strange id.
func place(id *string, messages int) int {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= messages {
		return -1
	}
	return i
}
