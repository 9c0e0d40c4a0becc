package alert_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// clock is a clock that only the test moves.
type clock struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *clock) read() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(d)
}

// fakeNotices keeps notices with the rules of journal.Table. flood_standin_test.go runs
// the same floods on the real journal.
type fakeNotices struct {
	clock *clock

	mutex   sync.Mutex
	notices map[journal.NoticeKey]journal.Notice
	claims  map[journal.NoticeKey]string
	sent    map[string]int
	// fault returns the error of an operation; nil for no errors.
	fault func(operation string) error
}

func newNotices(c *clock) *fakeNotices {
	return &fakeNotices{
		clock: c, notices: make(map[journal.NoticeKey]journal.Notice), claims: make(map[journal.NoticeKey]string), sent: make(map[string]int),
	}
}

// change applies a change of a notice, if the condition holds.
func (f *fakeNotices) change(operation string, k journal.NoticeKey, holds func(n journal.Notice) bool, apply func(n *journal.Notice)) (journal.Notice, bool, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.fault != nil {
		if err := f.fault(operation); err != nil {
			return journal.Notice{}, false, err
		}
	}
	n, found := f.notices[k]
	if !found {
		n.NoticeKey = k
	}
	if !holds(n) {
		return n, false, nil
	}
	apply(&n)
	f.notices[k] = n
	return n, true, nil
}

func same(n, read journal.Notice) bool {
	return n.ID == read.ID && n.Status == read.Status && n.Mails == read.Mails
}

func (f *fakeNotices) Notice(_ context.Context, k journal.NoticeKey) (journal.Notice, error) {
	n, _, err := f.change("read", k, func(journal.Notice) bool { return false }, nil)
	return n, err
}

func (f *fakeNotices) OpenNotices(context.Context) ([]journal.Notice, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var open []journal.Notice
	for _, n := range f.notices {
		if n.Status == journal.NoticeOpen || n.Status == journal.NoticeRecovered {
			open = append(open, n)
		}
	}
	slices.SortFunc(open, func(a, b journal.Notice) int {
		return strings.Compare(a.Kind+a.Dataset+a.Code, b.Kind+b.Dataset+b.Code)
	})
	return open, nil
}

func (f *fakeNotices) claim(n *journal.Notice, claim string) {
	n.ClaimedUntil = f.clock.read().Add(time.Minute)
	f.claims[n.NoticeKey] = claim
}

func (f *fakeNotices) OpenNotice(_ context.Context, k journal.NoticeKey, claim string) (journal.Notice, bool, error) {
	now := f.clock.read()
	return f.change("open", k, func(n journal.Notice) bool { return n.Status != journal.NoticeOpen }, func(n *journal.Notice) {
		*n = journal.Notice{NoticeKey: k, ID: claim, Status: journal.NoticeOpen, OpenedAt: now, SeenAt: now, NextAt: now}
		f.claim(n, claim)
	})
}

func (f *fakeNotices) ClaimMail(_ context.Context, read journal.Notice, claim string) (journal.Notice, bool, error) {
	now := f.clock.read()
	return f.change("claim", read.NoticeKey, func(n journal.Notice) bool { return same(n, read) && !n.Claimed(now) }, func(n *journal.Notice) {
		f.claim(n, claim)
	})
}

func (f *fakeNotices) AddFailures(_ context.Context, read journal.Notice, p journal.Pending) (bool, error) {
	_, open, err := f.change("add", read.NoticeKey, func(n journal.Notice) bool {
		return n.ID == read.ID && n.Status == journal.NoticeOpen
	}, func(n *journal.Notice) {
		n.SeenAt = f.clock.read()
		n.PendingKeys = slices.Compact(slices.Sorted(slices.Values(slices.Concat(n.PendingKeys, p.Keys))))
		if p.First != "" && read.PendingFirst == "" {
			n.PendingFirst = p.First
		}
		if p.Last != "" {
			n.PendingLast = p.Last
		}
	})
	return open, err
}

