package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

func redriveCommand() *cobra.Command {
	var dataset, code string
	var asJSON bool
	command := &cobra.Command{
		Use:   "redrive [s3://BUCKET/KEY | OBJECT-ID]",
		Short: "Retry a failed object, or the failed objects of a dataset",
		Example: "  firn redrive 's3://my-landing/shop/order/orders.csv'\n" +
			"  firn redrive --dataset shop.order --code too_many_rejects",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			if (len(names) == 1) == cmd.Flags().Changed("dataset") {
				return errors.New("name one object, or a dataset with --dataset (\"-\" for keys without a contract)")
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			var redriven []journal.Entry
			if len(names) == 1 {
				entry, err := o.Redrive(cmd.Context(), names[0])
				if err != nil {
					return err
				}
				redriven = append(redriven, entry)
			} else if redriven, err = o.RedriveAll(cmd.Context(), strings.TrimPrefix(dataset, "-"), fault.Code(code)); err != nil {
				return fmt.Errorf("%w (%d objects were redriven before the error)", err, len(redriven))
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), redriven)
			}
			for _, entry := range redriven {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", entry.ID, entry.Object.URI())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d redriven; see `firn status` for the result\n", len(redriven))
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&dataset, "dataset", "", `redrive the failed objects of this dataset; "-" for keys without a contract`)
	flags.StringVar(&code, "code", "", "only failures with this code; default: any code")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}
