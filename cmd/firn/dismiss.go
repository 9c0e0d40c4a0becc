package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/operator"
)

func dismissCommand() *cobra.Command {
	var dataset, code, reason string
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
			switch {
			case (len(names) > 0) == cmd.Flags().Changed("dataset"):
				return errors.New("name objects, or a dataset with --dataset (\"-\" for keys without a contract) and a code with --code")
			case (code != "") != cmd.Flags().Changed("dataset"):
				return errors.New("name a code with --code for a dataset, and only for a dataset")
			case reason == "":
				return errors.New("name the reason with --reason")
			}
			asked := operator.Dismiss{Objects: names, Dataset: strings.TrimPrefix(dataset, "-"), Code: fault.Code(code), Reason: reason}
			return dismiss(cmd, asked, asJSON)
		},
	}
	flags := command.Flags()
	flags.StringVar(&dataset, "dataset", "", `dismiss the failed objects of this dataset; "-" for keys without a contract`)
	flags.StringVar(&code, "code", "", "dismiss only failures with this code; required with --dataset")
	flags.StringVar(&reason, "reason", "", "reason of the dismissal, for the record; required")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// dismiss completes the request with the environment's login, and prints each result at
// once, or all results as JSON at the end.
func dismiss(cmd *cobra.Command, asked operator.Dismiss, asJSON bool) error {
	ctx := cmd.Context()
	o, err := openOperator(ctx)
	if err != nil {
		return err
	}
	if asked.By, err = actor(ctx); err != nil {
		return err
	}
	printer := dismissPrinter{out: cmd.OutOrStdout(), asJSON: asJSON, all: []operator.Dismissed{}}
	return printer.end(o.Dismiss(ctx, asked, printer.add))
}

// dismissPrinter prints a line for each object at once, or all objects as JSON at the
// end.
type dismissPrinter struct {
	out    io.Writer
	asJSON bool
	all    []operator.Dismissed
}

func (d *dismissPrinter) add(one operator.Dismissed) {
	if d.all = append(d.all, one); d.asJSON {
		return
	}
	result := ""
	switch {
	case one.Refused != "":
		result = "  skipped: " + one.Refused
	case one.Before:
		result = "  already dismissed"
	}
	fmt.Fprintf(d.out, "%s  %s%s\n", one.ID, printable(one.Object.URI()), result)
}

// end prints the counts. Skipped objects are an error.
func (d *dismissPrinter) end(err error) error {
	if err != nil && len(d.all) == 0 {
		return err
	}
	var done, before, refused int
	for _, one := range d.all {
		switch {
		case one.Refused != "":
			refused++
		case one.Before:
			before++
		default:
			done++
		}
	}
	if d.asJSON {
		err = errors.Join(printJSON(d.out, d.all), err)
	} else {
		fmt.Fprintln(d.out, joinCounts(counted{"dismissed", done}, counted{"already dismissed", before}, counted{"skipped", refused}))
	}
	if err == nil && refused > 0 {
		err = fmt.Errorf("%d of %d objects were skipped", refused, len(d.all))
	}
	return err
}
