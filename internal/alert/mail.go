package alert

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/firn-data/firn/internal/journal"
)

// mail is one message to the topic's subscribers.
type mail struct {
	subject string
	// text is the part for people.
	text string
	// machine is the part for programs, as JSON.
	machine string
}

// body returns both parts of the mail.
func (m mail) body() string { return m.text + "\n" + Separator + "\n" + m.machine + "\n" }

const (
	// maxListedObjects is the number of objects that a mail lists: the first and the
	// last ones.
	maxListedObjects = 10
	// maxTextLength is the limit of each cause and message body, in characters. A mail
	// has at most ten of both, twice, and must stay below the topic's limit of 256 KiB.
	maxTextLength = 1000
	// Separator is the line between the text for people and the JSON for machines.
	Separator = "---- for machines ----"
)

// compose writes the mail of a group: the failure, the next step, the commands, the
// first and the last objects, then the same contents as JSON.
func compose(g *group, site Site) mail {
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
	text.field("Failed now", g.failedNow())
	text.field("Next mail", g.nextMail())
	text.field("More", site.entry(g.code))
	if g.report != nil {
		g.report.writeDraft(text)
	}
	g.writeFailures(text)
	return mail{subject: site.subject(topicOf(g.dataset), g.subjectWords()), text: text.String(), machine: machineText(g, c, site)}
}

// writeFailures writes an entry for each of the first and the last failures.
func (g *group) writeFailures(text *mailText) {
	first, last := g.listed()
	for i, f := range first {
		text.linef("\n%d. %s", i+1, f.title(g))
		f.write(text, g)
	}
	if more := g.size() - len(first) - len(last); more > 0 && !g.namesNoColumn() {
		text.linef("\nand %d more: %s", more, g.status())
	}
	for i, f := range last {
		text.linef("\n%d. %s", g.size()-len(last)+i+1, f.title(g))
		f.write(text, g)
	}
}

// mailText is the text of a mail.
type mailText struct{ strings.Builder }

func (l *mailText) linef(format string, values ...any) { fmt.Fprintf(l, format+"\n", values...) }

// field writes a line with a name and a value. An empty value writes no line.
func (l *mailText) field(name, value string) {
	if value != "" {
		l.linef("%-12s%s", name, value)
	}
}

// counted returns a number with its noun in the singular or the plural.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func note(text, remark string) string {
	if text == "" {
		return ""
	}
	return text + remark
}

// subjectWords returns count and cause for the subject.
func (g *group) subjectWords() string {
	verb := "failed"
	switch {
	case g.isHeld():
		verb = "held"
	case g.report != nil:
		verb = "not loaded"
	}
	return fmt.Sprintf("%d %s %s: %s", g.size(), g.noun(), verb, g.code)
}

func (g *group) headline() string {
	if g.isHeld() {
		return g.heldHeadline()
	}
	if g.report != nil {
		return g.columnHeadline()
	}
	more := ""
	if g.follows {
		more = "more "
	}
	return fmt.Sprintf("%d %s%s%s failed: %s", g.size(), more, g.noun(), ofDataset(g.dataset), plain(g.code))
}

// failedNow returns the sentence about all objects that are failed now; empty if the
// mail doesn't know the number, or if the mail lists all of them.
func (g *group) failedNow() string {
	switch g.stillFailed {
	case 0, len(g.failures):
		return ""
	default:
		return counted(g.stillFailed, "object") + " in all, with the objects of earlier mails."
	}
}

// nextMail returns the sentence about later mails; empty if no notice collects further
// failures.
func (g *group) nextMail() string {
	if g.nextMailAt.IsZero() {
		return ""
	}
	sentence := "One mail collects all further failures with this code, after " + formatTime(g.nextMailAt) + "."
	if g.kind == kindFailure && !g.settled() {
		sentence += " One mail reports the end of the failures."
	}
	return sentence
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
