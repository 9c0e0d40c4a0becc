package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/firn-data/firn/internal/object"
)

// The prefixes of keys. "notice#" with kind, dataset and code is a notice. "mails#" with
// an hour in UTC is the number of the hour's mails.
const (
	noticePrefix = "notice#"
	mailsPrefix  = "mails#"
)

// noticePartition is the partition of the open notices in the index "work". The order
// is kind, dataset and code.
const noticePartition = "notice"

const (
	// closedNoticeTime is the time after which DynamoDB deletes a closed notice.
	closedNoticeTime = 30 * 24 * time.Hour
	// mailCountTime is the time after which DynamoDB deletes the count of an hour.
	mailCountTime = 48 * time.Hour
	// MaxPendingKeys is the number of pending failures that a notice tells apart. The
	// notice only counts further failures, and counts a repeated one twice.
	MaxPendingKeys = 1000
)

// NoticeKey names a notice: the kind of the notice and the cause of the failures.
type NoticeKey struct {
	// Kind separates the uses of notices, for example "failure". alert defines the
	// kinds.
	Kind string
	// Dataset is "<source>.<entity>"; empty for a cause without a dataset.
	Dataset string
	Code    string
}

// sortKey is the notice's place in the index. Long names are shortened, because
// DynamoDB limits a sort key to 1,024 bytes.
func (k NoticeKey) sortKey() string {
	dataset := k.Dataset
	if dataset == "" {
		dataset = noDataset
	}
	return k.Kind + "#" + shortName(dataset) + "#" + shortName(k.Code)
}

func (k NoticeKey) pk() string { return noticePrefix + k.sortKey() }

// shortName returns a name of at most 200 bytes. A longer name keeps its beginning, and
// a hash keeps the name distinct.
func shortName(name string) string {
	const longest, kept = 200, 160
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.ToValidUTF8(name[:kept], "") + "~" + hex.EncodeToString(sum[:])[:longest-kept-1]
}

// NoticeStatus is the status of a notice.
type NoticeStatus string

// The status of a notice. A notice without a record has the empty status.
const (
	// NoticeOpen: the cause has had failures, and has not recovered.
	NoticeOpen NoticeStatus = "open"
	// NoticeRecovered: no object is failed any more, and the mail about the recovery is
	// due. A new failure opens the notice anew, without that mail.
	NoticeRecovered NoticeStatus = "recovered"
	// NoticeClosed: all mails of the notice are sent.
	NoticeClosed NoticeStatus = "closed"
)

// Notice is the record of the mails about one cause, from the first failure to the
// recovery. A new failure after the recovery opens the notice anew.
type Notice struct {
	NoticeKey

	// ID is the random id of the opening.
	ID     string
	Status NoticeStatus
	// OpenedAt is the time of the opening, and SeenAt the time of the newest message
	// about the cause.
	OpenedAt, SeenAt time.Time
	// ClaimedUntil is the end of the claim of a mail; the zero time without a claim.
	ClaimedUntil time.Time
	// NextAt is the earliest time of the next mail.
	NextAt time.Time
	// MailedAt is the time of the last mail; the zero time before the first mail.
	MailedAt time.Time
	// MailedUntil: the mails have all failures before this time. The zero time before
	// the first digest.
	MailedUntil time.Time
	// Mails is the number of mails since the opening, and Total the number of failures
	// in these mails.
	Mails, Total int
	// Doublings is the number of times that the interval between mails has doubled.
	Doublings int
	// MailedKeys are failures of the last mail that don't count as new.
	MailedKeys []string
	// Sample has ids of failed objects. The notice recovers after these objects.
	Sample []object.ID
	// PendingKeys are the keys of failures without an object that wait for a mail, and
	// PendingMore is the number of further such failures.
	PendingKeys []string
	PendingMore int
	// PendingFirst and PendingLast describe two of the waiting failures, in alert's
	// form. Either may be empty.
	PendingFirst, PendingLast string
}

