package alert

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/firn-data/firn/internal/journal"
)

// mail is one message to the topic's subscribers.
type mail struct{ subject, body string }

const (
	// maxSubjectLength is below the limit of "less than 100 characters long"
	// (SNS API reference, Publish).
	maxSubjectLength = 99
	// maxListedObjects is the number of objects that a mail lists.
	maxListedObjects = 10
	// maxTextLength is the limit of each cause and message body, in characters. A mail
	// has at most ten of both, twice, and must stay below the topic's limit of 256 KiB.
	maxTextLength = 1000
	// Separator is the line between the text for people and the JSON for machines.
	Separator = "---- for machines ----"
)

// compose writes the mail of a group: the failure, the next step, the commands, each
// object, then the same contents as JSON.
func compose(g *group) mail {
	c := commandsFor(g)
	text := &mailText{}
	text.linef("%s", g.headline())
	text.linef("")
	o := g.outcome()
	text.field("To do", o.task)
	if g.settled() {
		text.field("To look", c.next)
	} else {
		text.field("Then type", c.next)
	}
	text.field("To reload", c.reload)
	text.field("Or type", note(c.fallback, "  # if you changed the contract, not the file"))
	text.field("To look", c.show)
	text.field("Data", o.data)
	text.field("If ignored", o.ifIgnored)
	text.field("More", "docs/runbook.md, entry "+plain(g.code))
	if g.report != nil {
		g.report.writeDraft(text)
	}
	listed := g.failures[:min(len(g.failures), maxListedObjects)]
	for i, f := range listed {
		text.linef("\n%d. %s", i+1, f.title(g))
		f.write(text, g)
	}
	if more := g.count() - len(listed); more > 0 && !g.namesNoColumn() {
		text.linef("\nand %d more: %s", more, g.status())
	}
	return mail{subject: g.subject(), body: text.addMachinePart(machineText(g, c))}
}

// mailText is the text of a mail.
type mailText struct{ text strings.Builder }

func (l *mailText) linef(format string, values ...any) { fmt.Fprintf(&l.text, format+"\n", values...) }

// field writes a line with a name and a value. An empty value writes no line.
func (l *mailText) field(name, value string) {
	if value != "" {
		l.linef("%-12s%s", name, value)
	}
}

// addMachinePart appends the part for machines and returns the whole mail.
func (l *mailText) addMachinePart(machines string) string {
	l.linef("\n%s\n%s", Separator, machines)
	return l.text.String()
}

func note(text, remark string) string {
	if text == "" {
		return ""
	}
	return text + remark
}

func (g *group) subject() string {
	dataset := g.dataset
	if dataset == "" {
		dataset = "no dataset"
	}
	return subjectLine(fmt.Sprintf("firn: %s: %s (%d %s)", dataset, g.code, g.count(), g.noun()))
}

// subjectLine returns a legal subject: ASCII without line breaks.
func subjectLine(text string) string {
	subject := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return subject[:min(len(subject), maxSubjectLength)]
}

func (g *group) headline() string {
	if g.isHeld() {
		return g.heldHeadline()
	}
	if g.report != nil {
		return g.columnHeadline()
	}
	of := ""
	if g.dataset != "" {
		of = " of " + plain(g.dataset)
	}
	return fmt.Sprintf("%d %s%s failed: %s", len(g.failures), g.noun(), of, plain(g.code))
}

// hint returns the hint of the first failure. The entries of other failures show their
// hints if they differ.
func (g *group) hint() string { return firstLine(g.failures[0].hint) }

func (f *failure) title(g *group) string {
	switch {
	case g.report != nil:
		return g.columnTitle(f)
	case f.held != nil:
		return "delivery " + printable(f.held.Name)
	case f.object.Key != "":
		return printable(f.object.URI())
	case f.objectID != "":
		return "object " + printable(f.objectID)
	case f.subject != "":
		return printable(f.subject)
	default:
		return "message " + f.messageID
	}
}

func (f *failure) write(text *mailText, g *group) {
	line := func(name, value string) {
		if value != "" {
			text.linef("   %-12s%s", name, value)
		}
	}
	if f.held != nil {
		line("held", f.when())
		f.writeHeld(line, len(g.failures) > 1)
		return
	}
	if g.report != nil {
		f.writeColumn(line)
		return
	}
	line("version", printable(f.object.Version))
	line("failed", f.when())
	if f.attempts > 0 {
		line("attempts", strconv.Itoa(f.attempts))
	}
	line("cause", truncate(firstLine(f.cause)))
	if f.rowsRead > 0 {
		line("rows", fmt.Sprintf("%d read, %d good, %d rejected", f.rowsRead, f.rowsWritten, f.rowsRejected))
	}
	line("reload", plain(f.reloadNote))
	if hint := firstLine(f.hint); hint != g.hint() {
		line("to do", hint)
	}
	line("query id", plain(f.queryID))
	line("run id", plain(f.runID))
	line("object id", plain(f.objectID))
	if f.state != "" && f.state != journal.Failed {
		line("now", string(f.state))
	}
	if f.objectID == "" {
		line("message", truncate(plain(f.body)))
	}
}

func (f *failure) when() string {
	var words []string
	if !f.at.IsZero() {
		words = append(words, formatTime(f.at))
	}
	if f.stage != "" {
		words = append(words, "in stage "+plain(f.stage))
	}
	return strings.Join(words, " ")
}

// plain replaces unprintable characters, line breaks too, with spaces.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// printable returns the name unchanged if all characters are printable, and quoted by
// Go's rules if not.
func printable(name string) string {
	if name == plain(name) {
		return name
	}
	return strconv.Quote(name)
}

func truncate(text string) string {
	runes := []rune(text)
	if len(runes) <= maxTextLength {
		return text
	}
	return string(runes[:maxTextLength]) + " ..."
}
