package alert_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// store is the journal of a simulation.
type store interface {
	alert.Journal
	alert.Notices
	alert.OpenNotices
	alert.FailedObjects
	alert.MailCounter
	// move puts an object into a state.
	move(ctx context.Context, id object.ID, to journal.State) error
}

// fakeStore is a store in memory.
type fakeStore struct {
	*fakeJournal
	*fakeNotices
}

func newFakeStore(c *clock) fakeStore {
	s := fakeStore{newJournal(), newNotices(c)}
	s.now = c.read
	return s
}

// simulation is the alert function with its queue and its schedule, and a clock that
// only the test moves. The queue delivers ten messages at once, as SQS does.
type simulation struct {
	t        testing.TB
	clock    *clock
	store    store
	topic    *fakeTopic
	alerter  *alert.Alerter
	digester *alert.Digester
	queue    []*letter
	serial   int
	nextTick time.Time
}

// letter is a dead letter in the queue.
type letter struct {
	batch.Message

	visible time.Time
}

// start is in the middle of an hour, so that an hour's limit doesn't end early.
var start = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func newSimulation(t *testing.T, newStore func(c *clock) store) *simulation {
	t.Helper()
	s := &simulation{t: t, clock: &clock{now: start}, nextTick: start.Add(time.Minute)}
	s.store, s.topic = newStore(s.clock), &fakeTopic{t: t, clock: s.clock}
	mailer := alert.Mailer{
		Topic: s.topic, ARN: topicARN, Site: alert.Site{Environment: "test"}, Counter: s.store, Limit: mailLimit, Now: s.clock.read,
	}
	s.alerter = &alert.Alerter{Journal: s.store, Notices: s.store, Mailer: mailer, FirstDigest: 10 * time.Minute, Now: s.clock.read}
	s.digester = &alert.Digester{Notices: s.store, Objects: s.store, Mailer: mailer, FirstDigest: 10 * time.Minute, Now: s.clock.read}
	return s
}

// inMemory returns a simulation on a store in memory.
func inMemory(t *testing.T) *simulation {
	t.Helper()
	return newSimulation(t, func(c *clock) store { return newFakeStore(c) })
}

// fail fails a new object, and puts its dead letter into the queue.
func (s *simulation) fail(dataset, code string) object.Object {
	s.t.Helper()
	s.serial++
	o := object.Object{Bucket: "firn-landing", Key: fmt.Sprintf("%s/%d.csv", dataset, s.serial), Version: "v", ETag: "e", Size: 70}
	if _, err := s.store.Receive(s.t.Context(), o, dataset); err != nil {
		s.t.Fatal(err)
	}
	s.failAgain(o, dataset, code)
	return o
}

// failWith is fail with a cause.
func (s *simulation) failWith(dataset, code, cause string) {
	s.t.Helper()
	s.fail(dataset, code)
	s.queue[len(s.queue)-1].Attributes["cause"] = cause
}

// failAgain fails a known object.
func (s *simulation) failAgain(o object.Object, dataset, code string) {
	s.t.Helper()
	s.serial++
	m := deadLetter(fmt.Sprint("m", s.serial), o, dataset, code)
	f := fault.Permanentf("test", fault.Code(code), "12 of 100 records break the contract")
	f.ObjectID, f.Dataset = string(o.ID()), dataset
	if _, err := s.store.Fail(s.t.Context(), f, "transform", "queue", m.Body); err != nil {
		s.t.Fatal(err)
	}
	s.put(m)
}

// junk puts a dead letter without an object into the queue.
func (s *simulation) junk() {
	s.serial++
	s.put(batch.Message{
		ID: fmt.Sprint("junk", s.serial), Body: fmt.Sprint("junk ", s.serial), Sent: s.clock.read(), Receives: 1, Queue: "dead",
		Attributes: work.DeadLetter{Stage: "route", Code: fault.Undecodable, Cause: "decode event", Queue: "route"}.Encode(),
	})
}

