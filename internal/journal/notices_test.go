//go:build standin

package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

func (b *fixture) noticeKey() journal.NoticeKey {
	return journal.NoticeKey{Kind: "failure", Dataset: b.dataset, Code: "bad_header"}
}

// opened returns a notice of this fixture that the caller "first" has opened.
func (b *fixture) opened(t *testing.T) journal.Notice {
	t.Helper()
	n, opened, err := b.OpenNotice(t.Context(), b.noticeKey(), "first")
	if err != nil || !opened {
		t.Fatalf("OpenNotice = %+v, %t, %v", n, opened, err)
	}
	return n
}

func (b *fixture) notice(t *testing.T) journal.Notice {
	t.Helper()
	n, err := b.Notice(t.Context(), b.noticeKey())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// openKeys returns the datasets in the index of open notices.
func (b *fixture) isListed(t *testing.T) bool {
	t.Helper()
	open, err := b.OpenNotices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(open, func(n journal.Notice) bool { return n.NoticeKey == b.noticeKey() })
}

// eachNoticeTest runs a test with plain writes, and with writes that the AWS client
// repeats after a lost answer.
func eachNoticeTest(t *testing.T, test func(t *testing.T, b *fixture)) {
	t.Helper()
	for _, repeats := range []bool{false, true} {
		t.Run(fmt.Sprintf("repeated writes %t", repeats), func(t *testing.T) {
			t.Parallel()
			b := newFixture(t)
			b.client.repeats = repeats
			test(t, b)
		})
	}
}

func TestOneCallerOpensNotice(t *testing.T) {
	t.Parallel()
	eachNoticeTest(t, func(t *testing.T, b *fixture) {
		if got := b.notice(t); got.Status != "" {
			t.Errorf("before: %+v", got)
		}
		n := b.opened(t)
		if n.Status != journal.NoticeOpen || n.NoticeKey != b.noticeKey() || !n.Claimed(b.clock()) || n.Mails != 0 || !b.isListed(t) {
			t.Errorf("opened: %+v", n)
		}
		again, opened, err := b.OpenNotice(t.Context(), b.noticeKey(), "second")
		if err != nil || opened || again.ID != n.ID {
			t.Errorf("second OpenNotice = %+v, %t, %v", again, opened, err)
		}
	})
}

func TestManyCallersOpenNoticeOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var all sync.WaitGroup
	won := make(chan string, 16)
	for i := range cap(won) {
		all.Go(func() {
			claim := fmt.Sprint("claim", i)
			_, opened, err := b.OpenNotice(t.Context(), b.noticeKey(), claim)
			if err != nil {
				t.Error(err)
			}
			if opened {
				won <- claim
			}
		})
	}
	all.Wait()
	if len(won) != 1 || <-won != b.notice(t).ID {
		t.Errorf("%d callers opened the notice", len(won)+1)
	}
}

