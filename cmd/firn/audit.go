package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/operator/audit"
	"github.com/firn-data/firn/internal/snowflake"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

func auditCommand() *cobra.Command {
	var grace, stuck time.Duration
	var asJSON bool
	var ignored []string
	command := &cobra.Command{
		Use:   "audit",
		Short: "Compare S3, the journal, the ledgers and the tables",
		Long: "Compare S3, the journal, the ledgers and count(*) of the tables. Print each difference with the next command to\n" +
			"type; docs/runbook.md explains each kind of difference. The audit changes nothing and delays no load.\n" +
			"With --dataset the audit reads only the objects of the dataset. An audit of all datasets reads the whole journal,\n" +
			"and also finds objects that only the journal has. It keeps its records, without any row, in temporary files.\n" +
			"Exits 0 without a difference, 1 with differences, 2 if the audit failed.",
		Example: "  firn audit\n  firn audit --dataset shop.order --json\n  firn audit --ignore file_deleted",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dataset, _, err := datasetOf(cmd)
			if err != nil {
				return codedError{err, failedCheckCode}
			}
			result, err := runAudit(cmd.Context(), dataset, grace, stuck)
			if err == nil {
				err = result.Ignore(ignored)
			}
			if err != nil {
				return codedError{err, failedCheckCode}
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), result)
			} else {
				printAudit(cmd.OutOrStdout(), result)
			}
			if err == nil && len(result.Differences) > 0 {
				err = fmt.Errorf("%d differences", len(result.Differences))
			}
			return err
		},
	}
	flags := command.Flags()
	flags.String(datasetFlag, "", "audit only this dataset, <source>.<entity>; default: all datasets, and keys without a contract")
	flags.DurationVar(&grace, "grace", 15*time.Minute, "skip objects with a change in this time before the audit")
	flags.DurationVar(&stuck, "stuck", time.Hour, "report an unsettled object after this time in the same state")
	flags.StringArrayVar(&ignored, "ignore", nil, "leave out this kind of difference, for example file_deleted; may be repeated")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func runAudit(ctx context.Context, dataset string, grace, stuck time.Duration) (result audit.Result, err error) {
	o, err := openOperator(ctx)
	if err != nil {
		return result, err
	}
	if err := o.CheckDataset(dataset); err != nil {
		return result, err
	}
	var session *snowflake.Session
	defer func() {
		if session != nil {
			_ = session.Close() // the session only reads
		}
	}()
	auditor := &audit.Auditor{
		Contracts: o.Contracts, Journal: o.Journal, Objects: o.Objects,
		LandingBucket: o.Stack.LandingBucket, CuratedBucket: o.Stack.CuratedBucket,
		Open: func(ctx context.Context) (audit.Ledger, error) {
			var err error
			session, err = openSnowflake(ctx)
			return ledger.Reader{Session: session}, err
		},
		Now: time.Now, Grace: grace, Stuck: stuck,
	}
	return auditor.Run(ctx, dataset)
}

// movingStates are the states of an unsettled object.
var movingStates = []journal.State{journal.Received, journal.Transforming, journal.Transformed}

// printAudit prints a row of counts for each dataset and a line for each difference.
func printAudit(out io.Writer, result audit.Result) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DATASET\tIN S3\tMOVING\tLOADED\tSUPERSEDED\tWITHDRAWN\tDISMISSED\tFAILED\tLEDGER OBJECTS\tLEDGER ROWS\tTABLE ROWS\tREJECTS\tDIFFERENCES")
	for _, s := range result.Datasets {
		moving := 0
		for _, state := range movingStates {
			moving += s.Journal[state]
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", cmp.Or(s.Dataset, "(no dataset)"), s.Versions, moving,
			s.Journal[journal.Loaded], s.Journal[journal.Superseded], s.Journal[journal.Withdrawn], s.Journal[journal.Dismissed], s.Journal[journal.Failed],
			s.Objects, s.LedgerRows, s.TableRows, s.TableRejects, s.Differences)
	}
	_ = table.Flush()
	if len(result.Differences) > 0 {
		fmt.Fprintln(out)
	}
	for _, d := range result.Differences {
		fmt.Fprintln(out, strings.Join(differenceLines(d), "  "))
	}
}

// differenceLines returns the filled fields of a difference.
func differenceLines(d audit.Difference) []string {
	all := []string{cmp.Or(d.Dataset, "(no dataset)"), string(d.Kind), printable(d.Object), string(d.ID), d.One, d.Other, "type: " + d.Command}
	return slices.DeleteFunc(all, func(word string) bool { return word == "" })
}
