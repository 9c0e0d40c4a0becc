package alert

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
)

// The kinds of notices.
const (
	// kindFailure is for failed objects of the journal.
	kindFailure = "failure"
	// kindMessage is for failures without an object in the journal: ingestion runs, and
	// messages that no stage can read.
	kindMessage = "message"
	// kindDelayed is for held deliveries and failed withdrawals above the hourly limit.
	// Below the limit, each batch of these has its own mail.
	kindDelayed = "delayed"
)

const (
	// maxInterval is the longest interval between two mails about a cause.
	maxInterval = 24 * time.Hour
	// quietTime is the time without a failure after which the next failure of a cause is
	// mailed at once. A notice without objects closes after this time.
	quietTime = 24 * time.Hour
	// maxSample is the number of objects whose recovery closes a notice.
	maxSample = 20
)

// Notices are the journal's notices, for the first mail about a cause.
type Notices interface {
	Notice(ctx context.Context, k journal.NoticeKey) (journal.Notice, error)
	// OpenNotice returns false if the notice is open already. Otherwise the caller has
	// the claim of the first mail.
	OpenNotice(ctx context.Context, k journal.NoticeKey, claim string) (journal.Notice, bool, error)
	NoticeMails
	// AddFailures returns false if the notice isn't open any more.
	AddFailures(ctx context.Context, n journal.Notice, p journal.Pending) (bool, error)
}

// NoticeMails gives each mail of a notice to one caller.
type NoticeMails interface {
	// ClaimMail returns false if another caller has the claim or has sent a mail.
	ClaimMail(ctx context.Context, n journal.Notice, claim string) (journal.Notice, bool, error)
	RecordMail(ctx context.Context, n journal.Notice, m journal.Mailed) error
	// ReleaseMail ends a claim without a mail. The next try is at the time next.
	ReleaseMail(ctx context.Context, n journal.Notice, claim string, next time.Time) error
}

// digestDelay returns the time from a mail to the next digest: first, doubled for each
// doubling, at most maxInterval.
func digestDelay(first time.Duration, doublings int) time.Duration {
	for range doublings {
		if first *= 2; first >= maxInterval {
			return maxInterval
		}
	}
	return min(first, maxInterval)
}

// maxReportTries limits the tries to find a notice open or to open the notice, next to
// other callers.
const maxReportTries = 3

// report sends the mail of a group if it is the first mail about its cause. Otherwise
// report leaves the failures to the next digest. The result says whether a mail was
// sent.
func (a *Alerter) report(ctx context.Context, g *group) (sent bool, err error) {
	if g.hasOnlyColumns() {
		err := a.reportColumns(ctx, g)
		return err == nil, err
	}
	if g.kind == kindDelayed {
		return a.reportEach(ctx, g)
	}
	return a.claimOrCollect(ctx, g, a.claimFirst, a.sendFirst)
}

// claimOrCollect calls send with a claimed notice, or leaves the failures to the next mail
// of a notice that is open already. Another caller can close the notice between the two
// steps, so there are several tries.
func (a *Alerter) claimOrCollect(
	ctx context.Context, g *group,
	claim func(ctx context.Context, g *group, claim string) (journal.Notice, bool, error),
	send func(ctx context.Context, g *group, n journal.Notice, claim string) (bool, error),
) (sent bool, err error) {
	for range maxReportTries {
		name := rand.Text()
		n, mine, err := claim(ctx, g, name)
		if err != nil {
			return false, err
		}
		if mine {
			return send(ctx, g, n, name)
		}
		if open, err := a.collect(ctx, g, n); err != nil || open {
			return false, err
		}
	}
	return false, fault.Dependency("open notice", fault.JournalAway, fmt.Errorf("the notice changed during each of %d tries", maxReportTries))
}

// claimFirst claims the mail about the first failure of a cause. The result is false if
// the failure waits for a digest, or if another caller has the claim.
func (a *Alerter) claimFirst(ctx context.Context, g *group, claim string) (journal.Notice, bool, error) {
	n, err := a.Notices.Notice(ctx, g.notice())
	if err != nil {
		return n, false, err
	}
	if n.Status != journal.NoticeOpen {
		return a.Notices.OpenNotice(ctx, g.notice(), claim)
	}
	if !startsAnew(n, a.Now()) {
		return n, false, nil
	}
	claimed, mine, err := a.Notices.ClaimMail(ctx, n, claim)
	if err != nil || !mine {
		return n, false, err
	}
	return claimed, true, nil
}

// startsAnew reports whether the next failure of an open notice is mailed at once: SNS
// refused the first mail, or the notice had no failure for quietTime. A first mail that
// the hourly limit delayed is a digest.
func startsAnew(n journal.Notice, now time.Time) bool {
	switch {
	case n.Claimed(now), n.NextAt.After(now):
		return false
	case n.Mails == 0:
		return !n.NextAt.After(n.OpenedAt)
	default:
		return now.Sub(n.SeenAt) >= quietTime
	}
}

// sendFirst sends the mail of a group, and records the mail in the notice. If SNS
// refuses the mail, the messages return. Above the hourly limit, the failures stay in
// the notice until the next hour.
func (a *Alerter) sendFirst(ctx context.Context, g *group, n journal.Notice, claim string) (bool, error) {
	g.nextMailAt = a.Now().Add(digestDelay(a.FirstDigest, 0))
	err := a.send(ctx, g)
	if errors.Is(err, errLimit) {
		return false, a.postpone(ctx, g, n, claim)
	}
	if err != nil {
		return false, errors.Join(err, a.Notices.ReleaseMail(ctx, n, claim, n.NextAt))
	}
	return true, a.Notices.RecordMail(ctx, n, journal.Mailed{
		Count: len(g.failures), SeenAt: a.Now(), NextAt: g.nextMailAt, Keys: append(keysOf(g.failures), keysSince(n)...), Sample: g.sample(),
	})
}

