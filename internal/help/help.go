// Package help has the table of the commands that help: for each fault code and for each
// difference of the audit, the ways out of the state. Mails, `firn status`, `firn audit`
// and docs/runbook.md name the commands of this table and no others. A test runs each
// command from the state that names it, or from a recorded fault.
package help

import (
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/shell"
)

// Kind is a kind of help.
type Kind string

// The kinds. All kinds but Wait have a command.
const (
	// Wait: no command is needed, because firn continues by itself or nothing is open.
	Wait Kind = "wait"
	// Put uploads a corrected or complete file to the same key.
	Put Kind = "put"
	// Redrive tries one failed object again, or all failed objects of a dataset and a
	// code.
	Redrive Kind = "redrive"
	// Reload transforms and loads an object again as the next generation.
	Reload Kind = "reload"
	// Dismiss gives up one failed object, or all failed objects of a dataset and a code.
	Dismiss Kind = "dismiss"
	// Withdraw ends the rows of an object, or completes a withdrawal.
	Withdraw Kind = "withdraw"
	// Accept accepts a held delivery.
	Accept Kind = "accept"
	// Ingest ingests the interval of a run again.
	Ingest Kind = "ingest"
	// Migrate makes missing tables and changes tables to their contracts.
	Migrate Kind = "migrate"
	// Resume ends the pause of a dataset.
	Resume Kind = "resume"
	// Sweep announces versions without a journal entry, and continues stopped objects.
	Sweep Kind = "sweep"
	// Query runs one statement in Snowflake.
	Query Kind = "query"
)

// Kinds returns all kinds, sorted.
func Kinds() []Kind {
	return []Kind{Accept, Dismiss, Ingest, Migrate, Put, Query, Redrive, Reload, Resume, Sweep, Wait, Withdraw}
}

// Way is one way out of a state.
type Way struct {
	// First is the work outside of firn's commands that comes first: a grant, a key, a
	// contract, a file. Empty if the command alone helps.
	First string
	// Kind is the kind of the command.
	Kind Kind
	// applies reports whether the way helps the subject. Nil for every subject.
	applies func(Subject) bool
}

// Help has the ways out of a state, the usual way first.
type Help struct{ Ways []Way }

// Subject is the thing that a command is about. A field is empty if the command doesn't
// need the value, or if the caller doesn't know the value.
type Subject struct {
	// Dataset is "<source>.<entity>"; empty for keys without a contract.
	Dataset string
	// Code is the code of failed objects.
	Code fault.Code
	// Objects is the number of objects. Only one object can be named.
	Objects int
	// Name is the object's s3:// URI or id, for commands that take both.
	Name string
	// ID is the object's id, for commands that must name one version.
	ID object.ID
	// Key is the object's landing key.
	Key string
	// InJournal reports whether the journal has an entry of the object.
	InJournal bool
	// Start and End are the interval of a run. The zero time means no run.
	Start, End time.Time
	// Delivery is the name of a held delivery.
	Delivery string
	// Reason is the reason of a withdrawal or a dismissal. Empty for a reason that the
	// person has to write.
	Reason string
	// Statement is the statement of a query.
	Statement string
	// Paused reports whether the dataset is paused, and Behind whether the table is
	// older than the contract.
	Paused, Behind bool
	// Successor is a newer version that can be reloaded; empty for none.
	Successor object.ID
}

// Command is a command with its arguments. Nil means no command.
type Command []string

// String returns the command as a line of a shell. The placeholders FILE and TEXT are for
// the reader.
func (c Command) String() string {
	words := make([]string, len(c))
	for i, word := range c {
		words[i] = shell.Quote(word)
	}
	return strings.Join(words, " ")
}

// Placeholders for values that only the person knows.
const (
	fileName   = "FILE"
	reasonText = "TEXT"
)

// program is the name of the command.
const program = "firn"

// Main returns the usual way for the subject: the first way that applies and has a
// command, or Wait. The result is false without such a way.
func (h Help) Main(s Subject) (Way, bool) {
	for _, way := range h.Ways {
		if way.fits(s) {
			return way, true
		}
	}
	return Way{}, false
}