func (s *simulation) put(m batch.Message) {
	s.queue = append(s.queue, &letter{Message: m, visible: s.clock.read()})
}

// visible returns the next messages of the queue, at most ten.
func (s *simulation) visible() []*letter {
	var found []*letter
	for _, l := range s.queue {
		if !l.visible.After(s.clock.read()) && len(found) < 10 {
			found = append(found, l)
		}
	}
	return found
}

func messagesOf(letters []*letter) []batch.Message {
	messages := make([]batch.Message, len(letters))
	for i, l := range letters {
		messages[i] = l.Message
	}
	return messages
}

// handle delivers all visible messages. A failed message comes back after half a
// minute.
func (s *simulation) handle() {
	s.t.Helper()
	for letters := s.visible(); len(letters) > 0; letters = s.visible() {
		failed := s.alerter.Handle(s.t.Context(), messagesOf(letters))
		for _, l := range letters {
			if failed[l.ID] != nil {
				l.visible = s.clock.read().Add(30 * time.Second)
			} else {
				s.queue = slices.DeleteFunc(s.queue, func(other *letter) bool { return other == l })
			}
		}
	}
}

// run moves the clock in steps of ten seconds, or of a minute if the queue is empty.
// Each step delivers messages, and each minute has a tick.
func (s *simulation) run(d time.Duration) {
	s.t.Helper()
	for end := s.clock.read().Add(d); s.clock.read().Before(end); {
		s.handle()
		step := 10 * time.Second
		if len(s.queue) == 0 {
			step = s.nextTick.Sub(s.clock.read())
		}
		s.clock.advance(min(step, end.Sub(s.clock.read())))
		if !s.clock.read().Before(s.nextTick) {
			s.nextTick = s.nextTick.Add(time.Minute)
			s.tick()
		}
	}
	s.handle()
}

// tick checks the notices. A failed tick comes back later, like any message.
func (s *simulation) tick() map[string]error {
	return alert.Tick(s.digester.Check)(s.t.Context(), oneTick)
}

// sentMail is a mail with the values of its subject.
type sentMail struct {
	at            time.Time
	dataset, code string
	count         int
	recovered     bool
	body          string
}

func (s *simulation) mails() []sentMail {
	s.t.Helper()
	var mails []sentMail
	for i, m := range s.topic.mails {
		sent := sentMail{at: s.topic.times[i], body: aws.ToString(m.Message)}
		subject := aws.ToString(m.Subject)
		if found := failureSubject.FindStringSubmatch(subject); found != nil {
			sent.dataset, sent.code = found[1], found[3]
			sent.count, _ = strconv.Atoi(found[2])
		} else if found := recoverySubject.FindStringSubmatch(subject); found != nil {
			sent.dataset, sent.code, sent.recovered = found[1], found[2], true
		} else {
			s.t.Errorf("subject %q", subject)
		}
		mails = append(mails, sent)
	}
	return mails
}

// about returns the mails about a code.
func (s *simulation) about(code string) []sentMail {
	s.t.Helper()
	return slices.DeleteFunc(s.mails(), func(m sentMail) bool { return m.code != code })
}

// counts returns the numbers of failures in the mails; 0 for a recovery.
func counts(mails []sentMail) []int {
	numbers := make([]int, len(mails))
	for i, m := range mails {
		numbers[i] = m.count
	}
	return numbers
}

func sum(mails []sentMail) int {
	total := 0
	for _, m := range mails {
		total += m.count
	}
	return total
}

func (s *simulation) wantNothingQueued() {
	s.t.Helper()
	if len(s.queue) != 0 {
		s.t.Errorf("%d messages are left in the queue", len(s.queue))
	}
}

func (s *simulation) move(o object.Object, to journal.State) {
	s.t.Helper()
	if err := s.store.move(s.t.Context(), o.ID(), to); err != nil {
		s.t.Fatal(err)
	}
}
