package snowflake_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/snowflake"
)

// runbookRow is one row of the runbook's table of Snowflake's errors.
type runbookRow struct {
	// at is "login" or a key of statements.
	situation, at     string
	failures          []failure
	code, disposition string
	// action is firn's reaction, and command is the command for a person.
	action, command string
}

var (
	errorText = regexp.MustCompile("`([0-9]{6}) \\(([0-9A-Z]{5})\\): ([^`]+)`")
	status    = regexp.MustCompile(`HTTP ([0-9]{3})`)
)

// runbookTable reads the runbook's table.
func runbookTable(t *testing.T) []runbookRow {
	t.Helper()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Answers of Snowflake\n")
	if !found {
		t.Fatal("the runbook has no section \"Answers of Snowflake\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []runbookRow
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| situation") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 7 {
			t.Fatalf("%d cells, want 7: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, runbookRow{
			situation: cells[0], at: cells[1], failures: failures(t, cells[2]), code: strings.Trim(cells[3], "`"), disposition: strings.Trim(cells[4], "`"),
			action: cells[5], command: cells[6],
		})
	}
	return rows
}

// failures reads Snowflake's answers from a cell: errors in the driver's form, an HTTP
// status, or "no answer".
func failures(t *testing.T, cell string) []failure {
	t.Helper()
	var all []failure
	for _, match := range errorText.FindAllStringSubmatch(cell, -1) {
		all = append(all, failure{number: match[1], state: match[2], message: match[3]})
	}
	for _, match := range status.FindAllStringSubmatch(cell, -1) {
		number, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, failure{status: number})
	}
	if cell == "no answer" {
		all = append(all, failure{cut: true})
	}
	if len(all) == 0 {
		t.Fatalf("cell %q has no error, status or \"no answer\"", cell)
	}
	return all
}

const (
	copyStatement  = "copy into RAW.X from @RAW.CURATED files = ('a.parquet')"
	otherStatement = "update RAW.X_LOADS set seq = seq + 1 where object = '~lock'"
)

// statements has the statements for each value of the column "when".
var statements = map[string][]string{
	"any statement": {copyStatement, otherStatement}, "COPY": {copyStatement}, "another statement": {otherStatement},
}

// TestFaultsMatchRunbookTable compares each row with the fault for the row's answer.
// The real driver gets the answer over HTTP.
func TestFaultsMatchRunbookTable(t *testing.T) {
	t.Parallel()
	rows := runbookTable(t)
	if len(rows) < 15 {
		t.Fatalf("the table has %d rows, want at least 15", len(rows))
	}
	for _, r := range rows {
		if r.action == "" || r.command == "" || !slices.Contains(fault.Codes(), fault.Code(r.code)) {
			t.Errorf("%s: row %+v has an empty cell or an unknown code", r.situation, r)
		}
		for _, f := range r.failures {
			t.Run(fmt.Sprint(r.situation, " ", f.number, f.status), func(t *testing.T) {
				t.Parallel()
				if r.at == "login" {
					r.check(t, refusedLogin(t, f))
					return
				}
				if len(statements[r.at]) == 0 {
					t.Fatalf("column when: unknown value %q", r.at)
				}
				for _, statement := range statements[r.at] {
					r.check(t, failedStatement(t, f, statement))
				}
			})
		}
	}
}

func (r runbookRow) check(t *testing.T, err error) {
	t.Helper()
	f := fault.As(err)
	if f == nil || string(f.Code) != r.code || f.Disposition.String() != r.disposition {
		t.Errorf("got %v; want %s, %s", err, r.code, r.disposition)
		return
	}
	if refused := f.Code == fault.SnowflakeRefused; refused != (f.After >= time.Minute) {
		t.Errorf("the next attempt is after %v", f.After)
	}
}

// refusedLogin returns the error of a login. A refusal isn't retried: five refused
// logins lock the user.
func refusedLogin(t *testing.T, f failure) error {
	t.Helper()
	server := &fakeSnowflake{login: f}
	session, err := snowflake.Open(t.Context(), server.listen(t))
	if err == nil {
		t.Fatal(session.Close())
	}
	refused := f.number != "" || f.status == 403
	if got := server.logins.Load(); refused && got != 1 {
		t.Errorf("%d logins, want 1", got)
	}
	return err
}

// failedStatement returns the error of a statement. If Snowflake answered, the fault
// has Snowflake's id of the statement.
func failedStatement(t *testing.T, f failure, statement string) error {
	t.Helper()
	server := &fakeSnowflake{statement: f}
	session, err := snowflake.Open(t.Context(), server.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() }) // an error of Close after a failed statement doesn't matter
	_, err = session.Query(t.Context(), "run statement", statement)
	if err == nil {
		t.Fatal("no error")
	}
	if got := fault.As(err).QueryID; f.number != "" && got != queryID {
		t.Errorf("query id of the fault: %q", got)
	}
	return err
}

// TestRunbookTableHasEveryNumber checks that the runbook lists each number of the code.
func TestRunbookTableHasEveryNumber(t *testing.T) {
	t.Parallel()
	var found []int
	for _, r := range runbookTable(t) {
		for _, f := range r.failures {
			if number, err := strconv.Atoi(f.number); err == nil && slices.Contains(snowflake.Numbers(), number) {
				found = append(found, number)
			}
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff(snowflake.Numbers(), slices.Compact(found)); diff != "" {
		t.Errorf("numbers (-code +runbook):\n%s", diff)
	}
}