// TestMailHasOneClaim: a claim ends by its deadline, by the record of the mail and by a
// release.
func TestMailHasOneClaim(t *testing.T) {
	t.Parallel()
	eachNoticeTest(t, func(t *testing.T, b *fixture) {
		n := b.opened(t)
		claim := func(n journal.Notice, name string, want bool) journal.Notice {
			t.Helper()
			got, claimed, err := b.ClaimMail(t.Context(), n, name)
			if err != nil || claimed != want {
				t.Fatalf("ClaimMail by %s = %t, %v; want %t", name, claimed, err, want)
			}
			return got
		}
		claim(n, "second", false)
		b.advance(time.Minute)
		second := claim(n, "second", true)
		claim(n, "third", false)
		if err := b.ReleaseMail(t.Context(), second, "first", b.clock()); err != nil {
			t.Fatal(err)
		}
		claim(n, "third", false) // only the owner releases a claim
		if err := b.ReleaseMail(t.Context(), second, "second", b.clock().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := b.notice(t); got.Claimed(b.clock()) || !got.NextAt.Equal(b.clock().Add(time.Hour).Truncate(time.Millisecond)) {
			t.Errorf("released: %+v", got)
		}
		third := claim(n, "third", true)
		if err := b.RecordMail(t.Context(), third, journal.Mailed{Count: 3, NextAt: b.clock()}); err != nil {
			t.Fatal(err)
		}
		claim(third, "fourth", false) // the caller doesn't know the third mail
		claim(b.notice(t), "fourth", true)
	})
}

// TestRecordedMailLeavesLaterFailuresWaiting adds a failure between the claim and the
// record of a mail. The record removes only the failures of the mail.
func TestRecordedMailLeavesLaterFailuresWaiting(t *testing.T) {
	t.Parallel()
	eachNoticeTest(t, func(t *testing.T, b *fixture) {
		n := b.opened(t)
		add := func(p journal.Pending) {
			t.Helper()
			if open, err := b.AddFailures(t.Context(), b.notice(t), p); err != nil || !open {
				t.Fatalf("AddFailures = %t, %v", open, err)
			}
		}
		add(journal.Pending{Keys: []string{"m1", "m2"}, First: "one", Last: "two"})
		add(journal.Pending{Keys: []string{"m2", "m1"}, First: "other", Last: "two again"}) // a redelivery
		read := b.notice(t)
		if keys, count := read.Pending(); !slices.Equal(keys, []string{"m1", "m2"}) || count != 2 || read.PendingFirst != "one" || read.PendingLast != "two again" {
			t.Errorf("pending %v, %d, %q, %q", keys, count, read.PendingFirst, read.PendingLast)
		}
		add(journal.Pending{Keys: []string{"m3"}, First: "three", Last: "three"})
		mailed := journal.Mailed{
			Count: 2, NextAt: b.clock().Add(time.Minute), Until: b.clock(), Keys: []string{"m1", "m2"}, PendingKeys: []string{"m1", "m2", "m1"},
			Sample: []object.ID{"o1"},
		}
		if err := b.RecordMail(t.Context(), read, mailed); err != nil {
			t.Fatal(err)
		}
		got := b.notice(t)
		if keys, count := got.Pending(); !slices.Equal(keys, []string{"m3"}) || count != 1 {
			t.Errorf("pending %v, %d; want m3", keys, count)
		}
		now := b.clock().Truncate(time.Millisecond)
		want := journal.Notice{
			NoticeKey: b.noticeKey(), ID: n.ID, Status: journal.NoticeOpen, OpenedAt: now, SeenAt: now, NextAt: now.Add(time.Minute),
			MailedAt: now, MailedUntil: now, Mails: 1, Total: 2, MailedKeys: []string{"m1", "m2"}, Sample: []object.ID{"o1"},
			PendingKeys: []string{"m3"}, PendingLast: "three",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("notice (-want +got):\n%s", diff)
		}
		if err := b.RecordMail(t.Context(), read, mailed); err != nil || b.notice(t).Mails != 1 {
			t.Errorf("the same mail was recorded twice: %v", err)
		}
		add(journal.Pending{Keys: []string{"m1"}}) // a redelivery after the mail
		if _, count := b.notice(t).Pending(); count != 1 {
			t.Errorf("%d failures wait, want 1: m1 is in the mail", count)
		}
	})
}

// TestPendingFailuresBeyondLimitAreCounted: the keys of a notice have a limit, because
// DynamoDB limits an item to 400 KB.
func TestPendingFailuresBeyondLimitAreCounted(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.opened(t)
	for i := range 3 {
		var keys []string
		for k := range journal.MaxPendingKeys / 2 {
			keys = append(keys, fmt.Sprintf("3a9f6a1e-%d-%d", i, k))
		}
		if _, err := b.AddFailures(t.Context(), b.notice(t), journal.Pending{Keys: keys}); err != nil {
			t.Fatal(err)
		}
	}
	n := b.notice(t)
	keys, count := n.Pending()
	if len(keys) != journal.MaxPendingKeys || count != 3*journal.MaxPendingKeys/2 {
		t.Fatalf("%d keys, %d failures", len(keys), count)
	}
	if err := b.RecordMail(t.Context(), n, journal.Mailed{Count: count, PendingKeys: keys, PendingMore: n.PendingMore, NextAt: b.clock()}); err != nil {
		t.Fatal(err)
	}
	if _, count := b.notice(t).Pending(); count != 0 {
		t.Errorf("%d failures wait after the mail", count)
	}
}

// TestNewFailurePreventsRecovery: a failure after the read of the notice refuses
// recovery and end.
func TestNewFailurePreventsRecovery(t *testing.T) {
	t.Parallel()
	eachNoticeTest(t, func(t *testing.T, b *fixture) {
		b.opened(t)
		b.advance(time.Minute)
		read := b.notice(t)
		b.advance(time.Second)
		if open, err := b.AddFailures(t.Context(), read, journal.Pending{}); err != nil || !open {
			t.Fatal(open, err)
		}
		if _, recovered, err := b.RecoverNotice(t.Context(), read, "r"); err != nil || recovered {
			t.Errorf("RecoverNotice = %t, %v", recovered, err)
		}
		if closed, err := b.CloseNotice(t.Context(), read); err != nil || closed {
			t.Errorf("CloseNotice = %t, %v", closed, err)
		}
		recovered, done, err := b.RecoverNotice(t.Context(), b.notice(t), "r")
		if err != nil || !done || recovered.Status != journal.NoticeRecovered || !recovered.Claimed(b.clock()) || !b.isListed(t) {
			t.Fatalf("RecoverNotice = %+v, %t, %v", recovered, done, err)
		}
		if open, err := b.AddFailures(t.Context(), recovered, journal.Pending{Keys: []string{"m"}}); err != nil || open {
			t.Errorf("AddFailures of a recovered notice = %t, %v", open, err)
		}
		if _, err := b.CloseNotice(t.Context(), recovered); err != nil || b.notice(t).Status != journal.NoticeClosed || b.isListed(t) {
			t.Errorf("closed: %+v, %v", b.notice(t), err)
		}
		if open, err := b.AddFailures(t.Context(), recovered, journal.Pending{}); err != nil || open {
			t.Errorf("AddFailures of a closed notice = %t, %v", open, err)
		}
		b.advance(time.Minute)
		n, opened, err := b.OpenNotice(t.Context(), b.noticeKey(), "again")
		if err != nil || !opened || n.Mails != 0 || n.Total != 0 || len(n.Sample) != 0 || !b.isListed(t) {
			t.Errorf("second opening: %+v, %t, %v", n, opened, err)
		}
	})
}

// TestFailureAfterRecoveryOpensNoticeAnew: the mail about the recovery isn't sent yet.
func TestFailureAfterRecoveryOpensNoticeAnew(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.opened(t)
	b.advance(time.Minute)
	recovered, _, err := b.RecoverNotice(t.Context(), b.notice(t), "r")
	if err != nil {
		t.Fatal(err)
	}
	n, opened, err := b.OpenNotice(t.Context(), b.noticeKey(), "again")
	if err != nil || !opened {
		t.Fatalf("OpenNotice = %+v, %t, %v", n, opened, err)
	}
	if closed, err := b.CloseNotice(t.Context(), recovered); err != nil || closed || b.notice(t).Status != journal.NoticeOpen {
		t.Errorf("CloseNotice of the former opening = %t, %v", closed, err)
	}
}

// TestLongNamesAreKeysOfNotices: a message of any sender can name a dataset.
func TestLongNamesAreKeysOfNotices(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	for _, end := range []string{"a", "b"} {
		k := journal.NoticeKey{Kind: "message", Dataset: b.dataset + strings.Repeat("ü", 3000) + end, Code: "c"}
		if n, opened, err := b.OpenNotice(t.Context(), k, end); err != nil || !opened || n.Dataset != k.Dataset {
			t.Errorf("OpenNotice = %t, %v", opened, err)
		}
	}
}

func TestEachFailedReturnsObjectsOfCodeInOrder(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	var want []journal.FailedObject
	for i, code := range []fault.Code{"bad_header", "bad", "bad_header", "bad_header_more", "bad_header"} {
		o := b.receivedObject(t)
		b.advance(time.Second)
		if _, err := b.fail(t.Context(), o, work.Transform, code); err != nil {
			t.Fatal(i, err)
		}
		if code == "bad_header" {
			want = append(want, journal.FailedObject{ID: o.ID(), At: b.clock()})
		}
	}
	b.client.page = 1
	var got []journal.FailedObject
	if err := b.EachFailed(t.Context(), b.dataset, "bad_header", func(f journal.FailedObject) { got = append(got, f) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failed objects (-want +got):\n%s", diff)
	}
	last := want[2].At
	for since, want := range map[time.Time]bool{{}: true, last: true, last.Add(time.Microsecond): false} {
		if got, err := b.HasFailedSince(t.Context(), b.dataset, since); err != nil || got != want {
			t.Errorf("HasFailedSince(%s) = %t, %v; want %t", since, got, err, want)
		}
	}
	for _, test := range []struct {
		code  fault.Code
		since time.Time
		want  bool
	}{
		{"bad_header", time.Time{}, true},
		{"bad_header", last, true},
		{"bad_header", last.Add(time.Microsecond), false},
		{"bad_head", time.Time{}, false},
		{"bad", last, false},
	} {
		if got, err := b.HasFailed(t.Context(), b.dataset, test.code, test.since); err != nil || got != test.want {
			t.Errorf("HasFailed(%s, %s) = %t, %v; want %t", test.code, test.since, got, err, test.want)
		}
	}
}

// TestHourHasLimitedMails counts more mails than the limit, from several callers.
func TestHourHasLimitedMails(t *testing.T) {
	t.Parallel()
	for i, repeats := range []bool{false, true} {
		t.Run(fmt.Sprintf("repeated writes %t", repeats), func(t *testing.T) {
			t.Parallel()
			const limit, callers = 7, 12
			b := newFixture(t)
			b.client.repeats = repeats
			at := time.Date(2026, 5, 1, 10+2*i, 59, 0, 0, time.UTC)
			var all sync.WaitGroup
			counts := make(chan int, callers)
			for range callers {
				all.Go(func() {
					n, err := b.CountMail(t.Context(), at, limit)
					if err != nil {
						t.Error(err)
					}
					counts <- n
				})
			}
			all.Wait()
			close(counts)
			granted := slices.DeleteFunc(slices.Sorted(channel(counts)), func(n int) bool { return n == 0 })
			if !repeats && !slices.Equal(granted, []int{1, 2, 3, 4, 5, 6, 7}) || len(granted) > limit {
				t.Errorf("counts %v", granted)
			}
			if n, err := b.CountMail(t.Context(), at, limit); err != nil || n != 0 {
				t.Errorf("after the limit: %d, %v", n, err)
			}
			if err := b.UncountMail(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			if n, err := b.CountMail(t.Context(), at, limit); err != nil || n != limit {
				t.Errorf("after a mail that wasn't sent: %d, %v", n, err)
			}
			if n, err := b.CountMail(t.Context(), at.Add(time.Minute), limit); err != nil || n != 1 {
				t.Errorf("in the next hour: %d, %v", n, err)
			}
		})
	}
}

func channel(counts <-chan int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for n := range counts {
			if !yield(n) {
				return
			}
		}
	}
}
