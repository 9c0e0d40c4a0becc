package alert

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/shell"
)

// commands are what a mail tells people to type. Any may be empty.
type commands struct {
	// next is the one to type once the hint was followed.
	next string
	// show only shows.
	show string
	// fallback is for codes whose hint is a new file: it tries the same file
	// again, in case that the contract was wrong.
	fallback string
}

// fixedByNewFile are the codes of objects that stay as they are: putting the
// corrected file makes a new version, which needs no command.
var fixedByNewFile = []fault.Code{
	fault.ObjectGone, fault.BadHeader, fault.BadQuoting, fault.BadCompression,
	fault.RecordTooLong, fault.EmptyObject, fault.UnsupportedFormat,
}

func commandsFor(g *group) commands {
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

// redrive tries the group again: by object if there is one, else by dataset
// and code. Empty where nothing can be tried again by a command.
func (g *group) redrive() string {
	only := g.failures[0]
	switch {
	case only.objectID == "" && len(g.failures) == 1:
		return ingestAgain(only)
	case slices.ContainsFunc(g.failures, func(f failure) bool { return f.objectID == "" || f.notInJournal }):
		return ""
	case len(g.failures) == 1 && only.state != "" && only.state != journal.Failed:
		return "" // it works by now, or is being tried
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

// name is the object as firn's commands take it: its URI, or its id where the
// URI would name a newer version, or can't be typed.
func (f *failure) name() string {
	if !f.isNewest || strings.IndexFunc(f.object.URI(), func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return f.objectID
	}
	return shell.Quote(f.object.URI())
}

// ingestAgain asks for the same interval once more. A request that doesn't say
// which, or is itself at fault, must be written anew. Empty if the message
// wasn't a request.
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

// interval is the run id's, which is written <start>-<end>, or else the
// request's own.
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