// keysSince returns the keys of earlier mails that the next digest would count again.
func keysSince(n journal.Notice) []string {
	if n.Kind != kindFailure {
		return n.MailedKeys
	}
	first := journal.FailedObject{At: n.MailedUntil}.Key()
	return slices.DeleteFunc(slices.Clone(n.MailedKeys), func(key string) bool { return !n.MailedUntil.IsZero() && key < first })
}

func (a *Alerter) send(ctx context.Context, g *group) error {
	if err := a.Mailer.send(ctx, compose(g, a.Mailer.Site)); err != nil {
		return err
	}
	telemetry.Logger(ctx).InfoContext(ctx, "alert published",
		telemetry.KeyDataset, g.dataset, telemetry.KeyCode, g.code, telemetry.KeyCount, g.size())
	return nil
}

// postpone leaves the failures of a claimed notice to the next hour.
func (a *Alerter) postpone(ctx context.Context, g *group, n journal.Notice, claim string) error {
	if _, err := a.collect(ctx, g, n); err != nil {
		return err
	}
	return a.Notices.ReleaseMail(ctx, n, claim, nextHour(a.Now()))
}

// collect leaves the failures of a group to the next mail of an open notice. The
// journal's index has failed objects, so the notice needs only failures without an
// object. The result is false if the notice isn't open any more.
func (a *Alerter) collect(ctx context.Context, g *group, n journal.Notice) (bool, error) {
	var p journal.Pending
	if g.kind != kindFailure {
		fresh := slices.DeleteFunc(slices.Clone(g.failures), func(f failure) bool { return slices.Contains(n.MailedKeys, f.key()) })
		if len(fresh) > 0 {
			p = journal.Pending{Keys: keysOf(fresh), First: fresh[0].encode(), Last: fresh[len(fresh)-1].encode()}
		}
	}
	open, err := a.Notices.AddFailures(ctx, n, p)
	if err == nil && open {
		telemetry.Logger(ctx).InfoContext(ctx, "failures left to the next mail",
			telemetry.KeyDataset, g.dataset, telemetry.KeyCode, g.code, telemetry.KeyCount, len(g.failures))
	}
	return open, err
}

// reportEach sends a mail about the held deliveries or failed withdrawals of a batch.
// Above the hourly limit, a notice keeps them until the next hour.
func (a *Alerter) reportEach(ctx context.Context, g *group) (sent bool, err error) {
	err = a.send(ctx, g)
	if !errors.Is(err, errLimit) {
		return err == nil, err
	}
	return a.claimOrCollect(ctx, g, a.openDelayed, a.postponeDelayed)
}

func (a *Alerter) openDelayed(ctx context.Context, g *group, claim string) (journal.Notice, bool, error) {
	return a.Notices.OpenNotice(ctx, g.notice(), claim)
}

func (a *Alerter) postponeDelayed(ctx context.Context, g *group, n journal.Notice, claim string) (bool, error) {
	return false, a.postpone(ctx, g, n, claim)
}

func keysOf(failures []failure) []string {
	keys := make([]string, len(failures))
	for i := range failures {
		keys[i] = failures[i].key()
	}
	return keys
}

// sample returns the ids of the group's failed objects, at most maxSample.
func (g *group) sample() []object.ID {
	var ids []object.ID
	for _, f := range g.failures {
		if g.kind == kindFailure && (f.state == journal.Failed || f.state == "") {
			ids = append(ids, object.ID(f.objectID))
		}
	}
	return ids[max(0, len(ids)-maxSample):]
}

// storedFailure is the form of a failure without an object in a notice.
type storedFailure struct {
	Message  string    `json:"message_id"`
	Stage    string    `json:"stage"`
	Cause    string    `json:"cause"`
	Hint     string    `json:"hint"`
	Subject  string    `json:"subject"`
	QueryID  string    `json:"query_id"`
	RunID    string    `json:"run_id"`
	ObjectID string    `json:"object_id"`
	At       time.Time `json:"failed_at"`
	Body     string    `json:"body"`
}

// encode returns the failure as JSON, with shortened texts.
func (f *failure) encode() string {
	body := truncate(f.body)
	if f.held != nil { // the mail decodes the whole body
		body = f.body
	}
	text, err := json.Marshal(storedFailure{
		Message: f.messageID, Stage: f.stage, Cause: truncate(f.cause), Hint: f.hint, Subject: truncate(f.subject),
		QueryID: f.queryID, RunID: f.runID, ObjectID: f.objectID, At: f.at, Body: body,
	})
	if err != nil { // can't happen: the values are texts and a time
		panic(fmt.Sprintf("encode failure: %v", err))
	}
	return string(text)
}

// decodeFailure returns the failure of a notice's text, or false for an empty text.
func decodeFailure(text string, k journal.NoticeKey) (failure, bool) {
	var stored storedFailure
	if json.Unmarshal([]byte(text), &stored) != nil {
		return failure{}, false
	}
	f := failure{
		messageID: stored.Message, stage: stored.Stage, code: k.Code, dataset: k.Dataset, cause: stored.Cause, hint: stored.Hint,
		subject: stored.Subject, queryID: stored.QueryID, runID: stored.RunID, objectID: stored.ObjectID, at: stored.At, body: stored.Body,
		notInJournal: stored.ObjectID != "", held: heldDelivery(k.Code, stored.Body),
	}
	if bucket, key, err := object.ParseURI(f.subject); err == nil && f.objectID != "" {
		f.object = object.Object{Bucket: bucket, Key: key}
	}
	return f, true
}
