package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/fault"
)

// maxCountTries limits the tries to count a mail next to other callers.
const maxCountTries = 3

// CountMail counts a mail of an hour in UTC. The result is the number of the hour's
// mails with this one. The result is 0, without a count, if the hour has limit mails
// already.
func (t *Table) CountMail(ctx context.Context, at time.Time, limit int) (int, error) {
	for range maxCountTries {
		count, sure, err := t.countMailOnce(ctx, at, limit)
		if err != nil || sure {
			return count, err
		}
	}
	return 0, fault.Dependency("write journal", fault.JournalAway, fmt.Errorf("the count of mails changed during each of %d tries", maxCountTries))
}

// countMailOnce returns false if the write was refused, but the hour has fewer mails
// than the limit.
func (t *Table) countMailOnce(ctx context.Context, at time.Time, limit int) (count int, sure bool, err error) {
	id := rand.Text()
	attributes, counted, err := t.writeItem(ctx, hourKey(at), newChange("").
		count("sent").
		set("expires_at", number(at.Add(mailCountTime).Unix())).
		onlyOnce(id).
		where("attribute_not_exists(#sent) OR #sent < :limit").bind(":limit", number(int64(limit))).
		where(notRepeated))
	if err != nil {
		return 0, false, err
	}
	if !counted {
		if attributes, err = t.get(ctx, hourKey(at)); err != nil {
			return 0, false, err
		}
	}
	i := &item{attributes: attributes}
	sent := int(i.number("sent"))
	if counted || i.text(attributeChangeID) == id { // the AWS client may have sent the request twice
		return sent, true, i.err
	}
	return 0, sent >= limit, i.err
}

// UncountMail takes back the count of a mail that wasn't sent. at is the time of the
// count.
func (t *Table) UncountMail(ctx context.Context, at time.Time) error {
	_, err := t.writeOnce(ctx, hourKey(at), newChange("").
		subtract("sent").
		where("#sent > :zero").bind(":zero", number(0)))
	return err
}

func hourKey(at time.Time) string { return mailsPrefix + at.UTC().Format("2006-01-02T15") }
