package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
)

// maxSettleTime is the age at which a failure counts in a digest. A younger failure may
// be missing in the journal's index, which is eventually consistent.
const maxSettleTime = 30 * time.Second

// OpenNotices are the journal's open notices, for digests.
type OpenNotices interface {
	EndingNotices
	// AdvanceNotice sets Notice.MailedUntil without a mail.
	AdvanceNotice(ctx context.Context, n journal.Notice, until time.Time) error
}

// EndingNotices are the journal's notices, for the mails after the first one.
type EndingNotices interface {
	// OpenNotices may miss a recent change. Notice has the current notice.
	OpenNotices(ctx context.Context) ([]journal.Notice, error)
	Notice(ctx context.Context, k journal.NoticeKey) (journal.Notice, error)
	NoticeMails
	// RecoverNotice returns false if a failure came after the read of n. Otherwise the
	// caller has the claim of the mail about the recovery.
	RecoverNotice(ctx context.Context, n journal.Notice, claim string) (journal.Notice, bool, error)
	// CloseNotice returns false if a failure came after the read of n.
	CloseNotice(ctx context.Context, n journal.Notice) (bool, error)
}

// FailedObjects finds failed objects in the journal's index and reads their entries.
type FailedObjects interface {
	EachFailed(ctx context.Context, dataset string, code fault.Code, do func(journal.FailedObject)) error
	HasFailed(ctx context.Context, dataset string, code fault.Code, since time.Time) (bool, error)
	Get(ctx context.Context, id object.ID) (journal.Entry, error)
	Newest(ctx context.Context, bucket, key string) (journal.Entry, error)
}

