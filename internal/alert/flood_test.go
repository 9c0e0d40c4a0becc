package alert_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

var (
	failureSubject  = regexp.MustCompile(`^firn \[test\]: (.+): (\d+) (?:objects?|messages?|delivery|deliveries) (?:failed|held): ([a-z_0-9]+)$`)
	recoverySubject = regexp.MustCompile(`^firn \[test\]: (.+): recovered after .+: ([a-z_0-9]+)$`)
)

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
