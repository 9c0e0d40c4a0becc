package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/operator"
)

// seeStatus is the end of the totals of a command whose work the functions do later.
const seeStatus = "; see `firn status` for the result"

func redriveCommand() *cobra.Command {
	var code string
	var asJSON bool
	command := &cobra.Command{
		Use:   "redrive [s3://BUCKET/KEY | OBJECT-ID]",
		Short: "Retry a failed or dismissed object, or the failed objects of a dataset",
		Long: "Retry a failed or dismissed object, or all failed objects of a dataset. Safe to repeat, also beside another person:\n" +
			"an object on its way stays as it is. After a failed send the same command continues.",
		Example: "  firn redrive 's3://my-landing/shop/order/orders.csv'\n" +
			"  firn redrive --dataset shop.order --code too_many_rejects",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			dataset, ofDataset, err := datasetOf(cmd)
			switch {
			case err != nil:
				return err
			case (len(names) == 1) == ofDataset:
				return errors.New("name one object, or a dataset with --dataset (\"-\" for keys without a contract)")
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			all := newReport(cmd, asJSON, redriveLines)
			if ofDataset {
				err = o.RedriveAll(cmd.Context(), operatorName(dataset), fault.Code(code), all.add)
			} else {
				var one operator.Redriven
				if one, err = o.Redrive(cmd.Context(), names[0]); one.ID != "" {
					all.add(one)
				}
			}
			return all.end(err, all.totals(redriveOutcome, redriven, underWay, needsNothing, notSent)+seeStatus)
		},
	}
	flags := command.Flags()
	flags.String(datasetFlag, "", `redrive the failed objects of this dataset; "-" for keys without a contract`)
	flags.StringVar(&code, "code", "", "only failures with this code; default: any code")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

const (
	redriven     = "redriven"
	underWay     = "already under way"
	needsNothing = "need no redrive"
	notSent      = "failed to send"
)

// redriveOutcome returns the outcome of a redrive for the totals.
func redriveOutcome(one operator.Redriven) string {
	switch one.Outcome {
	case operator.WasUnderWay:
		return underWay
	case operator.WasSettled:
		return needsNothing
	case operator.WasNotSent:
		return notSent
	default:
		return redriven
	}
}

func redriveLines(one operator.Redriven) []string {
	result := ""
	switch one.Outcome {
	case operator.WasUnderWay:
		result = fmt.Sprintf("  already under way: %s", one.State)
	case operator.WasSettled:
		result = fmt.Sprintf("  needs no redrive: %s", one.State)
	case operator.WasNotSent:
		result = "  failed to send"
	case operator.WasRedriven:
	}
	return []string{fmt.Sprintf("%s  %s%s", one.ID, printable(one.Object.URI()), result)}
}
