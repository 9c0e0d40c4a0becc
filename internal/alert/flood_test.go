package alert_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

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

var (
	failureSubject  = regexp.MustCompile(`^firn \[test\]: (.+): (\d+) (?:objects?|messages?|delivery|deliveries) (?:failed|held): ([a-z_0-9]+)$`)
	recoverySubject = regexp.MustCompile(`^firn \[test\]: (.+): recovered after .+: ([a-z_0-9]+)$`)
)

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

// checkFloodOfSixCauses fails many objects with one cause and ten objects with each of
// five other causes, within a minute. Each cause has a first mail within a minute, and
// one digest. The mails count each failure once.
func checkFloodOfSixCauses(t *testing.T, s *simulation, many int, after time.Duration) {
	t.Helper()
	codes := []string{"bad_quoting", "bad_encoding", "too_many_rejects", "copy_refused", "no_good_row"}
	first := make(map[string]time.Time)
	fail := func(code string) {
		s.fail("shop.order", code)
		if first[code].IsZero() {
			first[code] = s.clock.read()
		}
	}
	for step := range 6 {
		for range many / 6 {
			fail("bad_header")
		}
		if step == 0 {
			for range many % 6 {
				fail("bad_header")
			}
		}
		for i, code := range codes {
			for k := range 10 {
				if (i+k)%6 == step {
					fail(code)
				}
			}
		}
		s.run(10 * time.Second)
	}
	s.run(after)
	mails := s.mails()
	if len(mails) > 12 {
		t.Errorf("%d mails, want at most 12", len(mails))
	}
	for _, code := range append(codes, "bad_header") {
		want := 10
		if code == "bad_header" {
			want = many
		}
		about := s.about(code)
		if got := sum(about); got != want {
			t.Errorf("%s: the mails count %v failures, want the sum %d", code, counts(about), want)
		}
		if late := about[0].at.Sub(first[code]); late > time.Minute {
			t.Errorf("%s: the first mail came after %s", code, late)
		}
	}
	s.wantNothingQueued()
}

func TestFloodOfSixCausesSendsTwelveMails(t *testing.T) {
	t.Parallel()
	checkFloodOfSixCauses(t, inMemory(t), 2000, 4*time.Hour)
}

// TestFloodOfOneCauseSendsThreeMailsInTenMinutes fails 5,000 objects in ten minutes.
func TestFloodOfOneCauseSendsThreeMailsInTenMinutes(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 60 {
		for range 83 {
			s.fail("shop.order", "bad_header")
		}
		s.run(10 * time.Second)
	}
	for range 20 {
		s.fail("shop.order", "bad_header")
	}
	if early := len(s.mails()); early == 0 || early > 3 {
		t.Errorf("%d mails in ten minutes, want 1 to 3", early)
	}
	s.run(4 * time.Hour)
	if mails := s.mails(); sum(mails) != 5000 || len(mails) > 4 {
		t.Errorf("the mails count %v failures, want the sum 5000", counts(mails))
	}
}

// TestDigestIntervalDoubles fails an object each minute for two days.
func TestDigestIntervalDoubles(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 2 * 24 * 60 {
		s.fail("shop.order", "bad_header")
		s.run(time.Minute)
	}
	mails := s.mails()
	for i := 1; i < len(mails); i++ {
		want := min(10*time.Minute<<(i-1), 24*time.Hour)
		if got := mails[i].at.Sub(mails[i-1].at).Round(10 * time.Minute); got != want {
			t.Errorf("mail %d follows after %s, want %s", i+1, got, want)
		}
	}
	if len(mails) != 9 {
		t.Errorf("%d mails in two days, want 9", len(mails))
	}
}

func TestJunkMessagesSendTwoMails(t *testing.T) {
	t.Parallel()
	checkJunk(t, inMemory(t))
}

