package route

import (
	"context"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/sqsbatch"
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
	return subjectOf(l.work.Object, l.work.Dataset).name(err)
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

// send sends all letters. It returns a fault for each message, by id, that waits
// for an unsent letter.
func (r *Router) send(ctx context.Context, out *outbox) map[string]error {
	failed := make(map[string]error)
	for queue, letters := range out.byQueue() {
		messages := make([]sqsbatch.Message, len(letters))
		for i, l := range letters {
			messages[i] = sqsbatch.Message{Body: l.body, Delay: l.delay}
		}
		for i, err := range sqsbatch.Send(ctx, r.Sender, queue, messages) {
			l := letters[i]
			if err == nil {
				telemetry.Logger(ctx).InfoContext(ctx, "sent to "+string(l.work.Stage), append(l.names(), telemetry.KeyDelay, l.delay.Seconds())...)
				continue
			}
			for _, owner := range l.owners {
				failed[owner] = mostRetryable(failed[owner], l.fault(unsent(err)))
			}
		}
	}
	return failed
}

// unsent returns the fault of an unsent message. The fault is permanent only for a
// bad message: a key with a character that XML forbids. SenderFault alone isn't
// enough, because SQS sets the flag for missing grants on keys too.
func unsent(err error) error {
	const op = "send work"
	var refused *sqsbatch.Refused
	switch {
	case errors.As(err, &refused) && refused.SenderFault && refused.Code == "InvalidMessageContents":
		return &fault.Fault{Op: op, Code: fault.Unexpected, Disposition: fault.Permanent, Err: err}
	case refused != nil, errors.Is(err, sqsbatch.ErrUnanswered):
		return fault.Dependency(op, fault.QueueAway, err)
	default:
		return fault.AWS(op, fault.QueueAway, err)
	}
}
