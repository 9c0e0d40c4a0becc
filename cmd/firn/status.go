package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
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
				return showObject(cmd.Context(), cmd.OutOrStdout(), o, names[0], asJSON)
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

// showObject prints the state of one object.
func showObject(ctx context.Context, out io.Writer, o *operator.Operator, name string, asJSON bool) error {
	entry, err := o.Status(ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, entry)
	}
	delivery, err := o.DeliveryOf(ctx, entry)
	if err != nil {
		return err
	}
	sameBytes, err := o.SameBytes(ctx, entry)
	if err != nil {
		return err
	}
	printEntry(out, entry, commandName(name, entry), delivery, sameBytes)
	return nil
}

// printEntry prints all known values of an object. name is the object's name in commands.
// delivery describes the delivery of an object of a snapshot. sameBytes is the first
// object with the same bytes; nil for none.
func printEntry(out io.Writer, e journal.Entry, name, delivery string, sameBytes *journal.Entry) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	line := func(name string, value any) {
		if text := fmt.Sprint(value); text != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, printable(text))
		}
	}
	line("object", e.Object.URI())
	line("version", e.Object.Version)
	line("id", e.ID)
	line("dataset", e.Dataset)
	line("state", e.State)
	line("reason", e.Reason)
	line("superseded by", e.SupersededBy)
	line("withdrawn by", e.WithdrawnBy)
	line("dismissed by", e.DismissedBy)
	for _, at := range statesByTime(e) {
		line("  "+string(at), e.Times[at].Format("2006-01-02 15:04:05.000 UTC"))
	}
	line("delivery", delivery)
	line("engine", e.Engine)
	line("Glue run", e.Run)
	if e.Receipt != nil {
		line("rows", fmt.Sprintf("%d read, %d written, %d rejected, %d loaded", e.RowsRead, e.RowsWritten, e.RowsRejected, e.RowsLoaded))
		line("rejects by rule", work.DescribeRules(e.RejectsByRule, maxRulesInStatus))
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
	if sameBytes != nil {
		line("same bytes as", describeObject(*sameBytes))
	}
	line("query", e.QueryID)
	printHelp(line, e, name)
}

// printHelp prints the fault of an object, and the commands that help.
func printHelp(line func(name string, value any), e journal.Entry, name string) {
	if e.Code != "" {
		line("failed in", e.Stage)
		line("code", e.Code)
		line("cause", e.Cause)
	}
	switch {
	case e.State == journal.Failed:
		line("to do", e.Hint)
		subject := subjectOf(e, name)
		ways := help.ForCode(fault.Code(e.Code))
		line("then type", ways.Command(subject))
		for _, way := range ways.Others(subject) {
			line("or type", noteBefore(way, subject))
		}
	case e.State == journal.Dismissed:
		line("to continue", help.Way{Kind: help.Redrive}.Command(subjectOf(e, name)))
	case e.Unsent:
		line("message", "not sent")
		line("then type", help.Way{Kind: help.Redrive}.Command(subjectOf(e, name)))
	}
}

// noteBefore returns the command of a way, with the work before the command.
func noteBefore(w help.Way, s help.Subject) string {
	if w.First == "" {
		return w.Command(s).String()
	}
	return w.Command(s).String() + "  # first: " + w.First
}

// subjectOf returns an object as the subject of a command.
func subjectOf(e journal.Entry, name string) help.Subject {
	return help.Subject{
		Dataset: e.Dataset, Code: fault.Code(e.Code), Objects: 1, Name: name, ID: e.ID, Key: commandKey(e), InJournal: true,
	}
}

// commandKey is the landing key of an object in a command; empty for a key with
// characters that a terminal doesn't print.
func commandKey(e journal.Entry) string {
	if printable(e.Object.Key) == e.Object.Key {
		return e.Object.Key
	}
	return ""
}

// describeObject names an object's key and id, or only the id of an object without an
// entry.
func describeObject(e journal.Entry) string {
	if e.Object.Key == "" {
		return "object " + string(e.ID)
	}
	return fmt.Sprintf("%s (%s)", e.Object.URI(), e.ID)
}

// commandName is the name of an object in a command: the key, or the id for a key with
// characters that a terminal doesn't print. A person who asked by id may mean an older
// version of the key, so the command names the id too.
func commandName(asked string, e journal.Entry) string {
	if uri := e.Object.URI(); printable(uri) == uri && !object.IsID(asked) {
		return uri
	}
	return string(e.ID)
}

// maxRulesInStatus is the number of rules that the status of an object names.
const maxRulesInStatus = 10

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
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", e.State, e.Dataset, e.RowsRead, e.RowsRejected, e.RowsLoaded, printable(e.Object.URI()), e.Code)
	}
}

func printSummaries(out io.Writer, summaries []operator.Summary) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DATASET\tWAITING\tFAILED")
	var failed []journal.Entry
	var held []work.HeldDelivery
	var runs []journal.Run
	for _, s := range summaries {
		fmt.Fprintf(table, "%s\t%d\t%d\n", cmp.Or(s.Dataset, "(no dataset)"), s.Waiting, len(s.Failed))
		failed = append(failed, s.Failed...)
		held = append(held, s.Held...)
		runs = append(runs, s.Runs...)
	}
	_ = table.Flush()
	printHeld(out, held)
	printNewColumns(out, summaries)
	printRuns(out, runs)
	if len(failed) > 0 {
		fmt.Fprintln(out)
		printEntries(out, failed)
	}
}

// printNewColumns prints a line for each new column.
func printNewColumns(out io.Writer, summaries []operator.Summary) {
	if !slices.ContainsFunc(summaries, func(s operator.Summary) bool { return len(s.NewColumns)+s.MoreNewColumns > 0 }) {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	line := func(columns ...string) { fmt.Fprintln(table, strings.Join(columns, "\t")) }
	line("NEW COLUMN", "DATASET", "FIRST LOAD", "FIRST FILE")
	for _, s := range summaries {
		for _, column := range s.NewColumns {
			line(column.Display(), s.Dataset, column.LoadedAt.Format("2006-01-02 15:04:05 UTC"), printable(column.Object))
		}
		if s.MoreNewColumns > 0 {
			line(fmt.Sprintf("%d more: see OPS.NEW_COLUMNS", s.MoreNewColumns), s.Dataset)
		}
	}
}

// printHeld prints a line for each held delivery.
func printHeld(out io.Writer, held []work.HeldDelivery) {
	if len(held) == 0 {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "HELD DELIVERY\tDATASET\tROWS\tDELIVERY BEFORE\tROWS BEFORE\tTO ACCEPT")
	for _, h := range held {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%s\n", h.Name, h.Dataset, h.Rows, h.Before, h.RowsBefore, h.Command())
	}
}
