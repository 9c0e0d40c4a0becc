package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/authoring/check"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

// countWidth is the width of the column of counts.
const countWidth = 10

// defaultRejects is the default of --rejects.
const defaultRejects = 10

// failedCheckCode is the exit code of a failed check. A rejected row has exit code 1.
// wanting.
const failedCheckCode = 2

func contractCheckCommand() *cobra.Command {
	var path string
	var rejects int
	command := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a file against its contract and list the rejected rows",
		Long: "Run a file on this machine through the engine of the transform. Print counts, the broken rules, and the first\n" +
			"rejected rows with the rejected value. Without --contract, the contract is in the nearest folder above the file,\n" +
			"or in datasets/ with a firn.keyPrefix that is part of the file's path.\n" +
			"Exits 0 if every row is good, 1 if a row is rejected or the file refused, 2 if the check failed.",
		Example: "  firn contract check datasets/shop/order/orders.csv\n" +
			"  firn contract check /tmp/orders.csv --contract datasets/shop/order/contract.odcs.yaml --rejects 50",
		Args: func(cmd *cobra.Command, arguments []string) error {
			return failedCheckError(withHelp(cobra.ExactArgs(1))(cmd, arguments))
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			report, err := checkFile(cmd, files[0], path, rejects)
			if err != nil {
				return failedCheckError(err)
			}
			if asJSON(cmd) {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = printReport(cmd.OutOrStdout(), report)
			}
			if err != nil {
				return failedCheckError(err)
			}
			return reportError(report)
		},
	}
	command.Flags().StringVar(&path, "contract", "", "file of the contract; default: found by the path of FILE")
	command.Flags().IntVar(&rejects, "rejects", defaultRejects, "number of rejected rows to show")
	command.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return failedCheckError(cmd.Root().FlagErrorFunc()(cmd, err))
	})
	return command
}

// failedCheckError gives an error the exit code of a failed check. The result of nil is
// nil.
func failedCheckError(err error) error {
	if err == nil {
		return nil
	}
	return codedError{err, failedCheckCode}
}

func checkFile(cmd *cobra.Command, file, path string, rejects int) (check.Report, error) {
	if rejects < 0 {
		return check.Report{}, fmt.Errorf("--rejects %d: give 0 or a larger number", rejects)
	}
	var c *contract.Contract
	var err error
	if path != "" {
		c, err = check.Read(path)
	} else {
		c, err = check.Find(file, datasetsFolder())
	}
	if err != nil {
		return check.Report{}, err
	}
	return (&check.Check{File: file, Contract: c, Rejects: rejects, Now: time.Now}).Run(cmd.Context())
}

// reportError returns nil if every row is good, and otherwise an error with the counts.
func reportError(r check.Report) error {
	switch {
	case r.Outcome != work.Accepted:
		return fmt.Errorf("%s would be refused: %s", r.File, r.Code)
	case r.RowsRejected > 0:
		return fmt.Errorf("%d of %d rows of %s would be rejected", r.RowsRejected, r.RowsRead, r.File)
	default:
		return nil
	}
}

func printReport(out io.Writer, r check.Report) error {
	fmt.Fprintf(out, "%s, checked with %s (%s %s)\n\n", r.File, r.Contract, r.Dataset, r.Version)
	printCounts(out, r)
	if r.Outcome != work.Accepted {
		fmt.Fprintf(out, "\nThe whole file would be refused, %s: %s.\n%s\n", r.Code, strings.TrimSuffix(printable(r.Cause), "."), r.Hint)
	}
	if err := printRules(out, r); err != nil {
		return err
	}
	if err := printRejects(out, r); err != nil {
		return err
	}
	if len(r.ExtraColumns) > 0 {
		fmt.Fprintf(out, "\nIgnored columns, not in the contract: %s\n", printable(strings.Join(r.ExtraColumns, ", ")))
	}
	if len(r.AbsentColumns) > 0 {
		fmt.Fprintf(out, "\nNull in every row, not in the file: %s\n", strings.Join(r.AbsentColumns, ", "))
	}
	if len(r.Unchecked) > 0 {
		fmt.Fprintf(out, "\nNot checked: %s\n", strings.Join(r.Unchecked, ", "))
	}
	if r.Clean() {
		fmt.Fprintln(out, "\nEvery row is good.")
	}
	return nil
}

func printCounts(out io.Writer, r check.Report) {
	share := 100 * float64(r.RowsRejected) / float64(max(r.RowsRead, 1))
	fmt.Fprintf(out, "read      %*d\n", countWidth, r.RowsRead)
	fmt.Fprintf(out, "good      %*d\n", countWidth, r.RowsGood)
	fmt.Fprintf(out, "rejected  %*d  %.2f %%\n", countWidth, r.RowsRejected, share)
}

func printRules(out io.Writer, r check.Report) error {
	if len(r.Rules) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROWS\tBROKEN RULE\tEXPECTED")
	for _, rule := range r.Rules {
		fmt.Fprintf(table, "%d\t%s\t%s\n", rule.Rows, rule.Rule, printable(rule.Expected))
	}
	return table.Flush()
}

func printRejects(out io.Writer, r check.Report) error {
	if len(r.Rejects) == 0 {
		return nil
	}
	if int64(len(r.Rejects)) < r.RowsRejected {
		fmt.Fprintf(out, "\nThe first %d rejected rows of %d (--rejects shows more):\n", len(r.Rejects), r.RowsRejected)
	} else {
		fmt.Fprintln(out, "\nThe rejected rows:")
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RECORD\tLINE\tCOLUMN\tRULE\tVALUE\tEXPECTED")
	for _, reject := range r.Rejects {
		column := reject.Column
		if column == "" {
			column = "(record)"
		}
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t%s\t%s\n", reject.Record, reject.Line, column, reject.Rule, shownValue(r.Format, reject), printable(reject.Expected))
	}
	return table.Flush()
}

// maxValueLength is the number of shown characters of a value.
const maxValueLength = 40

// shownValue shortens a value and escapes control characters. Text of a CSV file gets
// quotes, which show spaces. JSON already has quotes.
func shownValue(format contract.Format, reject check.Reject) string {
	if reject.Value == nil {
		return "(none)"
	}
	value, more := *reject.Value, ""
	if letters := []rune(value); len(letters) > maxValueLength {
		value, more = string(letters[:maxValueLength]), "…"
	}
	if format == contract.NDJSON {
		return printable(value) + more
	}
	return strconv.Quote(value) + more
}

// printable escapes characters that aren't printable.
func printable(text string) string {
	var shown strings.Builder
	for _, letter := range text {
		if strconv.IsPrint(letter) {
			shown.WriteRune(letter)
		} else {
			shown.WriteString(strings.Trim(strconv.QuoteRune(letter), "'"))
		}
	}
	return shown.String()
}