// Others returns the ways after the usual way that fit the subject.
func (h Help) Others(s Subject) []Way {
	usual, _ := h.Main(s)
	var others []Way
	for _, way := range h.Ways {
		if way.fits(s) && way.Kind != usual.Kind {
			others = append(others, way)
		}
	}
	return others
}

// Command returns the command of the usual way; nil for none.
func (h Help) Command(s Subject) Command {
	way, _ := h.Main(s)
	return way.Command(s)
}

// Has reports whether one of the ways has the kind.
func (h Help) Has(kind Kind) bool {
	return slices.ContainsFunc(h.Ways, func(w Way) bool { return w.Kind == kind })
}

// fits reports whether the way helps the subject. A way with a command needs the values
// of its command.
func (w Way) fits(s Subject) bool {
	if w.applies != nil && !w.applies(s) {
		return false
	}
	return w.Kind == Wait || w.Command(s) != nil
}

// Command returns the command of the way for the subject. The result is nil for Wait, and
// if a value of the command is missing.
func (w Way) Command(s Subject) Command {
	if compose := commands[w.Kind]; compose != nil {
		return compose(s)
	}
	return nil
}

// commands has the command of each kind.
var commands = map[Kind]func(Subject) Command{
	Put:      put,
	Redrive:  redrive,
	Reload:   reload,
	Dismiss:  dismiss,
	Withdraw: withdraw,
	Accept:   accept,
	Ingest:   ingest,
	Migrate:  func(Subject) Command { return Command{program, "migrate"} },
	Resume:   resume,
	Sweep:    func(Subject) Command { return Command{program, "sweep"} },
	Query:    query,
}

func put(s Subject) Command {
	if s.Key == "" {
		return nil
	}
	return Command{program, "put", "--key", s.Key, fileName}
}

func redrive(s Subject) Command {
	failed := failedObjects(s)
	if failed == nil {
		return nil
	}
	return append(Command{program, "redrive"}, failed...)
}

// failedObjects returns the arguments for one object, or for a dataset and a code.
func failedObjects(s Subject) []string {
	switch {
	case s.Objects == 1 && s.Name != "":
		return []string{s.Name}
	case s.Objects <= 1 || s.Code == "":
		return nil
	case s.Dataset == "":
		return []string{"--dataset", "-", "--code", string(s.Code)}
	default:
		return []string{"--dataset", s.Dataset, "--code", string(s.Code)}
	}
}

func dismiss(s Subject) Command {
	failed := failedObjects(s)
	if failed == nil {
		return nil
	}
	return append(append(Command{program, "dismiss"}, failed...), "--reason", reason(s))
}

func reason(s Subject) string {
	if s.Reason == "" {
		return reasonText
	}
	return s.Reason
}

// reload names the newer version if the subject was replaced by a version that is lost.
// The dataset is for an object that only the ledger has.
func reload(s Subject) Command {
	id := s.ID
	if s.Successor != "" {
		id = s.Successor
	}
	switch {
	case id == "":
		return nil
	case s.InJournal:
		return Command{program, "reload", "--object", string(id)}
	default:
		return Command{program, "reload", "--dataset", s.Dataset, "--object", string(id)}
	}
}

func withdraw(s Subject) Command {
	if s.Objects != 1 || s.Name == "" {
		return nil
	}
	command := Command{program, "withdraw", s.Name, "--reason", reason(s)}
	if !s.InJournal {
		command = append(command, "--dataset", s.Dataset)
	}
	return command
}

func accept(s Subject) Command {
	if s.Dataset == "" || s.Delivery == "" {
		return nil
	}
	return Command{program, "accept", s.Dataset, s.Delivery}
}

func ingest(s Subject) Command {
	if s.Dataset == "" || !isRun(s) {
		return nil
	}
	return Command{program, "ingest", s.Dataset, "--start", s.Start.UTC().Format(time.RFC3339), "--end", s.End.UTC().Format(time.RFC3339)}
}

func resume(s Subject) Command {
	if s.Dataset == "" {
		return nil
	}
	return Command{program, "resume", s.Dataset}
}

func query(s Subject) Command {
	if s.Statement == "" {
		return nil
	}
	return Command{program, "query", s.Statement}
}

func isRun(s Subject) bool { return !s.Start.IsZero() }
