package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/shell"
)

func statusCommand() *cobra.Command {
	var dataset string
	var asJSON bool
	command := &cobra.Command{
		Use:     "status [s3://BUCKET/KEY | OBJECT-ID]",
		Short:   "Show the state of an object, or waiting and failed objects",
		Example: "  firn status 's3://my-landing/shop/order/orders.csv'\n  firn status --dataset shop.order",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			if len(names) == 1 {
				entry, err := o.Status(cmd.Context(), names[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), entry)
				}
				printEntry(cmd.OutOrStdout(), entry)
				return nil
			}
			if err := o.CheckDataset(strings.TrimPrefix(dataset, "-")); err != nil {
				return err
			}
			summaries, err := o.Summaries(cmd.Context())
			if err != nil {
				return err
			}
			if dataset != "" {
				summaries = slices.DeleteFunc(summaries, func(s operator.Summary) bool { return s.Dataset != strings.TrimPrefix(dataset, "-") })
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), summaries)
			}
			printSummaries(cmd.OutOrStdout(), summaries)
			return nil
		},
	}
	command.Flags().StringVar(&dataset, "dataset", "", `only this dataset, <source>.<entity>; "-" for keys without a contract`)
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// printEntry prints all known values of an object.
func printEntry(out io.Writer, e journal.Entry) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	line := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, text)
		}
	}
	line("object", e.Object.URI())
	line("version", e.Object.Version)
	line("id", e.ID)
	line("dataset", e.Dataset)
	line("state", e.State)
	line("reason", e.Reason)
	line("superseded by", e.SupersededBy)
	for _, at := range statesByTime(e) {
		line("  "+string(at), e.Times[at].Format("2006-01-02 15:04:05.000 UTC"))
	}
	line("engine", e.Engine)
	line("Glue run", e.Run)
	if e.Receipt != nil {
		line("rows", fmt.Sprintf("%d read, %d written, %d rejected, %d loaded", e.RowsRead, e.RowsWritten, e.RowsRejected, e.RowsLoaded))
		line("receipt", "s3://"+e.Receipt.Bucket+"/"+e.Receipt.Key)
	}
	if e.Generation > 0 {
		line("generation", e.Generation)
	}
	if e.KeepsEarlierRows() {
		line("still in the table", fmt.Sprintf("%d rows of load %s, from before the reload", e.RowsLoaded, e.LoadID))
	} else {
		line("load", e.LoadID)
	}
	line("query", e.QueryID)
	if e.State == journal.Failed {
		line("failed in", e.Stage)
		line("code", e.Code)
		line("cause", e.Cause)
		line("to do", e.Hint)
		line("then type", "firn redrive "+shell.Quote(e.Object.URI()))
	}
}

func statesByTime(e journal.Entry) []journal.State {
	states := make([]journal.State, 0, len(e.Times))
	for state := range e.Times {
		states = append(states, state)
	}
	slices.SortFunc(states, func(a, b journal.State) int {
		return cmp.Or(e.Times[a].Compare(e.Times[b]), cmp.Compare(a, b))
	})
	return states
}

// printEntries prints a line for each object.
func printEntries(out io.Writer, entries []journal.Entry) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "STATE\tDATASET\tREAD\tREJECTED\tLOADED\tOBJECT\tCODE")
	for _, e := range entries {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", e.State, e.Dataset, e.RowsRead, e.RowsRejected, e.RowsLoaded, e.Object.URI(), e.Code)
	}
}

func printSummaries(out io.Writer, summaries []operator.Summary) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DATASET\tWAITING\tFAILED")
	var failed []journal.Entry
	for _, s := range summaries {
		fmt.Fprintf(table, "%s\t%d\t%d\n", cmp.Or(s.Dataset, "(no dataset)"), s.Waiting, len(s.Failed))
		failed = append(failed, s.Failed...)
	}
	_ = table.Flush()
	if len(failed) > 0 {
		fmt.Fprintln(out)
		printEntries(out, failed)
	}
}
