package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// printRuns prints a line for each ingestion run that isn't finished.
func printRuns(out io.Writer, runs []journal.Run) {
	if len(runs) == 0 {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "RUN\tDATASET\tSTATE\tPAGES\tROWS\tTRIES\tNEXT TRY (UTC)\tCODE\tCAUSE")
	for _, r := range runs {
		tries, next, code, cause := "", "", r.Code, r.Cause
		if d := r.Delay; d != nil {
			tries, next, code, cause = fmt.Sprint(d.Tries), d.Next.UTC().Format(time.DateTime), string(d.Code), d.Cause
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", r.ID, r.Dataset, r.State, r.Pages, r.Rows, tries, next, code, printable(cause))
	}
}
