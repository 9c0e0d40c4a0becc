package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/work"
)

func statusCommand() *cobra.Command {
	var asJSON, live bool
	var interval time.Duration
	command := &cobra.Command{
		Use:   "status [s3://BUCKET/KEY | OBJECT-ID]",
		Short: "Show the state of an object, or waiting and failed objects",
		Long: "Show the state of one object. Without an object, show for each dataset the objects that wait, the failed objects\n" +
			"by code with the next command, the last load, the oldest wait with its cause, held deliveries and new columns.\n" +
			"A count stops at 1,000 objects. The status reads only the journal: Snowflake's warehouse doesn't start.\n" +
			"Exits 0 if nothing needs a person, and for one object. Exits 1 for failed objects, failed runs, held deliveries,\n" +
			"and waits that are so long that a mail reports them. Exits 2 if the status can't be read.",
		Example: "  firn status 's3://my-landing/shop/order/orders.csv'\n  firn status --dataset shop.order\n  firn status --watch --interval 10s",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			dataset, _, err := datasetOf(cmd)
			if err != nil {
				return codedError{err, failedCheckCode}
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return codedError{err, failedCheckCode}
			}
			show := func(ctx context.Context, out io.Writer) error { return showSummaries(ctx, out, o, dataset, asJSON) }
			if len(names) == 1 {
				show = func(ctx context.Context, out io.Writer) error {
					if err := showObject(ctx, out, o, names[0], asJSON); err != nil {
						return codedError{err, failedCheckCode}
					}
					return nil
				}
			}
			if !live {
				return show(cmd.Context(), cmd.OutOrStdout())
			}
			if interval <= 0 {
				return codedError{fmt.Errorf("--interval %s must be more than 0", interval), failedCheckCode}
			}
			return watch(cmd.Context(), cmd.OutOrStdout(), interval, !asJSON, show)
		},
	}
	flags := command.Flags()
	flags.String(datasetFlag, "", `only this dataset, <source>.<entity>; "-" for keys without a contract`)
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.BoolVar(&live, "watch", false, "repeat the status until Ctrl-C; the exit code is the code of the last status")
	flags.DurationVar(&interval, "interval", defaultWatchInterval, "the time between two statuses of --watch")
	return command
}

// showSummaries prints the summaries of all datasets, or of one. A dataset that needs a
// person is an error.
func showSummaries(ctx context.Context, out io.Writer, o *operator.Operator, dataset string, asJSON bool) error {
	summaries, err := readSummaries(ctx, o, dataset)
	if err != nil {
		return codedError{err, failedCheckCode}
	}
	if asJSON {
		err = printJSON(out, summaries)
	} else {
		printSummaries(out, summaries)
	}
	var needing []string
	for _, s := range summaries {
		if s.NeedsPerson() {
			needing = append(needing, datasetName(s.Dataset))
		}
	}
	if err == nil && len(needing) > 0 {
		err = fmt.Errorf("failed objects, failed runs, held deliveries or long waits need a person: %s", strings.Join(needing, ", "))
	}
	return err
}

// readSummaries returns the summaries of all datasets, or of one. Keys without a contract
// have a summary only if objects failed.
func readSummaries(ctx context.Context, o *operator.Operator, dataset string) ([]operator.Summary, error) {
	if dataset == "" {
		return o.Summaries(ctx, time.Now())
	}
	one, err := o.Summary(ctx, operatorName(dataset), time.Now())
	if err != nil || dataset == withoutContract && !one.NeedsPerson() {
		return []operator.Summary{}, err
	}
	return []operator.Summary{one}, nil
}

func datasetName(dataset string) string { return cmp.Or(dataset, "(no dataset)") }

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

// printSummaries prints a row for each dataset, and then the waits, the failures, the held
// deliveries and the new columns of all datasets.
func printSummaries(out io.Writer, summaries []operator.Summary) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DATASET\tTO TRANSFORM\tTO LOAD\tFAILED\tLAST LOAD\tROWS READ\tREJECTED\tPAUSED")
	var failed []journal.Entry
	var held []work.HeldDelivery
	var runs []journal.Run
	for _, s := range summaries {
		fmt.Fprintln(table, strings.Join(append([]string{
			datasetName(s.Dataset), atLeast(s.ToTransform, s.ToTransformMore), atLeast(s.Waiting, s.WaitingMore), allFailed(s),
		}, lastLoad(s)...), "\t"))
		failed = append(failed, s.Failed...)
		held = append(held, s.Held...)
		runs = append(runs, s.Runs...)
	}
	_ = table.Flush()
	printWaits(out, summaries)
	printFailures(out, summaries)
	printHeld(out, held)
	printNewColumns(out, summaries)
	printRuns(out, runs)
	if len(failed) > 0 {
		fmt.Fprintln(out, "\nThe newest failed objects, at most five of each code:")
		printEntries(out, failed)
	}
}

// atLeast prints a count with a separator of thousands.
func atLeast(n int, more bool) string {
	text := strconv.Itoa(n)
	if n >= 1000 {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	if more {
		text += " or more"
	}
	return text
}

func allFailed(s operator.Summary) string {
	objects, more := 0, false
	for _, f := range s.FailedByCode {
		objects, more = objects+f.Objects, more || f.More
	}
	return atLeast(objects, more)
}

// lastLoad returns the columns with the last load and the pause.
func lastLoad(s operator.Summary) []string {
	columns := []string{"", "", ""}
	if l := s.LastLoad; l != nil {
		columns = []string{l.LoadedAt.UTC().Format(statusTime), strconv.FormatInt(l.RowsRead, 10), strconv.FormatInt(l.RowsRejected, 10)}
	}
	if s.Paused {
		return append(columns, "yes: firn resume "+s.Dataset)
	}
	return append(columns, "")
}

// statusTime is the form of a time in a summary.
const statusTime = "2006-01-02 15:04:05 UTC"

// printWaits prints the oldest wait of each dataset.
func printWaits(out io.Writer, summaries []operator.Summary) {
	if !slices.ContainsFunc(summaries, func(s operator.Summary) bool { return s.OldestWait != nil }) {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "OLDEST WAIT\tDATASET\tSTATE\tSINCE\tTOO LONG\tTRIES\tNEXT TRY\tCODE\tCAUSE")
	for _, s := range summaries {
		w := s.OldestWait
		if w == nil {
			continue
		}
		next := ""
		if !w.NextTry.IsZero() {
			next = w.NextTry.UTC().Format(statusTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", printable(w.Object), s.Dataset, w.State,
			w.Since.UTC().Format(statusTime), plural(s.WaitsTooLong, "object"), w.Tries, next, w.Code, printable(w.Cause))
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printFailures prints the number of failed objects and the usual command of each code.
func printFailures(out io.Writer, summaries []operator.Summary) {
	if !slices.ContainsFunc(summaries, func(s operator.Summary) bool { return len(s.FailedByCode) > 0 }) {
		return
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "FAILED\tDATASET\tOBJECTS\tTO CONTINUE")
	for _, s := range summaries {
		for _, f := range s.FailedByCode {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Code, datasetName(s.Dataset), atLeast(f.Objects, f.More), f.Command)
		}
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
			line(column.Display(), s.Dataset, column.LoadedAt.Format(statusTime), printable(column.Object))
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
