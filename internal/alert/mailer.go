package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
)

// Topic publishes messages on an SNS topic.
type Topic interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// MailCounter counts the mails of each hour.
type MailCounter interface {
	// CountMail returns the number of the hour's mails with a new one, or 0 if the hour
	// has limit mails already.
	CountMail(ctx context.Context, at time.Time, limit int) (int, error)
	// UncountMail takes back the count of a mail that wasn't sent.
	UncountMail(ctx context.Context, at time.Time) error
}

// Mailer publishes mails on the Alerts topic, and records each mail for the webhook.
type Mailer struct {
	Topic Topic
	ARN   string
	Site  Site
	// Counter counts the mails; nil for any number of mails.
	Counter MailCounter
	// Limit is the largest number of mails in an hour of UTC. Only with a Counter.
	Limit int
	// Webhook receives a copy of each mail; nil for no copy.
	Webhook *Webhook
	// Now is the clock.
	Now func() time.Time
}

// errLimit is the error of a mail above the hourly limit. The caller sends the mail's
// contents later.
var errLimit = errors.New("the hourly limit of mails is reached")

// errClaimed is the error of a mail that another caller is sending.
var errClaimed = errors.New("another caller is sending the mail")

// ignoreLater returns nil if the mail follows, or if another caller is sending the mail.
func ignoreLater(err error) error {
	if errors.Is(err, errLimit) || errors.Is(err, errClaimed) {
		return nil
	}
	return err
}

// nextHour returns the start of the hour after the time. The mails above the limit
// follow in that hour.
func nextHour(at time.Time) time.Time { return at.Truncate(time.Hour).Add(time.Hour) }

// send publishes a mail, or returns errLimit.
func (m Mailer) send(ctx context.Context, mail mail) error {
	at, err := m.count(ctx, &mail)
	if err != nil {
		return err
	}
	mail.text += m.Webhook.note(ctx)
	_, err = m.Topic.Publish(ctx, &sns.PublishInput{
		TopicArn: aws.String(m.ARN), Subject: aws.String(mail.subject), Message: aws.String(mail.body()),
	})
	if err != nil {
		telemetry.Put(ctx, map[telemetry.Metric]float64{telemetry.UnsentMails: 1})
		m.uncount(ctx, at)
		f := fault.AWS("publish alert", fault.TopicAway, err)
		f.Subject = m.ARN
		return f
	}
	m.Webhook.record(ctx, mail)
	return nil
}

// sendClaimed sends a mail of a claimed notice. Without the mail, the claim ends: above
// the hourly limit until the next hour, else until the next check.
func (m Mailer) sendClaimed(ctx context.Context, notices NoticeMails, n journal.Notice, claim string, mail mail) error {
	err := m.send(ctx, mail)
	if err == nil {
		return nil
	}
	next := m.Now()
	if errors.Is(err, errLimit) {
		next = nextHour(next)
	}
	if released := notices.ReleaseMail(ctx, n, claim, next); released != nil {
		return released // errLimit would hide this error
	}
	return err
}

// count counts a mail. The last mail of an hour gets a paragraph about the limit. The
// result is the time of the count, or errLimit.
func (m Mailer) count(ctx context.Context, mail *mail) (time.Time, error) {
	if m.Counter == nil {
		return time.Time{}, nil
	}
	now := m.Now()
	sent, err := m.Counter.CountMail(ctx, now, m.Limit)
	switch {
	case err != nil:
		return now, err
	case sent == 0:
		telemetry.Logger(ctx).WarnContext(ctx, "mail delayed: hourly limit reached", telemetry.KeyCount, m.Limit)
		return now, errLimit
	case sent >= m.Limit:
		mail.text += fmt.Sprintf("\nThe limit of %d mails in an hour is reached. firn sends further failures after %s, as digests.\n",
			m.Limit, formatTime(nextHour(now)))
	}
	return now, nil
}

// uncount takes back the count of a mail that SNS refused. Without an answer of the
// journal, the hour has one mail less.
func (m Mailer) uncount(ctx context.Context, at time.Time) {
	if m.Counter == nil {
		return
	}
	if err := m.Counter.UncountMail(ctx, at); err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "count of mails too high", telemetry.Fault(fault.As(err))...)
	}
}
