package help_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
)

// runbookTypes returns the "Type" line of each code, and the "type" cell of each kind of
// difference.
func runbookTypes(t *testing.T) (codes, differences map[string]string) {
	t.Helper()
	content, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	codes, differences = make(map[string]string), make(map[string]string)
	for _, entry := range strings.Split(text, "\n### ")[1:] {
		code, rest, _ := strings.Cut(entry, "\n")
		line := regexp.MustCompile(`(?m)^- \*\*Type:\*\* (.*)$`).FindStringSubmatch(rest)
		if line == nil {
			t.Fatalf("%s has no line \"Type\"", code)
		}
		codes[code] = line[1]
	}
	_, section, _ := strings.Cut(text, "\n## Differences of the audit\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| ([^|]+) \\|$").FindAllStringSubmatch(section, -1) {
		differences[row[1]] = row[2]
	}
	return codes, differences
}

// The values of the runbook's commands.
var (
	from    = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	to      = from.AddDate(0, 0, 1)
	instant = regexp.MustCompile(`2001-01-0[12]T00:00:00Z`)
	generic = help.Subject{
		Dataset: "DATASET", Objects: 1, Name: "s3://BUCKET/KEY", ID: "OBJECT-ID", Key: "KEY", InJournal: true,
		Start: from, End: to, Delivery: "DELIVERY", Statement: "STATEMENT", Paused: true, Behind: true,
	}
)

// lines returns the commands of all ways in the runbook's form.
func lines(h help.Help, s help.Subject) []string {
	var all []string
	for _, way := range h.Ways {
		if command := way.Command(s); command != nil {
			all = append(all, instant.ReplaceAllString(command.String(), "TIME"))
		}
	}
	return all
}

// shown matches the commands that change no state of an object.
var shown = regexp.MustCompile(`^firn (status|audit|query "|migrate --plan|migrate --break-lock|contract diff|query 'show|query 'select|keys|contract check)`)

// TestRunbookNamesCommandsOfTable: each line "Type" has every command of the table, the
// usual command first. Other commands only show a state, or prepare the redrive.
func TestRunbookNamesCommandsOfTable(t *testing.T) {
	t.Parallel()
	codes, differences := runbookTypes(t)
	for _, code := range help.Codes() {
		subject := generic
		subject.Code = code
		several := subject
		several.Objects = 2
		unclaimed := several
		unclaimed.Dataset = ""
		ways := help.ForCode(code)
		allowed := append(lines(ways, several), lines(ways, unclaimed)...)
		if ways.Has(help.Redrive) || ways.Has(help.Resume) { // a changed contract or a paused dataset may need more
			allowed = append(allowed, "firn migrate", "firn resume DATASET")
		}
		if code == fault.AccessDenied || code == fault.WarehouseAway { // restores a lost grant in Snowflake
			allowed = append(allowed, "firn migrate")
		}
		if code == fault.ColumnNotLoaded { // after the migration the files are reloaded
			allowed = append(allowed, "firn reload --dataset DATASET --since DAY")
		}
		check(t, string(code), codes[string(code)], lines(ways, subject), allowed)
	}
	for _, kind := range help.Differences() {
		subject := generic
		subject.Name = "OBJECT-ID"
		subject.InJournal = kind != "journal_lost"
		allowed := []string{}
		if kind == "lock_row" {
			allowed = []string{"firn redrive --dataset DATASET --code " + string(fault.LedgerBroken)}
		}
		check(t, kind, differences[kind], lines(help.ForDifference(kind), subject), allowed)
	}
}

var named = regexp.MustCompile("`(firn [^`]*)`")

func check(t *testing.T, name, text string, want, allowed []string) {
	t.Helper()
	var got []string
	for _, match := range named.FindAllStringSubmatch(text, -1) {
		command := match[1]
		switch {
		case slices.Contains(want, command):
			if !slices.Contains(got, command) {
				got = append(got, command)
			}
		case slices.Contains(allowed, command), shown.MatchString(command):
		default:
			t.Errorf("%s: the runbook has `%s`, and the table doesn't", name, command)
		}
	}
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" && len(want)+len(got) > 0 {
		t.Errorf("%s: commands (-table +runbook):\n%s\nin %s", name, diff, text)
	}
}
