package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/breaker"
)

// outageSchema names the form of the JSON part of an outage's mails. Keys are only
// added under one name, never renamed or removed.
const outageSchema = "firn.outage/1"

// displayNames are the dependencies as people call them.
var displayNames = map[string]string{breaker.Snowflake: "Snowflake"}

// statusCommand shows what waits, and what failed.
const statusCommand = "firn status"

// outageMail is what the two mails of an outage are written from.
type outageMail struct {
	breaker.Outage

	waiting []waitingObjects
}

// composeOutage writes the mail of an outage that lasts, or of its end.
func composeOutage(o breaker.Outage, waiting []waitingObjects) mail {
	m := outageMail{Outage: o, waiting: waiting}
	m.Cause = truncate(firstLine(o.Cause))
	if o.Open {
		return mail{subject: m.subject(string(o.Code) + " (" + m.count() + " waiting)"), body: m.startMail()}
	}
	return mail{subject: m.subject("back after " + formatDuration(o.Ended.Sub(o.Since)) + " (" + m.count() + " waiting)"), body: m.endMail()}
}

func (m outageMail) subject(words string) string {
	return subjectLine("firn: " + m.Dependency + ": " + words)
}

func (m outageMail) startMail() string {
	text := &mailText{}
	text.linef("No load gets through to %s since %s: %s", m.name(), formatTime(m.Since), m.Code)
	text.linef("")
	text.field("What to do", m.Code.Hint())
	text.field("Then type", statusCommand)
	text.field("More", "docs/runbook.md, entry "+string(m.Code))
	text.linef("")
	text.field("cause", m.Cause)
	text.field("query", m.QueryID)
	text.field("next try", formatTime(m.Until))
	text.field("waiting", m.list())
	text.linef("")
	text.linef("Nothing is lost: what comes meanwhile waits, and is loaded by itself once %s is back.", m.name())
	text.linef("A mail will tell.")
	return text.addMachinePart(m.machine(breaker.NoticeStarted))
}

func (m outageMail) endMail() string {
	text := &mailText{}
	text.linef("%s is back since %s. It was away for %s, since %s: %s",
		m.name(), formatTime(m.Ended), formatDuration(m.Ended.Sub(m.Since)), formatTime(m.Since), m.Code)
	text.linef("")
	text.field("What to do", "Nothing: what waits comes back within fifteen minutes and is loaded by itself.")
	text.field("To look", statusCommand)
	text.linef("")
	text.field("cause", m.Cause)
	text.field("waiting", m.list())
	return text.addMachinePart(m.machine(breaker.NoticeEnded))
}

func (m outageMail) name() string { return displayNames[m.Dependency] }

// count is how many objects wait.
func (m outageMail) count() string {
	total, more := 0, ""
	for _, w := range m.waiting {
		total += w.Objects
		if w.Objects == maxCountedWaiting {
			more = " or more"
		}
	}
	if total == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d%s objects", total, more)
}

// list is the count of each dataset.
func (m outageMail) list() string {
	if len(m.waiting) == 0 {
		return "no object"
	}
	parts := make([]string, len(m.waiting))
	for i, w := range m.waiting {
		parts[i] = fmt.Sprintf("%s %d", w.Dataset, w.Objects)
		if w.Objects == maxCountedWaiting {
			parts[i] += " or more"
		}
	}
	return strings.Join(parts, ", ")
}

type machineOutage struct {
	Schema     string           `json:"schema"`
	Dependency string           `json:"dependency"`
	State      breaker.Notice   `json:"state"`
	Code       string           `json:"code"`
	Hint       string           `json:"hint"`
	Command    string           `json:"command"`
	Cause      string           `json:"cause"`
	QueryID    string           `json:"query_id"`
	Since      string           `json:"since"`
	Ended      string           `json:"ended"`
	Waiting    []waitingObjects `json:"waiting"`
}

func (m outageMail) machine(state breaker.Notice) string {
	o := machineOutage{
		Schema: outageSchema, Dependency: m.Dependency, State: state, Code: string(m.Code), Hint: m.Code.Hint(), Command: statusCommand,
		Cause: m.Cause, QueryID: m.QueryID, Since: m.Since.UTC().Format(time.RFC3339), Waiting: m.waiting,
	}
	if !m.Ended.IsZero() {
		o.Ended = m.Ended.UTC().Format(time.RFC3339)
	}
	return encode(o)
}

// formatTime writes a time for people.
func formatTime(at time.Time) string { return at.UTC().Format(time.DateTime) + " UTC" }

// formatDuration writes how long something took: "4 min", "1 h 12 min", "3 d 2 h".
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d/day), int(d.Hours())%24)
	}
}
