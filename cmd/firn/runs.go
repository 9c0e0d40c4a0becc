package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// printRuns prints a line with the next command for each ingestion run that isn't
// finished.
func printRuns(out io.Writer, runs []journal.Run) {
	if len(runs) == 0 {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "RUN\tDATASET\tSTATE\tPAGES\tROWS\tTRIES\tNEXT TRY (UTC)\tCODE\tCAUSE\tTO CONTINUE")
	for _, r := range runs {
		tries, next, code, cause := "", "", r.Code, r.Cause
		if d := r.Delay; d != nil {
			tries, next, code, cause = fmt.Sprint(d.Tries), d.Next.UTC().Format(time.DateTime), string(d.Code), d.Cause
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Dataset, r.State, r.Pages, r.Rows, tries, next, code, printable(cause), runCommand(r, code))
	}
}

// runCommand returns the usual command for a run with a fault; empty for none.
func runCommand(r journal.Run, code string) string {
	start, end, found := work.IntervalOf(r.ID)
	if code == "" || !found {
		return ""
	}
	subject := help.Subject{Dataset: r.Dataset, Code: fault.Code(code), Start: start, End: end}
	return help.ForCode(subject.Code).Command(subject).String()
}
