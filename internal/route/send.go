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

// outbox collects the work of a batch of messages, so that few requests send the work.
type outbox struct{ letters []*outgoing }

// outgoing is a message for one queue, with its work and the ids of the messages that
// wait for the send.
type outgoing struct {
	queue  string
	delay  time.Duration
	work   work.Work
	body   string
	owners []string
}

// add puts work into the outbox. Equal work for the same queue is sent once for all its
// messages, because S3 may announce an object several times.
func (o *outbox) add(owner, queue string, delay time.Duration, w work.Work) {
	o.put(owner, queue, delay, w, w.Encode())
}

// put adds a message whose body isn't the encoded work.
func (o *outbox) put(owner, queue string, delay time.Duration, w work.Work, body string) {
	for _, l := range o.letters {
		if l.queue == queue && l.body == body {
			l.owners = append(l.owners, owner)
			return
		}
	}
	o.letters = append(o.letters, &outgoing{queue: queue, delay: delay, work: w, body: body, owners: []string{owner}})
}

// hasObject reports whether the letter is about an object. The next page of a sweep has
// no object.
func (l *outgoing) hasObject() bool { return l.work.Object.Key != "" }

// fault adds the letter's object to a fault.
func (l *outgoing) fault(err error) error {
	if !l.hasObject() {
		return err
	}
	return subjectOf(l.work.Object, l.work.Generation, l.work.Dataset).name(err)
}

// names returns the log attributes of the letter's object.
func (l *outgoing) names() []any {
	if !l.hasObject() {
		return nil
	}
	return telemetry.Object(l.work.Object, l.work.Dataset)
}

// byQueue returns the letters by the URL of the queue.
func (o *outbox) byQueue() map[string][]*outgoing {
	queues := make(map[string][]*outgoing)
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
// message that SQS refuses because of its text. No key makes such a message, see
// work.EscapeMessage. SenderFault alone isn't enough, because SQS sets the flag for
// missing grants on keys too.
func unsent(err error) error {
	const op = "send work"
	var refused *sqsbatch.Refused
	switch {
	case errors.As(err, &refused) && refused.SenderFault && refused.Code == "InvalidMessageContents":
		return &fault.Fault{Op: op, Code: fault.Unexpected, Disposition: fault.Permanent, Err: fault.Cleaned(err, "")}
	case refused != nil, errors.Is(err, sqsbatch.ErrUnanswered):
		return fault.Dependency(op, fault.QueueAway, fault.Cleaned(err, ""))
	default:
		return fault.AWS(op, fault.QueueAway, err)
	}
}
