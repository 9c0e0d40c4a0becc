package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/sqsbatch"
	"github.com/firn-data/firn/internal/work"
)

// send sends one message without an object.
func (o *Operator) send(ctx context.Context, stage, body string) error {
	_, err := o.Queues.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(o.Stack.Queues[stage]), MessageBody: aws.String(body),
	})
	if err != nil {
		return fmt.Errorf("send to the %s queue: %w", stage, err)
	}
	return nil
}

// message is the message of an object that the journal has moved. The zero value is no
// message.
type message struct {
	id    object.ID
	stage work.Stage
	body  string
	// mark is the mark of the unsent message in the journal.
	mark string
}

// sendAll sends messages in batches, and then removes the marks of the sent messages in
// the journal. The result has the error of each message at the message's place, and nil
// for a sent message and for no message.
//
// The error stop means that a queue or the journal doesn't answer: the caller sends no
// further message. SQS can also refuse single messages, and then stop is nil.
func (o *Operator) sendAll(ctx context.Context, messages []message) (unsent []error, stop error) {
	unsent = make([]error, len(messages))
	byStage := make(map[work.Stage][]int)
	for i, m := range messages {
		if m.body != "" {
			byStage[m.stage] = append(byStage[m.stage], i)
		}
	}
	for stage, places := range byStage {
		bodies := make([]sqsbatch.Message, len(places))
		for i, place := range places {
			bodies[i].Body = messages[place].body
		}
		for i, err := range sqsbatch.Send(ctx, o.Queues, o.Stack.Queues[string(stage)], bodies) {
			if err == nil {
				continue
			}
			err = fmt.Errorf("send to the %s queue: %w", stage, err)
			unsent[places[i]] = err
			if !isRefused(err) {
				stop = err
			}
		}
	}
	return unsent, errors.Join(stop, o.markSent(ctx, messages, unsent))
}

// isRefused reports whether SQS answered the request, but didn't take the message.
func isRefused(err error) bool {
	var refused *sqsbatch.Refused
	return errors.As(err, &refused) || errors.Is(err, sqsbatch.ErrUnanswered)
}

// markSent removes the marks of the sent messages.
func (o *Operator) markSent(ctx context.Context, messages []message, unsent []error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, m := range messages {
		if m.body != "" && unsent[i] == nil {
			group.Go(func() error { return o.Journal.Sent(ctx, m.id, m.mark) })
		}
	}
	return group.Wait()
}

// refusals counts the messages that SQS didn't take.
type refusals struct {
	count int
	first error
}

func (r *refusals) add(unsent []error) {
	for _, err := range unsent {
		if err == nil {
			continue
		}
		if r.count++; r.first == nil {
			r.first = err
		}
	}
}

// err returns the error of the refused messages; nil without any.
func (r *refusals) err() error {
	if r.count == 0 {
		return nil
	}
	return fmt.Errorf("SQS refused %d messages, the first: %w", r.count, r.first)
}
