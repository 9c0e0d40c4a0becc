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
	// held is the delivery of a notice about a held delivery; nil for a failure.
	held *work.HeldDelivery
	// notice has the new columns of a notice. column is the column of an entry in the
	// mail. Both are nil for a failure.
	notice *work.NewColumns
	column *work.NewColumn
}

// reported returns the failure of a dead letter from a stage.
func reported(m batch.Message, l work.DeadLetter) failure {
	f := failure{
		messageID: m.ID, stage: l.Stage, code: string(l.Code), dataset: l.Dataset,
		cause: l.Cause, hint: l.Hint, subject: l.Subject, objectID: string(l.ObjectID),
		queryID: l.QueryID, runID: l.RunID, at: m.Sent, body: m.Body, held: heldDelivery(string(l.Code), m.Body),
		notice: newColumns(string(l.Code), m.Body),
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

// group has the failures of one dataset with one code. A group becomes one mail.
type group struct {
	dataset, code string
	failures      []failure
	// messages are the ids of the dead letters in the mail.
	messages []string
	// report has the new columns of a mail; nil for another mail.
	report *columnReport
}

// count returns the number of objects, messages, deliveries or columns in the mail.
func (g *group) count() int {
	if g.report != nil {
		return g.report.columns.Count()
	}
	return len(g.failures)
}

type groups []*group

// add appends failures to their groups, in the order of arrival.
func (all *groups) add(failures ...failure) {
	for _, f := range failures {
		g := all.of(f.dataset, f.code)
		if !slices.Contains(g.messages, f.messageID) {
			g.messages = append(g.messages, f.messageID)
		}
		known := slices.ContainsFunc(g.failures, func(other failure) bool { return other.identity() == f.identity() })
		if !known {
			g.failures = append(g.failures, f)
		}
	}
}

func (all *groups) of(dataset, code string) *group {
	for _, g := range *all {
		if g.dataset == dataset && g.code == code {
			return g
		}
	}
	g := &group{dataset: dataset, code: code}
	*all = append(*all, g)
	return g
}

// noun returns the counted thing: "object", "objects", "message" or "messages",
// "delivery" or "deliveries", "column" or "columns".
func (g *group) noun() string {
	if g.report != nil && g.count() == 1 {
		return "column"
	} else if g.report != nil {
		return "columns"
	}
	if g.isHeld() && len(g.failures) == 1 {
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
	if len(g.failures) == 1 {
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
