package alert

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// The kinds of notices about states. A state begins and ends, so it has two mails.
const (
	// kindWait is for objects that wait too long, and kindRun for ingestion runs.
	kindWait = "wait"
	kindRun  = "run_wait"
	// kindData is for missing and for unusual data.
	kindData = "data"
)

// StateNotices are the journal's notices about states.
type StateNotices interface {
	EndingNotices
	// OpenNotice returns false if the notice is open already. Otherwise the caller has
	// the claim of the first mail.
	OpenNotice(ctx context.Context, k journal.NoticeKey, claim string) (journal.Notice, bool, error)
}

// notifier sends two mails about each state: one about the begin and one about the end.
type notifier struct {
	notices StateNotices
	mailer  Mailer
	now     func() time.Time
}

// begin sends the mail about the begin of a state, unless the mail was sent before. count
// is the number of affected things in the mail. begin returns errLimit or errClaimed if
// the mail isn't sent yet. The next call sends the mail, also after an error of SNS.
func (n notifier) begin(ctx context.Context, k journal.NoticeKey, count int, m mail) error {
	claim := rand.Text()
	notice, mine, err := n.notices.OpenNotice(ctx, k, claim)
	if err == nil && !mine {
		switch {
		case notice.Mails > 0:
			return nil
		case notice.Claimed(n.now()):
			return errClaimed
		case notice.NextAt.After(n.now()):
			return errLimit
		}
		notice, mine, err = n.notices.ClaimMail(ctx, notice, claim)
	}
	if err != nil {
		return err
	}
	if !mine {
		return errClaimed
	}
	if err := n.mailer.sendClaimed(ctx, n.notices, notice, claim, m); err != nil {
		return err
	}
	return n.notices.RecordMail(ctx, notice, journal.Mailed{Count: count, NextAt: n.now()})
}

// end sends the mail about the end of a state and closes the notice. A state without a
// mail about the begin ends without a mail. end returns errLimit or errClaimed if the mail
// isn't sent yet.
func (n notifier) end(ctx context.Context, k journal.NoticeKey, compose func(journal.Notice) mail) error {
	notice, err := n.notices.Notice(ctx, k)
	switch {
	case err != nil:
		return err
	case notice.Status != journal.NoticeOpen && notice.Status != journal.NoticeRecovered:
		return nil
	case notice.Claimed(n.now()):
		return errClaimed
	case notice.Mails == 0:
		_, err := n.notices.CloseNotice(ctx, notice)
		return err
	case notice.Status == journal.NoticeRecovered && notice.NextAt.After(n.now()):
		return errLimit
	}
	claim := rand.Text()
	var mine bool
	if notice.Status == journal.NoticeRecovered {
		notice, mine, err = n.notices.ClaimMail(ctx, notice, claim)
	} else {
		notice, mine, err = n.notices.RecoverNotice(ctx, notice, claim)
	}
	if err != nil {
		return err
	}
	if !mine {
		return errClaimed
	}
	if err := n.mailer.sendClaimed(ctx, n.notices, notice, claim, compose(notice)); err != nil {
		return err
	}
	_, err = n.notices.CloseNotice(ctx, notice)
	return err
}