func checkJunk(t *testing.T, s *simulation) {
	t.Helper()
	for range 119 {
		s.junk()
	}
	s.run(25 * time.Hour)
	mails := s.mails()
	if len(mails) > 2 || sum(mails) != 119 {
		t.Fatalf("the mails count %v messages, want two mails with the sum 119", counts(mails))
	}
	for _, words := range []string{"109 more messages failed: undecodable_message\n", "\n1. message junk11\n", "\nand 107 more: firn status\n", "\n109. message junk119\n"} {
		if !strings.Contains(mails[1].body, words) {
			t.Errorf("the digest lacks %q:\n%s", words, mails[1].body)
		}
	}
	open, err := s.store.OpenNotices(t.Context())
	if err != nil || slices.ContainsFunc(open, func(n journal.Notice) bool { return n.Kind == "message" }) {
		t.Errorf("the notice is open after a day without a message: %v", err)
	}
}

// TestFailedRedriveBringsNoFlood: all objects of a mail's command fail again. The next
// mail is a digest, and no mail reports a recovery.
func TestFailedRedriveBringsNoFlood(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	var objects []object.Object
	for range 2000 {
		objects = append(objects, s.fail("shop.order", "bad_header"))
	}
	s.run(time.Hour)
	if got := counts(s.mails()); !slices.Equal(got, []int{10, 1990}) {
		t.Fatalf("the mails count %v failures", got)
	}
	if body := s.mails()[1].body; !strings.Contains(body, "\nOr type     firn redrive --dataset shop.order --code bad_header ") {
		t.Fatalf("the digest lacks the command:\n%s", body)
	}
	for _, o := range objects {
		s.move(o, journal.Received)
	}
	s.run(5 * time.Minute)
	for _, o := range objects {
		s.failAgain(o, "shop.order", "bad_header")
	}
	s.run(3 * time.Hour)
	if got := counts(s.mails()); !slices.Equal(got, []int{10, 1990, 2000}) {
		t.Errorf("the mails count %v failures, want one digest with all objects of the redrive", got)
	}
	for _, o := range objects {
		s.move(o, journal.Loaded)
	}
	s.run(time.Hour)
	if mails := s.mails(); len(mails) != 4 || !mails[3].recovered || !strings.Contains(mails[3].body, "4000 failures in 3 mails") {
		t.Errorf("%d mails, want a fourth about the recovery", len(mails))
	}
}

func (s *simulation) move(o object.Object, to journal.State) {
	s.t.Helper()
	if err := s.store.move(s.t.Context(), o.ID(), to); err != nil {
		s.t.Fatal(err)
	}
}

// TestFailureAfterRecoveryIsMailedAtOnce: a recovery starts the intervals anew.
func TestFailureAfterRecoveryIsMailedAtOnce(t *testing.T) {
	t.Parallel()
	checkFailureAfterRecovery(t, inMemory(t))
}

func checkFailureAfterRecovery(t *testing.T, s *simulation) {
	t.Helper()
	var objects []object.Object
	for range 30 {
		objects = append(objects, s.fail("shop.order", "bad_header"))
		s.run(time.Minute)
	}
	s.run(time.Hour)
	if got := sum(s.mails()); got != len(objects) {
		t.Errorf("the mails count %v failures, want the sum %d", counts(s.mails()), len(objects))
	}
	for _, o := range objects {
		s.move(o, journal.Loaded)
	}
	s.run(2 * time.Minute)
	before := s.mails()
	if last := before[len(before)-1]; !last.recovered {
		t.Fatalf("the last mail isn't about the recovery:\n%s", last.body)
	}
	s.fail("shop.order", "bad_header")
	s.run(10 * time.Second)
	after := s.mails()
	if len(after) != len(before)+1 || after[len(after)-1].count != 1 {
		t.Errorf("%d mails, want one more than %d", len(after), len(before))
	}
}

