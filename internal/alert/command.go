package alert

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/shell"
)

// commands are the shell commands of a mail. Any of them may be empty.
type commands struct {
	// next is the command to type after the hint was followed.
	next string
	// show prints the state and changes nothing.
	show string
	// reload reloads the files after next.
	reload string
	// fallback redrives the same file after a change of the contract. Only codes whose
	// hint is a new file have a fallback.
	fallback string
}

// fixedByNewFile are the codes that no redrive can fix without a change of the file.
// The corrected file is a new version of the key and needs no command.
var fixedByNewFile = []fault.Code{
	fault.ObjectGone, fault.BadHeader, fault.BadQuoting, fault.BadCompression,
	fault.RecordTooLong, fault.EmptyObject, fault.UnsupportedFormat,
}

func commandsFor(g *group) commands {
	if g.isHeld() {
		return g.heldCommands()
	}
	if g.report != nil {
		return g.columnCommands()
	}
	if fault.Code(g.code) == fault.NotWithdrawn {
		return g.withdrawCommands()
	}
	c := commands{next: g.redrive(), show: g.status()}
	if c.next == "" {
		return commands{next: c.show}
	}
	if !slices.Contains(fixedByNewFile, fault.Code(g.code)) {
		return c
	}
	if fault.Code(g.code) != fault.ObjectGone {
		c.fallback = c.next
	}
	return commands{next: c.show, fallback: c.fallback}
}

// withdrawCommands returns the command that withdraws the object of a failed withdrawal.
// For several objects, the audit lists the command of each object.
func (g *group) withdrawCommands() commands {
	audit := "firn audit --dataset " + shell.Quote(g.dataset)
	uri := g.failures[0].subject
	if len(g.failures) > 1 || strings.IndexFunc(uri, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return commands{next: audit}
	}
	return commands{next: "firn withdraw " + shell.Quote(uri) + " --reason 'deleted in S3'", show: audit}
}

// redrive returns the command that tries the group again: by object for one object, by
// dataset and code for several. The command is empty if no command can try the group
// again.
func (g *group) redrive() string {
	only := g.failures[0]
	switch {
	case only.objectID == "" && len(g.failures) == 1:
		return ingestAgain(only)
	case g.has(func(f failure) bool { return f.objectID == "" || f.notInJournal }):
		return ""
	case g.settled():
		return ""
	case len(g.failures) == 1:
		return "firn redrive " + only.name()
	case g.dataset == "":
		return "firn redrive --dataset - --code " + shell.Quote(g.code)
	default:
		return "firn redrive --dataset " + shell.Quote(g.dataset) + " --code " + shell.Quote(g.code)
	}
}

func (g *group) status() string {
	only := g.failures[0]
	switch {
	case len(g.failures) == 1 && only.objectID != "" && !only.notInJournal:
		return "firn status " + only.name()
	case g.dataset == "":
		return "firn status"
	default:
		return "firn status --dataset " + shell.Quote(g.dataset)
	}
}

// name returns the object as an argument of firn's commands: the URI, or the id if the
// URI is unprintable or means a newer version.
func (f *failure) name() string {
	if !f.isNewest || strings.IndexFunc(f.object.URI(), func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return f.objectID
	}
	return shell.Quote(f.object.URI())
}

// ingestAgain returns the command that ingests the interval of a failed run again. The
// command is the help for a bad request, and empty for a message without an interval.
func ingestAgain(f failure) string {
	start, end, found := interval(f)
	switch {
	case fault.Code(f.code) == fault.BadRequest:
		return "firn ingest --help"
	case f.dataset == "" || !found:
		return ""
	}
	return "firn ingest " + shell.Quote(f.dataset) +
		" --start " + start.UTC().Format(time.RFC3339) + " --end " + end.UTC().Format(time.RFC3339)
}

// interval returns the interval in the run id, which has the form <start>-<end>, or the
// interval in the request.
func interval(f failure) (start, end time.Time, found bool) {
	const layout = "20060102T150405Z"
	first, last, _ := strings.Cut(f.runID, "-")
	start, startErr := time.Parse(layout, first)
	end, endErr := time.Parse(layout, last)
	if startErr == nil && endErr == nil {
		return start, end, true
	}
	var request struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	}
	err := json.Unmarshal([]byte(f.body), &request)
	return request.Start, request.End, err == nil && request.Start.Before(request.End)
}
