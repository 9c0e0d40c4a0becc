package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/breaker"
)

// outageSchema names the form of the JSON part of outage mails. New versions of the
// code may add keys under this name, but never rename or remove a key.
const outageSchema = "firn.outage/1"

// displayNames are the dependencies' names in mails.
var displayNames = map[string]string{breaker.Snowflake: "Snowflake"}

// statusCommand shows the waiting and the failed objects.
const statusCommand = "firn status"

// outageMail has the contents of the two mails of an outage.
type outageMail struct {
	breaker.Outage

	site    Site
	waiting []waitingObjects
}

// composeOutage writes the mail of an open outage, or of the end of an outage.
func composeOutage(o breaker.Outage, waiting []waitingObjects, site Site) mail {
	m := outageMail{Outage: o, site: site, waiting: waiting}
	m.Cause = truncate(firstLine(o.Cause))
	if o.Open {
		return mail{
			subject: site.subject(m.Dependency, string(o.Code)+" ("+m.count()+" waiting)"),
			text:    m.startText(), machine: m.machine(breaker.NoticeStarted),
		}
	}
	return mail{
		subject: site.subject(m.Dependency, "back after "+formatDuration(o.Ended.Sub(o.Since))+" ("+m.count()+" waiting)"),
		text:    m.endText(), machine: m.machine(breaker.NoticeEnded),
	}
}

func (m outageMail) startText() string {
	text := &mailText{}
	text.linef("%s has accepted no load since %s: %s", m.name(), formatTime(m.Since), m.Code)
	text.linef("")
	text.field("To do", m.Code.Hint())
	text.field("Then type", statusCommand)
	text.field("Data", "Nothing is lost. All objects wait for the end of the outage, new objects too. The outage uses up no attempt.")
	text.field("If ignored", "firn tries again by itself, at most 15 minutes after each failed try. "+
		"After the outage, firn loads all waiting objects without a command.")
	text.field("More", m.site.entry(string(m.Code)))
	text.linef("")
	text.field("cause", m.Cause)
	text.field("query id", m.QueryID)
	text.field("next try", formatTime(m.Until))
	text.field("waiting", m.list())
	text.linef("")
	text.linef("A second mail reports the end of the outage.")
	return text.String()
}

func (m outageMail) endText() string {
	text := &mailText{}
	text.linef("%s is back. The outage lasted %s, from %s to %s: %s",
		m.name(), formatDuration(m.Ended.Sub(m.Since)), formatTime(m.Since), formatTime(m.Ended), m.Code)
	text.linef("")
	task := "Nothing. firn tries all waiting objects again within 15 minutes."
	if len(m.waiting) == 0 {
		task = "Nothing. No object is waiting."
	}
	text.field("To do", task)
	text.field("To look", statusCommand)
	text.field("Data", "Nothing is lost. The outage used up no attempt.")
	text.linef("")
	text.field("cause", m.Cause)
	text.field("waiting", m.list())
	return text.String()
}

func (m outageMail) name() string { return displayNames[m.Dependency] }

// count returns the number of waiting objects with its noun.
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

// list returns the number of waiting objects of each dataset.
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
	// Environment is the name of the deployment.
	Environment string `json:"environment"`
}

func (m outageMail) machine(state breaker.Notice) string {
	o := machineOutage{
		Schema: outageSchema, Dependency: m.Dependency, State: state, Code: string(m.Code), Hint: m.Code.Hint(), Command: statusCommand,
		Cause: m.Cause, QueryID: m.QueryID, Since: m.Since.UTC().Format(time.RFC3339), Waiting: m.waiting,
		Environment: m.site.Environment,
	}
	if !m.Ended.IsZero() {
		o.Ended = m.Ended.UTC().Format(time.RFC3339)
	}
	return encode(o)
}

// formatTime returns the time in the form of the mails, in UTC.
func formatTime(at time.Time) string { return at.UTC().Format(time.DateTime) + " UTC" }

// formatDuration returns a duration in its two largest units, for example "4 min",
// "1 h 12 min" or "3 d 2 h".
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