// TestFailureAfterQuietDayIsMailedAtOnce: an object stays failed, and a day passes
// without another failure.
func TestFailureAfterQuietDayIsMailedAtOnce(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 25 {
		s.fail("shop.order", "bad_header")
		s.run(time.Minute)
	}
	s.run(25 * time.Hour)
	before := len(s.mails())
	s.fail("shop.order", "bad_header")
	s.run(10 * time.Second)
	s.fail("shop.order", "bad_header")
	s.run(time.Hour)
	got := s.mails()[before:]
	if !slices.Equal(counts(got), []int{1, 1}) || got[1].at.Sub(got[0].at).Round(time.Minute) != 10*time.Minute {
		t.Errorf("the mails count %v failures, want one at once and one after ten minutes", counts(got))
	}
}

// TestOneFailureOfQuietDayIsMailedAtOnce: failures after the first one of the day wait
// for a digest, also after the shortest interval.
func TestOneFailureOfQuietDayIsMailedAtOnce(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 2 {
		s.fail("shop.order", "bad_header")
		s.run(25 * time.Hour)
	}
	s.fail("shop.order", "bad_header")
	s.run(50 * time.Minute)
	for range 3 {
		s.fail("shop.order", "bad_header")
		s.handle()
	}
	s.run(time.Hour)
	if got := counts(s.mails()); !slices.Equal(got, []int{1, 1, 1, 3}) {
		t.Errorf("the mails count %v failures, want three at once and a digest of 3", got)
	}
}

// TestMailsWithoutTicksAreNotCountedAgain: the schedule is away for days, so only first
// mails are sent. The next digest counts none of their failures.
func TestMailsWithoutTicksAreNotCountedAgain(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 3 {
		s.fail("shop.order", "bad_header")
		s.handle()
		s.clock.advance(25 * time.Hour)
	}
	s.nextTick = s.clock.read()
	s.run(time.Hour)
	if got := counts(s.mails()); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("the mails count %v failures, want three with one failure each", got)
	}
}

// TestIdleNoticeCostsFewReads: objects stay failed for a day. Ticks don't read all their
// entries again and again.
func TestIdleNoticeCostsFewReads(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 10 {
		s.fail("shop.order", "bad_header")
	}
	s.run(24 * time.Hour)
	if got := s.store.(fakeStore).surveys; got > 1 {
		t.Errorf("%d reads of all failed objects in a day, want at most one", got)
	}
}

// TestRefusingTopicLosesNoFailure: SNS refuses every mail for twenty minutes.
func TestRefusingTopicLosesNoFailure(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	s.topic.refuse = map[string]error{"": &smithy.GenericAPIError{Code: "Throttled"}}
	codes := []string{"bad_header", "bad_quoting", "copy_refused"}
	for range 20 {
		for _, code := range codes {
			for range 5 {
				s.fail("shop.order", code)
			}
		}
		s.junk()
		s.run(time.Minute)
	}
	if len(s.mails()) != 0 {
		t.Fatal("SNS took a mail")
	}
	s.topic.refuse = nil
	back := s.clock.read()
	s.run(2 * time.Hour)
	for _, code := range append(codes, "undecodable_message") {
		about := s.about(code)
		want := 100
		if code == "undecodable_message" {
			want = 20
		}
		if sum(about) != want || about[0].at.Sub(back) > time.Minute || len(about) > 2 {
			t.Errorf("%s: the mails count %v failures, want two mails with the sum %d; the first after %s", code, counts(about), want, about[0].at.Sub(back))
		}
	}
	s.wantNothingQueued()
}

