package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

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
