package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// failure is one entry of a mail: one object, or one message without an object.
type failure struct {
	messageID                           string
	stage, code, dataset                string
	cause, hint                         string
	subject, queryID, runID             string
	objectID                            string
	object                              object.Object
	at                                  time.Time
	state                               journal.State
	attempts                            int
	rowsRead, rowsWritten, rowsRejected int64
	// reloadNote describes the rows in the table after a failed reload; empty if there
	// are none.
	reloadNote string
	// isNewest reports whether the object is the newest version of its key. Only then
	// the key is enough to name the object.
	isNewest bool
	// notInJournal reports whether the journal has no entry of the object.
	notInJournal bool
	// body is the body of the message, for a failure without an object.
	body string
	// held is the delivery of an announcement of a held delivery; nil for a failure.
	held *work.HeldDelivery
	// announced has the new columns of an announcement. column is the column of an entry
	// in the mail. Both are nil for a failure.
	announced *work.NewColumns
	column    *work.NewColumn
}

// reported returns the failure of a dead letter from a stage.
func reported(m batch.Message, l work.DeadLetter) failure {
	f := failure{
		messageID: m.ID, stage: l.Stage, code: string(l.Code), dataset: l.Dataset,
		cause: l.Cause, hint: l.Hint, subject: l.Subject, objectID: string(l.ObjectID),
		queryID: l.QueryID, runID: l.RunID, at: m.Sent, body: m.Body, held: heldDelivery(string(l.Code), m.Body),
		announced: newColumns(string(l.Code), m.Body),
	}
	if f.hint == "" {
		f.hint = fault.Code(f.code).Hint()
	}
	if f.objectID != "" {
		f.setObject()
	}
	return f
}

// setObject reads bucket and key from the subject.
func (f *failure) setObject() {
	if bucket, key, err := object.ParseURI(f.subject); err == nil {
		f.object = object.Object{Bucket: bucket, Key: key}
	}
}

// addJournalState adds the state of the object in the journal. If the journal is
// unavailable, the mail is shorter but isn't delayed.
func (a *Alerter) addJournalState(ctx context.Context, f *failure) {
	if f.objectID == "" {
		return
	}
	entry, err := a.Journal.Get(ctx, object.ID(f.objectID))
	switch {
	case err == nil:
		f.addEntry(entry)
	case errors.Is(err, journal.ErrNotFound):
		f.notInJournal = true
		return
	default:
		telemetry.Logger(ctx).WarnContext(ctx, "mail without the journal state",
			telemetry.KeyObject, f.objectID, telemetry.KeyError, err.Error())
	}
	newest, err := a.Journal.Newest(ctx, f.object.Bucket, f.object.Key)
	f.isNewest = err == nil && string(newest.ID) == f.objectID
}

// addEntry copies the journal's fields into the failure.
func (f *failure) addEntry(entry journal.Entry) {
	f.object, f.state, f.attempts = entry.Object, entry.State, entry.Attempts
	f.rowsRead, f.rowsWritten, f.rowsRejected = entry.RowsRead, entry.RowsWritten, entry.RowsRejected
	if f.dataset == "" {
		f.dataset = entry.Dataset
	}
	if entry.KeepsEarlierRows() {
		f.reloadNote = fmt.Sprintf("failed; the table keeps the %d rows of the earlier load %s", entry.RowsLoaded, entry.LoadID)
	}
	if failedAt := entry.Times[journal.Failed]; entry.State == journal.Failed && !failedAt.IsZero() {
		f.at = failedAt
	}
}

// identity returns the key of a failure within a group. Two dead letters of one object
// have the same identity, and the mail lists the object once.
func (f *failure) identity() string {
	switch {
	case f.objectID != "":
		return f.objectID
	case f.held != nil:
		return f.held.Name
	}
	return f.messageID
}

// kind returns the kind of the notice for the failure.
func (f *failure) kind() string {
	switch {
	case f.held != nil, fault.Code(f.code) == fault.NotWithdrawn:
		return kindDelayed
	case f.objectID != "" && !f.notInJournal:
		return kindFailure
	default:
		return kindMessage
	}
}

// key names the failure in the notice. A redelivery has the same key, and a second
// failure of an object has another key.
func (f *failure) key() string {
	if f.kind() == kindFailure {
		return journal.FailedObject{ID: object.ID(f.objectID), At: f.at}.Key()
	}
	return f.identity()
}

// group has the failures of one dataset with one code and of one kind. A group becomes
// one mail, or waits for the next mail of its notice.
type group struct {
	dataset, code, kind string
	// failures are all failures of the mail, or only the first and the last ones, see
	// size.
	failures []failure
	// messages are the ids of the dead letters in the mail.
	messages []string
	// report has the new columns of a mail; nil for another mail.
	report *columnReport
	// count is the number of failures in a digest; 0 for len(failures).
	count int
	// follows reports whether the mail is not the first one about its cause.
	follows bool
	// stillFailed is the number of objects that are failed with the code; 0 if unknown.
	stillFailed int
	// nextMailAt is the earliest time of the next mail about the same cause; the zero
	// time if no notice collects further failures.
	nextMailAt time.Time
}

// size returns the number of failures, deliveries or columns that the mail is about.
func (g *group) size() int {
	if g.report != nil {
		return g.report.columns.Count()
	}
	return max(g.count, len(g.failures))
}

// listed returns the failures that the mail lists: all, or the first and the last ones.
func (g *group) listed() (first, last []failure) {
	n := len(g.failures)
	if g.size() == n && n <= maxListedObjects {
		return g.failures, nil
	}
	half := min(maxListedObjects/2, (n+1)/2)
	return g.failures[:half], g.failures[max(half, n-maxListedObjects/2):]
}

// notice returns the key of the group's notice.
func (g *group) notice() journal.NoticeKey {
	return journal.NoticeKey{Kind: g.kind, Dataset: g.dataset, Code: g.code}
}

type groups []*group

// add appends failures to their groups, in the order of arrival.
func (all *groups) add(failures ...failure) {
	for _, f := range failures {
		g := all.of(f.dataset, f.code, f.kind())
		if !slices.Contains(g.messages, f.messageID) {
			g.messages = append(g.messages, f.messageID)
		}
		known := slices.ContainsFunc(g.failures, func(other failure) bool { return other.identity() == f.identity() })
		if !known {
			g.failures = append(g.failures, f)
		}
	}
}

func (all *groups) of(dataset, code, kind string) *group {
	for _, g := range *all {
		if g.dataset == dataset && g.code == code && g.kind == kind {
			return g
		}
	}
	g := &group{dataset: dataset, code: code, kind: kind}
	*all = append(*all, g)
	return g
}

// noun returns the counted thing: "object", "objects", "message" or "messages",
// "delivery" or "deliveries", "column" or "columns".
func (g *group) noun() string {
	if g.report != nil && g.size() == 1 {
		return "column"
	} else if g.report != nil {
		return "columns"
	}
	if g.isHeld() && g.size() == 1 {
		return "delivery"
	} else if g.isHeld() {
		return "deliveries"
	}
	noun := "object"
	for _, f := range g.failures {
		if f.objectID == "" {
			noun = "message"
		}
	}
	if g.size() == 1 {
		return noun
	}
	return noun + "s"
}

// firstLine returns a text's first line without control characters.
func firstLine(text string) string {
	line, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if strings.TrimSpace(rest) != "" {
		line += " ..."
	}
	return strings.TrimSpace(plain(line))
}