// TestHourlyLimitDelaysMails: forty causes and ten held deliveries in an hour with a
// limit of thirty mails.
func TestHourlyLimitDelaysMails(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for cause := range 40 {
		s.fail("shop.order", fmt.Sprint("code_", cause))
		s.run(10 * time.Second)
	}
	s.fail("shop.order", "code_0") // its digest is due in this hour
	for delivery := range 10 {
		s.put(heldNotice(fmt.Sprint("held", delivery), fmt.Sprint("2026-02-", 10+delivery), 99))
		s.run(10 * time.Second)
	}
	for range 119 {
		s.junk()
	}
	claims := 0
	s.store.(fakeStore).fault = func(operation string) error {
		if operation == "claim" {
			claims++
		}
		return nil
	}
	s.run(2 * time.Hour)
	if most := len(s.mails()) + 5; claims > most {
		t.Errorf("%d claims of mails, want at most %d: a delayed mail waits for the next hour", claims, most)
	}
	mails := slices.DeleteFunc(s.mails(), func(m sentMail) bool { return !m.at.Before(start.Add(time.Hour)) })
	if len(mails) != mailLimit {
		t.Fatalf("%d mails in the first hour, want %d", len(mails), mailLimit)
	}
	const note = "The limit of 30 mails in an hour is reached. firn sends further failures after 2026-11-24 11:00:00 UTC, as digests."
	for i, m := range mails {
		if strings.Contains(m.body, note) != (i == mailLimit-1) {
			t.Errorf("mail %d of %d has the paragraph about the limit: %t", i+1, mailLimit, i < mailLimit-1)
		}
	}
	for cause := range 40 {
		want := 1
		if cause == 0 {
			want = 2
		}
		if about := s.about(fmt.Sprint("code_", cause)); sum(about) != want {
			t.Errorf("the mails count %v failures with code_%d, want the sum %d", counts(about), cause, want)
		}
	}
	if held := s.about("delivery_held"); sum(held) != 10 || len(held) != 1 || held[0].at.Before(start.Add(time.Hour)) {
		t.Errorf("the mails count %v held deliveries, want one mail with 10", counts(held))
	}
	if junk := s.about("undecodable_message"); sum(junk) != 119 || len(junk) != 1 {
		t.Errorf("the mails count %v messages, want one mail with 119", counts(junk))
	}
	s.wantNothingQueued()
}

// TestKilledFunctionRepeatsOneMail: the function is killed after a mail and before the
// record of the mail. The fault of the journal takes the place of the kill.
func TestKilledFunctionRepeatsOneMail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// kill is the number of the record at which the function is killed.
		kill int
		want []int
	}{
		{"first mail", 1, []int{10, 25}}, // the messages come back, and a tick sends the second mail
		{"digest", 2, []int{10, 15, 15}},
		{"recovery", 0, []int{10, 15}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := inMemory(t)
			records, closes := 0, 0
			s.store.(fakeStore).fault = func(operation string) error {
				switch {
				case operation == "record":
					if records++; records == test.kill {
						return errAway
					}
				case operation == "close" && test.kill == 0:
					if closes++; closes == 1 {
						return errAway
					}
				}
				return nil
			}
			var objects []object.Object
			for range 25 {
				objects = append(objects, s.fail("shop.order", "bad_header"))
			}
			s.run(time.Hour)
			if got := counts(s.mails()); !slices.Equal(got, test.want) {
				t.Errorf("the mails count %v failures, want %v", got, test.want)
			}
			for _, o := range objects {
				s.move(o, journal.Loaded)
			}
			s.run(time.Hour)
			recoveries := s.mails()[len(test.want):]
			if want := map[bool]int{true: 2, false: 1}[test.kill == 0]; len(recoveries) != want {
				t.Errorf("%d mails about the recovery, want %d", len(recoveries), want)
			}
			s.wantNothingQueued()
		})
	}
}

// TestRepeatedDeliveryCountsOnce delivers each dead letter twice: at once, and again
// after the first mail.
func TestRepeatedDeliveryCountsOnce(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 15 {
		s.fail("shop.order", "bad_header")
		s.junk()
	}
	twice := slices.Clone(s.queue)
	for _, l := range twice {
		s.put(l.Message)
	}
	s.run(2 * time.Minute)
	for _, l := range twice {
		s.put(l.Message)
	}
	s.run(time.Hour)
	for _, code := range []string{"bad_header", "undecodable_message"} {
		if about := s.about(code); sum(about) != 15 || len(about) != 2 {
			t.Errorf("%s: the mails count %v failures, want two mails with the sum 15", code, counts(about))
		}
	}
}

