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

// failure is what a mail says of one object, or of one message that names no
// object.
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
	// keptRows says what of before a failed reload is in the table; empty if nothing.
	keptRows string
	// isNewest is whether the object is its key's newest version, so that the
	// key alone names it.
	isNewest bool
	// notInJournal is whether the journal has no such object.
	notInJournal bool
	// body is the message, for a failure without an object.
	body string
}

// reported returns the failure of a dead letter that a stage sent.
func reported(m batch.Message, l work.DeadLetter) failure {
	f := failure{
		messageID: m.ID, stage: l.Stage, code: string(l.Code), dataset: l.Dataset,
		cause: l.Cause, hint: l.Hint, subject: l.Subject, objectID: string(l.ObjectID),
		queryID: l.QueryID, runID: l.RunID, at: m.Sent, body: m.Body,
	}
	if f.hint == "" {
		f.hint = fault.Code(f.code).Hint()
	}
	if bucket, key, err := object.ParseURI(f.subject); err == nil && f.objectID != "" {
		f.object = object.Object{Bucket: bucket, Key: key}
	}
	return f
}

// addJournalState adds what the journal knows of the object. A journal that is away
// makes a shorter mail, and no later one.
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
		telemetry.Logger(ctx).WarnContext(ctx, "mail without the journal's part",
			telemetry.KeyObject, f.objectID, telemetry.KeyError, err.Error())
	}
	newest, err := a.Journal.Newest(ctx, f.object.Bucket, f.object.Key)
	f.isNewest = err == nil && string(newest.ID) == f.objectID
}

// addEntry takes over what the journal has.
func (f *failure) addEntry(entry journal.Entry) {
	f.object, f.state, f.attempts = entry.Object, entry.State, entry.Attempts
	f.rowsRead, f.rowsWritten, f.rowsRejected = entry.RowsRead, entry.RowsWritten, entry.RowsRejected
	if f.dataset == "" {
		f.dataset = entry.Dataset
	}
	if entry.KeepsEarlierRows() {
		f.keptRows = fmt.Sprintf("its reload failed: the %d rows of before stay, from load %s", entry.RowsLoaded, entry.LoadID)
	}
	if failedAt := entry.Times[journal.Failed]; entry.State == journal.Failed && !failedAt.IsZero() {
		f.at = failedAt
	}
}

// identity tells failures apart within a group: two dead letters of one object
// are one line of the mail.
func (f *failure) identity() string {
	if f.objectID != "" {
		return f.objectID
	}
	return f.messageID
}

// group is the failures of one dataset with one code: one mail.
type group struct {
	dataset, code string
	failures      []failure
	// messages are the ids of the dead letters that the mail settles.
	messages []string
}

type groups []*group

// add sorts failures into their groups, in the order in which they came.
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

// noun is what the group counts.
func (g *group) noun() string {
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