// Digester sends the mails of open notices after the first mail: digests of new
// failures, and one mail about the recovery.
type Digester struct {
	Notices OpenNotices
	Objects FailedObjects
	Mailer  Mailer
	// FirstDigest is the time from the first mail about a cause to the first digest.
	FirstDigest time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Check sends the due mails of all open notices. A fault of one notice doesn't stop the
// mails of others.
func (d *Digester) Check(ctx context.Context) error {
	open, err := d.Notices.OpenNotices(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(open, func(a, b journal.Notice) int { // the longest waiting first, for the hourly limit
		return cmp.Or(a.NextAt.Compare(b.NextAt), a.MailedAt.Compare(b.MailedAt))
	})
	var faults []error
	for _, n := range open {
		if err := d.check(ctx, n.NoticeKey); err != nil {
			faults = append(faults, fault.ForObject(err, "", 0, n.Dataset, ""))
		}
	}
	return errors.Join(faults...)
}

func (d *Digester) check(ctx context.Context, k journal.NoticeKey) error {
	n, err := d.Notices.Notice(ctx, k)
	if err != nil || n.Claimed(d.Now()) {
		return err
	}
	switch {
	case n.Status == journal.NoticeRecovered:
		return d.checkRecovered(ctx, n)
	case n.Status != journal.NoticeOpen:
		return nil
	case n.Kind == kindFailure:
		return d.checkObjects(ctx, n)
	case n.Kind == kindMessage, n.Kind == kindDelayed:
		return d.checkMessages(ctx, n)
	default:
		return nil
	}
}

// checkObjects sends a digest of new failed objects, or checks the recovery.
func (d *Digester) checkObjects(ctx context.Context, n journal.Notice) error {
	if !n.NextAt.After(d.Now()) {
		fresh, err := d.Objects.HasFailed(ctx, n.Dataset, fault.Code(n.Code), n.MailedUntil)
		if err == nil && fresh {
			return d.sendObjects(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	failed, err := d.Objects.HasFailed(ctx, n.Dataset, fault.Code(n.Code), time.Time{})
	if err != nil || failed {
		return err
	}
	return d.checkRecovery(ctx, n)
}

// survey describes the failed objects of a cause at one time.
type survey struct {
	// failed is the number of all objects, and fresh the number of the new ones.
	failed, fresh int
	// first and last are the first and the last new objects.
	first, last []journal.FailedObject
	// sample has the last objects.
	sample []object.ID
}

// survey reads all failed objects of a cause. New are the objects that failed after the
// last mail and before the time until.
func (d *Digester) survey(ctx context.Context, n journal.Notice, until time.Time) (survey, error) {
	const half = maxListedObjects / 2
	var s survey
	err := d.Objects.EachFailed(ctx, n.Dataset, fault.Code(n.Code), func(f journal.FailedObject) {
		s.failed++
		s.sample = appendLast(s.sample, f.ID, maxSample)
		switch {
		case f.At.Before(n.MailedUntil), !f.At.Before(until), slices.Contains(n.MailedKeys, f.Key()):
			return
		case len(s.first) < half:
			s.first = append(s.first, f)
		default:
			s.last = appendLast(s.last, f, half)
		}
		s.fresh++
	})
	return s, err
}

// appendLast appends an element and keeps the last elements, at most most.
func appendLast[E any](elements []E, element E, most int) []E {
	if len(elements) == most {
		elements = elements[1:]
	}
	return append(elements, element)
}

func (d *Digester) settleTime() time.Duration { return min(maxSettleTime, d.FirstDigest) }

// sendObjects sends a digest of the new failed objects, if there are any.
func (d *Digester) sendObjects(ctx context.Context, n journal.Notice) error {
	until := d.Now().Add(-d.settleTime()).Truncate(time.Millisecond)
	s, err := d.survey(ctx, n, until)
	if err != nil {
		return err
	}
	if s.fresh == 0 {
		if len(n.MailedKeys) > 0 { // the last mail has the objects: the next check is cheaper
			return d.Notices.AdvanceNotice(ctx, n, until)
		}
		return nil // the objects failed a moment ago
	}
	failures, err := d.failuresOf(ctx, n, slices.Concat(s.first, s.last))
	if err != nil {
		return err
	}
	g := &group{failures: failures, count: s.fresh, stillFailed: s.failed}
	return d.send(ctx, n, g, journal.Mailed{Until: until, Sample: s.sample})
}

// failuresOf returns the failures of objects, with the entries of the journal.
func (d *Digester) failuresOf(ctx context.Context, n journal.Notice, objects []journal.FailedObject) ([]failure, error) {
	failures := make([]failure, 0, len(objects))
	for _, o := range objects {
		entry, err := d.Objects.Get(ctx, o.ID)
		if err != nil && !errors.Is(err, journal.ErrNotFound) {
			return nil, err
		}
		f := failure{objectID: string(o.ID), dataset: n.Dataset, code: n.Code, hint: fault.Code(n.Code).Hint(), at: o.At}
		if err == nil {
			f.stage, f.cause, f.hint, f.queryID = entry.Stage, entry.Cause, cmp.Or(entry.Hint, f.hint), entry.QueryID
			f.addEntry(entry)
			newest, err := d.Objects.Newest(ctx, f.object.Bucket, f.object.Key)
			f.isNewest = err == nil && newest.ID == o.ID
		}
		failures = append(failures, f)
	}
	return failures, nil
}

// checkMessages sends a digest of new failures without an object. A notice without new
// failures closes after quietTime.
func (d *Digester) checkMessages(ctx context.Context, n journal.Notice) error {
	now := d.Now()
	keys, count := n.Pending()
	switch {
	case count == 0 && (n.Kind == kindDelayed || now.Sub(n.SeenAt) >= quietTime):
		_, err := d.Notices.CloseNotice(ctx, n)
		return err
	case count == 0, n.NextAt.After(now):
		return nil
	}
	g := &group{count: count}
	for _, text := range []string{n.PendingFirst, n.PendingLast} {
		f, found := decodeFailure(text, n.NoticeKey)
		if known := len(g.failures) > 0 && g.failures[0].identity() == f.identity(); found && !known {
			g.failures = append(g.failures, f)
		}
	}
	if len(g.failures) > count {
		g.failures = g.failures[len(g.failures)-count:] // the first one is in a mail already
	}
	return d.send(ctx, n, g, journal.Mailed{Keys: keys, PendingKeys: n.PendingKeys, PendingMore: n.PendingMore})
}

// send claims and sends the digest of a notice. The mail is for the state of the notice
// n: after a newer mail, the claim fails and nothing is sent.
func (d *Digester) send(ctx context.Context, n journal.Notice, g *group, m journal.Mailed) error {
	claim := rand.Text()
	claimed, mine, err := d.Notices.ClaimMail(ctx, n, claim)
	if err != nil || !mine {
		return err
	}
	m.Count, m.Doublings = g.size(), claimed.Doublings
	if n.Mails > 0 {
		m.Doublings++
	}
	m.NextAt = d.Now().Add(digestDelay(d.FirstDigest, m.Doublings))
	g.kind, g.dataset, g.code, g.follows = n.Kind, n.Dataset, n.Code, n.Mails > 0
	if n.Kind != kindDelayed {
		g.nextMailAt = m.NextAt
	}
	if err := d.Mailer.sendClaimed(ctx, d.Notices, claimed, claim, compose(g, d.Mailer.Site)); err != nil {
		return ignoreLater(err)
	}
	telemetry.Logger(ctx).InfoContext(ctx, "digest published",
		telemetry.KeyDataset, n.Dataset, telemetry.KeyCode, n.Code, telemetry.KeyCount, g.size())
	return d.Notices.RecordMail(ctx, claimed, m)
}
