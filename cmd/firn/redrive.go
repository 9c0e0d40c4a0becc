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

func redriveCommand() *cobra.Command {
	var dataset, code string
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
			if (len(names) == 1) == cmd.Flags().Changed("dataset") {
				return errors.New("name one object, or a dataset with --dataset (\"-\" for keys without a contract)")
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			printer := redrivePrinter{out: cmd.OutOrStdout(), asJSON: asJSON, all: []operator.Redriven{}}
			if len(names) == 0 {
				return printer.end(o.RedriveAll(cmd.Context(), strings.TrimPrefix(dataset, "-"), fault.Code(code), printer.add))
			}
			redriven, err := o.Redrive(cmd.Context(), names[0])
			if redriven.ID != "" {
				printer.add(redriven)
			}
			return printer.end(err)
		},
	}
	flags := command.Flags()
	flags.StringVar(&dataset, "dataset", "", `redrive the failed objects of this dataset; "-" for keys without a contract`)
	flags.StringVar(&code, "code", "", "only failures with this code; default: any code")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// redrivePrinter prints a line for each object at once, or all objects as JSON at the
// end.
type redrivePrinter struct {
	out    io.Writer
	asJSON bool
	all    []operator.Redriven
}

func (r *redrivePrinter) add(one operator.Redriven) {
	if r.all = append(r.all, one); r.asJSON {
		return
	}
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
	fmt.Fprintf(r.out, "%s  %s%s\n", one.ID, printable(one.Object.URI()), result)
}

// end prints the counts. Without an object, only an error has no counts.
func (r *redrivePrinter) end(err error) error {
	if err != nil && len(r.all) == 0 {
		return err
	}
	if r.asJSON {
		return errors.Join(printJSON(r.out, r.all), err)
	}
	count := make(map[operator.Outcome]int)
	for _, one := range r.all {
		count[one.Outcome]++
	}
	fmt.Fprintf(r.out, "%s; see `firn status` for the result\n", joinCounts(counted{"redriven", count[operator.WasRedriven]},
		counted{"already under way", count[operator.WasUnderWay]}, counted{"need no redrive", count[operator.WasSettled]},
		counted{"failed to send", count[operator.WasNotSent]}))
	return err
}

// counted is a number of objects with its words.
type counted struct {
	words string
	n     int
}

// joinCounts returns the first count and all other counts above 0.
func joinCounts(first counted, others ...counted) string {
	texts := []string{fmt.Sprintf("%d %s", first.n, first.words)}
	for _, c := range others {
		if c.n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", c.n, c.words))
		}
	}
	return strings.Join(texts, ", ")
}