// Claimed reports whether a caller has the claim of the next mail at the time.
func (n Notice) Claimed(now time.Time) bool { return n.ClaimedUntil.After(now) }

// Pending returns the keys of the waiting failures without the keys of the last mail,
// and the number of all waiting failures.
func (n Notice) Pending() (keys []string, count int) {
	keys = slices.DeleteFunc(slices.Clone(n.PendingKeys), func(key string) bool { return slices.Contains(n.MailedKeys, key) })
	return keys, len(keys) + n.PendingMore
}

func decodeNotice(attributes map[string]types.AttributeValue) (Notice, error) {
	i := &item{attributes: attributes}
	n := Notice{
		NoticeKey: NoticeKey{Kind: i.text("kind"), Dataset: i.text("dataset"), Code: i.text("code")},
		ID:        i.text("notice"), Status: NoticeStatus(i.text("status")),
		OpenedAt: i.instant("opened_at"), SeenAt: i.instant("seen_at"), ClaimedUntil: i.instant("claimed_until"),
		NextAt: i.instant("next_at"), MailedAt: i.instant("mailed_at"), MailedUntil: i.instant("mailed_until"),
		Mails: int(i.number("mails")), Total: int(i.number("total")), Doublings: int(i.number("doublings")),
		MailedKeys: i.set("mailed_keys"), PendingKeys: i.set("pending_keys"), PendingMore: int(i.number("pending_more")),
		PendingFirst: i.text("pending_first"), PendingLast: i.text("pending_last"),
	}
	for _, id := range i.set("sample") {
		n.Sample = append(n.Sample, object.ID(id))
	}
	return n, i.err
}

// set reads a set of texts, in the order of the texts.
func (i *item) set(name string) []string {
	set, _ := i.attributes[name].(*types.AttributeValueMemberSS)
	if set == nil {
		return nil
	}
	return slices.Sorted(slices.Values(set.Value))
}

// setTexts sets an attribute to a set of texts. DynamoDB has no empty set, so an empty
// set removes the attribute.
func (c *change) setTexts(name string, texts []string) *change {
	if len(texts) == 0 {
		return c.clear(name)
	}
	return c.set(name, textSet(texts))
}

// textSet returns a set of texts. DynamoDB refuses a text that is in a set twice.
func textSet(texts []string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: slices.Compact(slices.Sorted(slices.Values(texts)))}
}

// Notice returns the notice; without a record, a notice with an empty status.
func (t *Table) Notice(ctx context.Context, k NoticeKey) (Notice, error) {
	i, err := t.find(ctx, k.pk())
	if err != nil {
		return Notice{}, err
	}
	n, err := decodeNotice(i.attributes)
	n.NoticeKey = k
	return n, err
}

