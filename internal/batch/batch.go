// Package batch turns what a stage says of its messages into what SQS must
// hear: acknowledged, brought back later, or dead. It is the only place that
// writes batch responses.
package batch

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// Message is one SQS message.
type Message struct {
	// ID is SQS's message id; it is new whenever a message is sent again.
	ID string
	// Body is the text as it was sent.
	Body string
	// ReceiptHandle is the handle of this receive.
	ReceiptHandle string
	// Queue is the name of the queue that it came from.
	Queue string
	// Receives counts the receives so far, from 1.
	Receives int
	// Attributes are the message attributes of type String.
	Attributes map[string]string
	// Sent is when the message was sent first.
	Sent time.Time
}

// Handler handles a whole batch and returns an error for each message that
// isn't done, by Message.ID.
type Handler func(ctx context.Context, messages []Message) map[string]error

// maxInvocationTime is the longest that Lambda allows
// (lambda/latest/dg, gettingstarted-limits).
const maxInvocationTime = 15 * time.Minute

// InvocationEnd is when the invocation ends: by the context's deadline, else after the
// longest that there is. A claim that lasts so long ends by itself if the
// function is killed, and another message may take over.
func InvocationEnd(ctx context.Context, now time.Time) time.Time {
	if deadline, ok := ctx.Deadline(); ok {
		return deadline
	}
	return now.Add(maxInvocationTime)
}

// ByQueue handles each message as its queue, by name, says: Lambda batches
// messages of one queue, but a function may have several.
type ByQueue map[string]Handler

// Handle implements Handler. A message of a queue without a handler fails.
func (b ByQueue) Handle(ctx context.Context, messages []Message) map[string]error {
	failed := make(map[string]error)
	parts := make(map[string][]Message)
	for _, m := range messages {
		parts[m.Queue] = append(parts[m.Queue], m)
	}
	for queue, part := range parts {
		handle, known := b[queue]
		if !known {
			handle = Each(func(context.Context, Message) error {
				return fault.Permanentf("handle message", fault.Undecodable, "nobody handles the queue %s", queue)
			})
		}
		maps.Copy(failed, handle(ctx, part))
	}
	return failed
}

// Each makes a Handler of a function that handles one message: one message's
// error or panic never touches another.
func Each(one func(ctx context.Context, m Message) error) Handler {
	return func(ctx context.Context, messages []Message) map[string]error {
		failed := make(map[string]error)
		for _, m := range messages {
			if err := recoverPanic(func() error { return one(ctx, m) }); err != nil {
				failed[m.ID] = err
			}
		}
		return failed
	}
}

func recoverPanic(handle func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Retryable("handle message", fault.Crashed, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	return handle()
}
