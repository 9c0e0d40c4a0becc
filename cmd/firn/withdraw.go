package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

func withdrawCommand() *cobra.Command {
	var dataset, reason string
	var asJSON bool
	command := &cobra.Command{
		Use:   "withdraw s3://BUCKET/KEY | OBJECT-ID ...",
		Short: "Remove the rows and the rejects of an object from the tables",
		Long: "Remove the rows and the rejects of an object from the tables, in one transaction. OPS.ENDED records the reason and\n" +
			"your AWS identity. Then the command deletes the object's curated files. The landing bucket stays as it is.\n" +
			"No older version of the key comes back, and no reload. A file that is put again loads again.\n" +
			"Safe to repeat: the same command completes an interrupted withdrawal.",
		Example: "  firn withdraw 's3://my-landing/shop/order/orders.csv' --reason 'sent by mistake'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			if reason == "" {
				return errors.New("name the reason with --reason")
			}
			asked := operator.Withdraw{Objects: names, Dataset: dataset, Reason: reason}
			return withdraw(cmd, asked, asJSON)
		},
	}
	flags := command.Flags()
	flags.StringVar(&reason, "reason", "", "reason of the withdrawal, for the record; required")
	flags.StringVar(&dataset, "dataset", "", "dataset of an object that the journal doesn't know")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// withdraw completes the request with the environment's logins, and prints the results.
func withdraw(cmd *cobra.Command, asked operator.Withdraw, asJSON bool) error {
	ctx := cmd.Context()
	o, err := openOperator(ctx)
	if err != nil {
		return err
	}
	if asked.By, err = actor(ctx); err != nil {
		return err
	}
	if asked.Dataset != "" {
		session, err := openSnowflake(ctx)
		if err != nil {
			return err
		}
		defer session.Close()
		asked.Ledger = ledger.Reader{Session: session}
	}
	if asked.Withdrawer, asked.Files, err = newWithdrawer(ctx, o.Stack, o.Contracts); err != nil {
		return err
	}
	all := newReport(cmd, asJSON, withdrawLines)
	return all.end(o.Withdraw(ctx, asked, all.add), "")
}

// withdrawLines returns a line for each version whose rows left the table.
func withdrawLines(w operator.Withdrawn) []string {
	start := fmt.Sprintf("%s  %s  withdrawn", w.ID, printable(w.Object.URI()))
	if len(w.Ended) == 0 {
		return []string{start + "; the table had no rows of it"}
	}
	var lines []string
	for _, end := range w.Ended {
		older := ""
		if end.ID != w.ID {
			older = ", of the older version " + end.Version
		}
		lines = append(lines, fmt.Sprintf("%s: %d rows and %d rejects%s", start, end.Rows, end.Rejected, older))
	}
	return lines
}
