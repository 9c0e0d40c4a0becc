package alert

import (
	"cmp"
	"net/url"
	"strings"
)

// DefaultRunbook is the address of the runbook in the repository of firn.
const DefaultRunbook = "https://github.com/firn-data/firn/blob/main/docs/runbook.md"

// Site describes the deployment that sends the mails.
type Site struct {
	// Environment is the name of the deployment in the mails; empty for no name.
	Environment string
	// Runbook is the address of the runbook; empty for DefaultRunbook.
	Runbook string
}

// entry returns the address of the runbook's entry for a code.
func (s Site) entry(code string) string {
	return cmp.Or(s.Runbook, DefaultRunbook) + "#" + url.PathEscape(plain(code))
}

const (
	// maxSubjectLength is below the limit of "less than 100 characters long"
	// (SNS API reference, Publish).
	maxSubjectLength = 99
	// minTopicLength is the length of a shortened topic.
	minTopicLength = 10
	// cut is the end of a shortened topic.
	cut = ".."
)

// subject returns a legal subject: ASCII without line breaks. A long topic is
// shortened, so that the words with count and cause stay.
func (s Site) subject(topic, words string) string {
	start := "firn: "
	if s.Environment != "" {
		start = "firn [" + ascii(s.Environment) + "]: "
	}
	topic, words = ascii(topic), ": "+ascii(words)
	if over := len(start) + len(topic) + len(words) - maxSubjectLength; over > 0 && len(topic) > minTopicLength {
		topic = topic[:max(len(topic)-over, minTopicLength)-len(cut)] + cut
	}
	subject := start + topic + words
	return subject[:min(len(subject), maxSubjectLength)]
}

// ascii replaces every character outside printable ASCII with a question mark.
func ascii(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
