package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/operator"
)

func dismissCommand() *cobra.Command {
	var code, reason string
	var asJSON bool
	command := &cobra.Command{
		Use:   "dismiss [s3://BUCKET/KEY | OBJECT-ID ...]",
		Short: "Give up failed or waiting objects for good",
		Long: "Give up the named objects, or the failed objects of a dataset with a code. A named object may also wait, for example\n" +
			"for its table. The journal records the reason and your identity. No later message continues a dismissed object.\n" +
			"Rows in the tables stay as they are. Safe to repeat. `firn redrive` brings a dismissed object back.",
		Example: "  firn dismiss 's3://my-landing/shop/order/orders.csv' --reason 'a test file'\n" +
			"  firn dismiss --dataset shop.order --code too_many_rejects --reason 'sent again as orders-2.csv'",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			dataset, ofDataset, err := datasetOf(cmd)
			switch {
			case err != nil:
				return err
			case (len(names) > 0) == ofDataset:
				return errors.New("name objects, or a dataset with --dataset (\"-\" for keys without a contract) and a code with --code")
			case (code != "") != ofDataset:
				return errors.New("name a code with --code for a dataset, and only for a dataset")
			case reason == "":
				return errors.New("name the reason with --reason")
			}
			asked := operator.Dismiss{Objects: names, Dataset: operatorName(dataset), Code: fault.Code(code), Reason: reason}
			return dismiss(cmd, asked, asJSON)
		},
	}
	flags := command.Flags()
	flags.String(datasetFlag, "", `dismiss the failed objects of this dataset; "-" for keys without a contract`)
	flags.StringVar(&code, "code", "", "dismiss only failures with this code; required with --dataset")
	flags.StringVar(&reason, "reason", "", "reason of the dismissal, for the record; required")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// dismiss completes the request with the environment's login, and prints the results.
// Skipped objects are an error.
func dismiss(cmd *cobra.Command, asked operator.Dismiss, asJSON bool) error {
	ctx := cmd.Context()
	o, err := openOperator(ctx)
	if err != nil {
		return err
	}
	if asked.By, err = actor(ctx); err != nil {
		return err
	}
	all := newReport(cmd, asJSON, dismissLines)
	err = o.Dismiss(ctx, asked, all.add)
	err = all.end(err, all.totals(dismissOutcome, dismissed, dismissedBefore, skipped))
	if refused := all.count(dismissOutcome, skipped); err == nil && refused > 0 {
		err = fmt.Errorf("%d of %d objects were skipped", refused, len(all.all))
	}
	return err
}

const (
	dismissed       = "dismissed"
	dismissedBefore = "already dismissed"
	skipped         = "skipped"
)

// dismissOutcome returns the outcome of a dismissal for the totals.
func dismissOutcome(one operator.Dismissed) string {
	switch {
	case one.Refused != "":
		return skipped
	case one.Before:
		return dismissedBefore
	default:
		return dismissed
	}
}

func dismissLines(one operator.Dismissed) []string {
	result := ""
	switch {
	case one.Refused != "":
		result = "  skipped: " + one.Refused
	case one.Before:
		result = "  already dismissed"
	}
	return []string{fmt.Sprintf("%s  %s%s", one.ID, printable(one.Object.URI()), result)}
}