// TestFunctionsAtOnceSendOneMail runs eight functions on the batches of one cause, and
// four ticks, all at the same time.
func TestFunctionsAtOnceSendOneMail(t *testing.T) {
	t.Parallel()
	s := inMemory(t)
	for range 80 {
		s.fail("shop.order", "bad_header")
	}
	var all sync.WaitGroup
	for part := range slices.Chunk(s.queue, 10) {
		all.Go(func() {
			if failed := s.alerter.Handle(t.Context(), messagesOf(part)); len(failed) != 0 {
				t.Error(failed)
			}
		})
	}
	all.Wait()
	ticks := func(want int) {
		t.Helper()
		for range 4 {
			all.Go(func() {
				if failed := s.tick(); len(failed) != 0 {
					t.Error(failed)
				}
			})
		}
		all.Wait()
		if got := len(s.mails()); got != want {
			t.Errorf("%d mails, want %d", got, want)
		}
	}
	ticks(1)
	s.clock.advance(10 * time.Minute)
	ticks(2)
	if got := counts(s.mails()); !slices.Equal(got, []int{10, 70}) {
		t.Errorf("the mails count %v failures", got)
	}
}

// TestEachFailureIsInOneMail runs random failures, redrives, refusals by SNS, repeated
// deliveries and kills. Every failure of an object that stays failed is in exactly one
// mail; after a kill between a mail and its record, in at least one mail. The last mail
// of a cause reports the recovery.
func TestEachFailureIsInOneMail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := inMemory(t)
		codes := []string{"bad_header", "bad_quoting"}
		failed := make(map[string][]object.Object)
		wanted := make(map[string]int)
		kills, killed := 0, false
		s.store.(fakeStore).fault = func(operation string) error {
			if operation == "record" && kills > 0 {
				kills--
				return errAway
			}
			return nil
		}
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			code := rapid.SampledFrom(codes).Draw(rt, "code")
			switch rapid.SampledFrom([]string{"fail", "fail", "wait", "redrive", "refuse", "repeat", "kill"}).Draw(rt, "step") {
			case "fail":
				for range rapid.IntRange(1, 25).Draw(rt, "objects") {
					failed[code] = append(failed[code], s.fail("shop.order", code))
					wanted[code]++
				}
			case "wait":
				s.run(time.Duration(rapid.IntRange(1, 100).Draw(rt, "minutes")) * time.Minute)
			case "redrive": // only objects that are in a mail
				s.topic.refuse = nil
				s.run(25 * time.Hour)
				for _, o := range failed[code] {
					s.move(o, journal.Transforming)
				}
				s.run(2 * time.Minute)
				for _, o := range failed[code] {
					s.failAgain(o, "shop.order", code)
					wanted[code]++
				}
			case "refuse":
				s.topic.refuse = map[string]error{"": &smithy.GenericAPIError{Code: "Throttled"}}
				s.run(time.Duration(rapid.IntRange(1, 20).Draw(rt, "minutes")) * time.Minute)
				s.topic.refuse = nil
			case "kill":
				kills, killed = kills+1, true
			case "repeat":
				if len(s.queue) > 0 {
					s.put(s.queue[rapid.IntRange(0, len(s.queue)-1).Draw(rt, "letter")].Message)
				}
			}
		}
		s.run(49 * time.Hour)
		for _, code := range codes {
			if got := sum(s.about(code)); got < wanted[code] || got > wanted[code] && !killed {
				rt.Errorf("%s: the mails count %v failures, want the sum %d", code, counts(s.about(code)), wanted[code])
			}
			for _, o := range failed[code] {
				s.move(o, journal.Loaded)
			}
		}
		kills = 0
		s.run(time.Hour)
		open, err := s.store.OpenNotices(t.Context())
		if err != nil || len(open) != 0 || len(s.queue) != 0 {
			rt.Errorf("%d notices and %d messages are left: %v", len(open), len(s.queue), err)
		}
		for _, code := range codes {
			if about := s.about(code); len(about) > 0 && !about[len(about)-1].recovered {
				rt.Errorf("%s: the last of %d mails isn't about the recovery", code, len(about))
			}
		}
	})
}
