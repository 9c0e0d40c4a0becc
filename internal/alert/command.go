package alert

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/shell"
	"github.com/firn-data/firn/internal/work"
)

// commands are the shell commands of a mail. Any of them may be empty. All commands that
// change a state come from the table in internal/help.
type commands struct {
	// next is the command to type after the hint was followed.
	next string
	// show prints the state and changes nothing.
	show string
	// reload reloads the files after next.
	reload string
	// fallback redrives the same file after a change of the contract. Only codes whose
	// usual help is a file have a fallback.
	fallback string
}

func commandsFor(g *group) commands {
	switch {
	case g.isHeld():
		return g.heldCommands()
	case g.report != nil:
		return g.columnCommands()
	case g.settled():
		return commands{next: g.status()}
	}
	subject, ways := g.commandSubject(), g.help()
	usual, _ := ways.Main(subject)
	c := commands{next: usual.Command(subject).String(), show: g.show()}
	switch {
	case usual.Kind == help.Put, usual.Kind == help.Dismiss:
		c.fallback = redriveOf(ways.Others(subject), subject)
	case usual.Kind == help.Redrive && ways.Has(help.Put): // several files, or a key that no command can name
		c.next, c.fallback = "", c.next
	case c.next == "" && fault.Code(g.code) == fault.BadRequest:
		c.next = "firn ingest --help"
	}
	if c.next == "" {
		c.next, c.show = c.show, ""
	}
	return c
}

// show returns the command that shows the state of the group. The audit lists the
// command of each object whose withdrawal failed.
func (g *group) show() string {
	if fault.Code(g.code) == fault.NotWithdrawn {
		return "firn audit --dataset " + shell.Quote(g.dataset)
	}
	return g.status()
}

// redriveOf returns the command of the redrive among the ways; empty for none.
func redriveOf(ways []help.Way, s help.Subject) string {
	for _, way := range ways {
		if way.Kind == help.Redrive {
			return way.Command(s).String()
		}
	}
	return ""
}

// unannounced is the audit's kind of difference for an object without a journal entry.
const unannounced = "unannounced"

// help returns the ways out of the group's state. No redrive finds an object without a
// journal entry.
func (g *group) help() help.Help {
	if g.isUnannounced() {
		return help.ForDifference(unannounced)
	}
	return help.ForCode(fault.Code(g.code))
}

// isUnannounced reports whether the journal has no entry of an object, and the bucket may
// still have the version.
func (g *group) isUnannounced() bool {
	return fault.Code(g.code) != fault.ObjectGone && g.has(func(f failure) bool { return f.notInJournal })
}

// commandSubject returns the group as the subject of a command. Several messages without an
// object have no command.
func (g *group) commandSubject() help.Subject {
	only := g.failures[0]
	s := help.Subject{Dataset: g.dataset, Code: fault.Code(g.code), InJournal: true}
	if len(g.failures) > 1 {
		if !g.has(func(f failure) bool { return f.objectID == "" }) {
			s.Objects = len(g.failures)
		}
		return s
	}
	switch {
	case only.objectID != "":
		s.Objects, s.Name, s.ID, s.Key = 1, only.name(), object.ID(only.objectID), only.landingKey()
	case fault.Code(g.code) == fault.NotWithdrawn:
		s.Objects, s.Name, s.Reason = 1, typable(only.subject), "deleted in S3"
	case fault.Code(g.code) != fault.BadRequest: // the interval of a bad request is wrong or missing
		if start, end, found := interval(only); found {
			s.Start, s.End = start, end
		}
	}
	return s
}

func (g *group) status() string {
	only := g.failures[0]
	if len(g.failures) == 1 && only.objectID != "" && !only.notInJournal {
		return statusCommand + " " + shell.Quote(only.name())
	}
	return statusOf(g.dataset)
}

// name returns the object as an argument of firn's commands: the URI, or the id if the
// URI is unprintable or means a newer version.
func (f *failure) name() string {
	if uri := typable(f.object.URI()); f.isNewest && uri != "" {
		return uri
	}
	return f.objectID
}

// landingKey returns the key for a corrected file. A corrected file of an older version would
// replace the newest version, so an older version has no key.
func (f *failure) landingKey() string {
	if f.isNewest || f.state == "" {
		return typable(f.object.Key)
	}
	return ""
}

// typable returns the text, or an empty text if a person can't type a character.
func typable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return ""
	}
	return text
}

// interval returns the interval in the run id, or the interval in the request.
func interval(f failure) (start, end time.Time, found bool) {
	if start, end, found := work.IntervalOf(f.runID); found {
		return start, end, true
	}
	var request struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	}
	err := json.Unmarshal([]byte(f.body), &request)
	return request.Start, request.End, err == nil && request.Start.Before(request.End)
}