func (f *fakeNotices) RecordMail(_ context.Context, read journal.Notice, m journal.Mailed) error {
	_, _, err := f.change("record", read.NoticeKey, func(n journal.Notice) bool { return same(n, read) }, func(n *journal.Notice) {
		n.Mails, n.Total, n.MailedAt, n.NextAt, n.Doublings = n.Mails+1, n.Total+m.Count, f.clock.read(), m.NextAt, m.Doublings
		n.MailedKeys, n.Sample, n.ClaimedUntil, n.PendingFirst = m.Keys, m.Sample, time.Time{}, ""
		if !m.Until.IsZero() {
			n.MailedUntil = m.Until
		}
		if !m.SeenAt.IsZero() {
			n.SeenAt = m.SeenAt
		}
		n.PendingKeys = slices.DeleteFunc(slices.Clone(n.PendingKeys), func(key string) bool { return slices.Contains(m.PendingKeys, key) })
	})
	return err
}

func (f *fakeNotices) AdvanceNotice(_ context.Context, read journal.Notice, until time.Time) error {
	_, _, err := f.change("advance", read.NoticeKey, func(n journal.Notice) bool { return same(n, read) }, func(n *journal.Notice) {
		n.MailedUntil, n.MailedKeys = until, nil
	})
	return err
}

func (f *fakeNotices) ReleaseMail(_ context.Context, read journal.Notice, claim string, next time.Time) error {
	_, _, err := f.change("release", read.NoticeKey, func(n journal.Notice) bool {
		return same(n, read) && f.claims[n.NoticeKey] == claim
	}, func(n *journal.Notice) {
		n.NextAt, n.ClaimedUntil = next, time.Time{}
	})
	return err
}

func (f *fakeNotices) RecoverNotice(_ context.Context, read journal.Notice, claim string) (journal.Notice, bool, error) {
	now := f.clock.read()
	return f.change("recover", read.NoticeKey, func(n journal.Notice) bool {
		return same(n, read) && n.SeenAt.Equal(read.SeenAt) && !n.Claimed(now)
	}, func(n *journal.Notice) {
		n.Status, n.NextAt = journal.NoticeRecovered, now
		f.claim(n, claim)
	})
}

func (f *fakeNotices) CloseNotice(_ context.Context, read journal.Notice) (bool, error) {
	_, closed, err := f.change("close", read.NoticeKey, func(n journal.Notice) bool {
		return same(n, read) && n.SeenAt.Equal(read.SeenAt)
	}, func(n *journal.Notice) { n.Status = journal.NoticeClosed })
	return closed, err
}

func (f *fakeNotices) CountMail(_ context.Context, at time.Time, limit int) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	hour := at.UTC().Format("2006-01-02T15")
	if f.sent[hour] >= limit {
		return 0, nil
	}
	f.sent[hour]++
	return f.sent[hour], nil
}

func (f *fakeNotices) UncountMail(_ context.Context, at time.Time) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.sent[at.UTC().Format("2006-01-02T15")]--
	return nil
}

// EachFailed reads the entries like the journal's index: in the order of time.
func (j *fakeJournal) EachFailed(_ context.Context, dataset string, code fault.Code, do func(journal.FailedObject)) error {
	failed := j.failed(dataset, code)
	slices.SortFunc(failed, func(a, b journal.FailedObject) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.ID), string(b.ID)))
	})
	for _, f := range failed {
		do(f)
	}
	return nil
}

func (j *fakeJournal) HasFailedSince(ctx context.Context, dataset string, since time.Time) (bool, error) {
	for key := range j.index {
		if key[0] != dataset {
			continue
		}
		if failed, err := j.HasFailed(ctx, dataset, fault.Code(key[1]), since); err != nil || failed {
			return failed, err
		}
	}
	return false, nil
}

func (j *fakeJournal) HasFailed(_ context.Context, dataset string, code fault.Code, since time.Time) (bool, error) {
	if code == "" {
		return false, errors.New("failed objects without a code")
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	for _, at := range j.index[[2]string{dataset, string(code)}] {
		if !at.Before(since) && j.isIndexed(at) {
			return true, nil
		}
	}
	return false, nil
}

// isIndexed reports whether the index has a failure already.
func (j *fakeJournal) isIndexed(at time.Time) bool {
	return j.now == nil || !at.Add(j.lag).After(j.now())
}

func (j *fakeJournal) failed(dataset string, code fault.Code) []journal.FailedObject {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.surveys++
	var found []journal.FailedObject
	for id, at := range j.index[[2]string{dataset, string(code)}] {
		if j.isIndexed(at) {
			found = append(found, journal.FailedObject{ID: id, At: at})
		}
	}
	return found
}
