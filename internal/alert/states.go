package alert

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// The kinds of notices about states. A state begins and ends, so it has two mails.
const (
	// kindWait is for objects that wait too long.
	kindWait = "wait"
	// kindData is for missing and for unusual data.
	kindData = "data"
)

// StateNotices are the journal's notices about states.
type StateNotices interface {
	// OpenNotices may miss a recent change. Notice has the current notice.
	OpenNotices(ctx context.Context) ([]journal.Notice, error)
	Notice(ctx context.Context, k journal.NoticeKey) (journal.Notice, error)
	// OpenNotice returns false if the notice is open already. Otherwise the caller has
	// the claim of the first mail.
	OpenNotice(ctx context.Context, k journal.NoticeKey, claim string) (journal.Notice, bool, error)
	NoticeMails
	// RecoverNotice gives the mail about the end to the caller.
	RecoverNotice(ctx context.Context, n journal.Notice, claim string) (journal.Notice, bool, error)
	CloseNotice(ctx context.Context, n journal.Notice) (bool, error)
}

// states sends two mails about each state: one about the begin and one about the end.
type states struct {
	notices StateNotices
	mailer  Mailer
	now     func() time.Time
}

// begin sends the mail about the begin of a state, unless the mail was sent before. If
// SNS refuses the mail, the next tick sends the mail. count is the number of affected
// things in the mail.
func (s states) begin(ctx context.Context, k journal.NoticeKey, count int, m mail) error {
	claim := rand.Text()
	n, mine, err := s.notices.OpenNotice(ctx, k, claim)
	if err == nil && !mine && n.Status == journal.NoticeOpen && n.Mails == 0 && !n.Claimed(s.now()) && !n.NextAt.After(s.now()) {
		n, mine, err = s.notices.ClaimMail(ctx, n, claim)
	}
	if err != nil || !mine {
		return err
	}
	if err := s.deliver(ctx, n, claim, m); err != nil {
		return ignoreLimit(err)
	}
	return s.notices.RecordMail(ctx, n, journal.Mailed{Count: count, NextAt: s.now()})
}

// end sends the mail about the end of a state and closes the notice. A state without a
// mail about the begin ends without a mail.
func (s states) end(ctx context.Context, k journal.NoticeKey, compose func(journal.Notice) mail) error {
	n, err := s.notices.Notice(ctx, k)
	if err != nil || n.Status == journal.NoticeClosed || n.Claimed(s.now()) || n.Status == journal.NoticeRecovered && n.NextAt.After(s.now()) {
		return err
	}
	if n.Mails == 0 {
		_, err := s.notices.CloseNotice(ctx, n)
		return err
	}
	claim := rand.Text()
	var mine bool
	if n.Status == journal.NoticeRecovered {
		n, mine, err = s.notices.ClaimMail(ctx, n, claim)
	} else {
		n, mine, err = s.notices.RecoverNotice(ctx, n, claim)
	}
	if err != nil || !mine {
		return err
	}
	if err := s.deliver(ctx, n, claim, compose(n)); err != nil {
		return ignoreLimit(err)
	}
	_, err = s.notices.CloseNotice(ctx, n)
	return err
}

// deliver sends a mail of a claimed notice. Without the mail, the claim ends: above the
// hourly limit until the next hour, else until the next tick.
func (s states) deliver(ctx context.Context, n journal.Notice, claim string, m mail) error {
	err := s.mailer.send(ctx, m)
	if err == nil {
		return nil
	}
	next := s.now()
	if errors.Is(err, errLimit) {
		next = nextHour(next)
	}
	if released := s.notices.ReleaseMail(ctx, n, claim, next); released != nil {
		return released
	}
	return err
}

// open returns the keys of the open notices of a kind.
func (s states) open(ctx context.Context, kind string) ([]journal.NoticeKey, error) {
	notices, err := s.notices.OpenNotices(ctx)
	if err != nil {
		return nil, err
	}
	var keys []journal.NoticeKey
	for _, n := range notices {
		if n.Kind == kind {
			keys = append(keys, n.NoticeKey)
		}
	}
	return keys, nil
}