// OpenNotices returns the open and the recovered notices. The index is eventually
// consistent: a caller reads a notice again before a mail.
func (t *Table) OpenNotices(ctx context.Context) ([]Notice, error) {
	var notices []Notice
	err := t.eachItem(ctx, queryWorkIndex(noticePartition, ""), func(attributes map[string]types.AttributeValue) (bool, error) {
		n, err := decodeNotice(attributes)
		notices = append(notices, n)
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	return notices, nil
}

// OpenNotice opens the notice of a cause and gives the first mail to the caller, for a
// minute. claim is a random text of the caller. The result is false if the notice is
// open already; the returned notice is the current one.
func (t *Table) OpenNotice(ctx context.Context, k NoticeKey, claim string) (Notice, bool, error) {
	now := t.Now()
	c := newChange("").
		set("notice", text(claim)).set("kind", text(k.Kind)).set("dataset", text(k.Dataset)).set("code", text(k.Code)).
		set("status", text(string(NoticeOpen))).
		set("opened_at", instant(now)).set("seen_at", instant(now)).set("next_at", instant(now)).
		set("mails", number(0)).set("total", number(0)).
		set("claim", text(claim)).set("claimed_until", instant(now.Add(claimTime))).
		set("work_pk", text(noticePartition)).set("work_sk", text(k.sortKey())).
		clear("mailed_at", "mailed_until", "mailed_keys", "sample", "doublings", "expires_at").
		clear("pending_keys", "pending_more", "pending_first", "pending_last").
		where("attribute_not_exists(#status) OR #status <> :status")
	n, opened, err := t.writeNotice(ctx, k, c)
	if err != nil || opened {
		return n, opened, err
	}
	n, err = t.Notice(ctx, k)
	return n, n.ID == claim, err // the AWS client may have sent the request twice
}

// of limits a change to the notice that the caller has read: the same opening, status
// and number of mails.
func (c *change) of(n Notice) *change {
	return c.where("#notice = :was_notice AND #status = :was_status AND #mails = :was_mails", "notice", "status", "mails").
		bind(":was_notice", text(n.ID)).bind(":was_status", text(string(n.Status))).bind(":was_mails", number(int64(n.Mails)))
}

// ClaimMail gives the next mail of a notice to the caller, for a minute. The result is
// false if another caller has the claim, or if another mail was sent after the read of
// n. The returned notice is the current one.
func (t *Table) ClaimMail(ctx context.Context, n Notice, claim string) (Notice, bool, error) {
	now := t.Now()
	return t.writeNotice(ctx, n.NoticeKey, newChange("").of(n).
		set("claim", text(claim)).set("claimed_until", instant(now.Add(claimTime))).
		where("attribute_not_exists(#claimed_until) OR #claimed_until <= :now OR #claim = :claim").
		bind(":now", instant(now)))
}

// Pending are failures that wait for the next mail of a notice.
type Pending struct {
	// Keys name the failures. A key is counted once, also after a repeated call.
	Keys []string
	// First and Last describe two of the failures. An empty text leaves the former
	// description.
	First, Last string
}

// AddFailures records failures of an open notice. Failures with an object need no key:
// the index has these objects. The result is false if the notice n isn't open any more.
func (t *Table) AddFailures(ctx context.Context, n Notice, p Pending) (bool, error) {
	c := newChange("").set("seen_at", instant(t.Now())).
		where("#notice = :was_notice AND #status = :open", "notice", "status").
		bind(":was_notice", text(n.ID)).bind(":open", text(string(NoticeOpen)))
	switch {
	case len(p.Keys) == 0:
	case len(n.PendingKeys)+len(p.Keys) <= MaxPendingKeys:
		c.add("pending_keys", textSet(p.Keys))
	default:
		c.add("pending_more", number(int64(len(p.Keys))))
	}
	if p.First != "" && n.PendingFirst == "" {
		c.set("pending_first", text(p.First))
	}
	if p.Last != "" {
		c.set("pending_last", text(p.Last))
	}
	_, open, err := t.writeNotice(ctx, n.NoticeKey, c)
	return open, err
}

// Mailed describes a sent mail of a notice.
type Mailed struct {
	// Count is the number of failures in the mail.
	Count int
	// SeenAt is the new value of Notice.SeenAt. The zero time leaves the value.
	SeenAt time.Time
	// NextAt is the earliest time of the next mail, and Doublings the new value of
	// Notice.Doublings.
	NextAt    time.Time
	Doublings int
	// Until is the new value of Notice.MailedUntil. The zero time leaves the value.
	Until time.Time
	// Keys is the new value of Notice.MailedKeys.
	Keys []string
	// PendingKeys and PendingMore are the failures of the mail that don't wait any more.
	PendingKeys []string
	PendingMore int
	// Sample is the new value of Notice.Sample.
	Sample []object.ID
}

// RecordMail records a sent mail and ends the claim. It changes nothing if another
// caller has recorded a mail after the read of n.
func (t *Table) RecordMail(ctx context.Context, n Notice, m Mailed) error {
	sample := make([]string, len(m.Sample))
	for i, id := range m.Sample {
		sample[i] = string(id)
	}
	c := newChange("").of(n).
		set("mails", number(int64(n.Mails+1))).set("total", number(int64(n.Total+m.Count))).
		set("mailed_at", instant(t.Now())).set("next_at", instant(m.NextAt)).set("doublings", number(int64(m.Doublings))).
		setTexts("mailed_keys", m.Keys).setTexts("sample", sample).
		clear("claim", "claimed_until", "pending_first")
	if !m.Until.IsZero() {
		c.set("mailed_until", instant(m.Until))
	}
	if !m.SeenAt.IsZero() {
		c.set("seen_at", instant(m.SeenAt))
	}
	if m.PendingMore > 0 {
		c.add("pending_more", number(int64(-m.PendingMore)))
	}
	if len(m.PendingKeys) > 0 {
		c.remove("pending_keys", m.PendingKeys)
	}
	_, _, err := t.writeNotice(ctx, n.NoticeKey, c)
	return err
}

// AdvanceNotice sets Notice.MailedUntil without a mail, because the mails have all
// failures before that time. It also clears Notice.MailedKeys.
func (t *Table) AdvanceNotice(ctx context.Context, n Notice, until time.Time) error {
	_, _, err := t.writeNotice(ctx, n.NoticeKey, newChange("").of(n).
		set("mailed_until", instant(until)).clear("mailed_keys"))
	return err
}

// ReleaseMail ends a claim without a mail. next is the earliest time of the next try.
func (t *Table) ReleaseMail(ctx context.Context, n Notice, claim string, next time.Time) error {
	_, _, err := t.writeNotice(ctx, n.NoticeKey, newChange("").of(n).
		set("next_at", instant(next)).
		clear("claim", "claimed_until").
		where("#claim = :was_claim", "claim").bind(":was_claim", text(claim)))
	return err
}

// RecoverNotice marks an open notice as recovered, and gives the mail about the
// recovery to the caller, for a minute. The result is false if a failure, a mail or a
// claim came after the read of n.
func (t *Table) RecoverNotice(ctx context.Context, n Notice, claim string) (Notice, bool, error) {
	now := t.Now()
	return t.writeNotice(ctx, n.NoticeKey, newChange("").
		set("status", text(string(NoticeRecovered))).set("next_at", instant(now)).
		set("claim", text(claim)).set("claimed_until", instant(now.Add(claimTime))).
		where("(#notice = :was_notice AND #status = :was_status AND #mails = :was_mails AND #seen_at = :was_seen AND "+
			"(attribute_not_exists(#claimed_until) OR #claimed_until <= :now)) OR (#notice = :was_notice AND #claim = :claim)",
			"notice", "mails", "seen_at").
		bind(":was_notice", text(n.ID)).bind(":was_status", text(string(n.Status))).bind(":was_mails", number(int64(n.Mails))).
		bind(":was_seen", instant(n.SeenAt)).bind(":now", instant(now)))
}

// CloseNotice closes a notice. The result is false if a failure or a mail came after
// the read of n.
func (t *Table) CloseNotice(ctx context.Context, n Notice) (bool, error) {
	now := t.Now()
	_, closed, err := t.writeNotice(ctx, n.NoticeKey, newChange("").of(n).
		set("status", text(string(NoticeClosed))).set("closed_at", instant(now)).
		set("expires_at", number(now.Add(closedNoticeTime).Unix())).
		clear("work_pk", "work_sk", "claim", "claimed_until").
		where("#seen_at = :was_seen", "seen_at").bind(":was_seen", instant(n.SeenAt)))
	return closed, err
}

// writeNotice makes a change of a notice. The result is the notice after the change, or
// false and only the key if the condition doesn't hold.
func (t *Table) writeNotice(ctx context.Context, k NoticeKey, c *change) (Notice, bool, error) {
	attributes, written, err := t.writeItem(ctx, k.pk(), c)
	if err != nil || !written {
		return Notice{NoticeKey: k}, false, err
	}
	n, err := decodeNotice(attributes)
	return n, true, err
}
