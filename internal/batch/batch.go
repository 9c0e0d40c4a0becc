// Package batch connects the stages with SQS. A [Handler] processes a batch of messages
// and returns an error for each failed message. A [Consumer] settles each message: the
// message is done, comes back later, or goes to the dead-letter queue. No other package
// writes the batch responses of Lambda.
package batch

import (
	"context"
	"maps"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// Message is one SQS message.
type Message struct {
	// ID is SQS's message id. A redelivery keeps the id, and each send makes a new id.
	ID string
	// Body is the text of the message.
	Body string
	// ReceiptHandle is the handle of this receive.
	ReceiptHandle string
	// Queue is the name of the message's queue.
	Queue string
	// Receives counts the receives so far, from 1.
	Receives int
	// Attributes are the message attributes of type String.
	Attributes map[string]string
	// Sent is the time of the send.
	Sent time.Time
}

// Handler handles a whole batch. The result has an error for each failed message, by
// Message.ID.
type Handler func(ctx context.Context, messages []Message) map[string]error

// maxInvocationTime is the longest invocation that Lambda allows (lambda/latest/dg,
// gettingstarted-limits).
const maxInvocationTime = 15 * time.Minute

// InvocationEnd returns the end of the invocation: the context's deadline, or the
// longest possible end without a deadline. A claim until this time ends after the kill
// of a function, so another message may take over.
func InvocationEnd(ctx context.Context, now time.Time) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return now.Add(maxInvocationTime)
}

// ByQueue has the handler of each queue, by the name of the queue. Each batch comes
// from one queue, but a function may read several queues.
type ByQueue map[string]Handler

// Handle implements Handler. A message of a queue without a handler fails.
func (b ByQueue) Handle(ctx context.Context, messages []Message) map[string]error {
	failed := make(map[string]error)
	parts := make(map[string][]Message)
	for _, m := range messages {
		parts[m.Queue] = append(parts[m.Queue], m)
	}
	for queue, part := range parts {
		handler, known := b[queue]
		if !known {
			handler = Each(func(context.Context, Message) error {
				return fault.Permanentf("handle message", fault.Undecodable, "no handler for the queue %s", queue)
			})
		}
		maps.Copy(failed, handler(ctx, part))
	}
	return failed
}

// Each makes a Handler from a function for one message. An error or a panic of one
// message has no effect on the other messages.
func Each(handle func(ctx context.Context, m Message) error) Handler {
	return func(ctx context.Context, messages []Message) map[string]error {
		failed := make(map[string]error)
		for _, m := range messages {
			if err := recoverPanic(func() error { return handle(ctx, m) }); err != nil {
				failed[m.ID] = err
			}
		}
		return failed
	}
}

func recoverPanic(handle func() error) (err error) {
	defer fault.Recover("handle message", &err)
	return handle()
}
