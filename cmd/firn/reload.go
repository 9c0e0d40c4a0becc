package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

func reloadCommand() *cobra.Command {
	var dataset, since string
	var objects []string
	var rejects, plan, asJSON bool
	command := &cobra.Command{
		Use:   "reload",
		Short: "Transform loaded objects again with the deployed contract",
		Long: "Transform the named objects, or all objects in a dataset's ledger, again with the deployed contract. The new rows\n" +
			"replace the old rows, and the old rows stay until then. Safe to repeat, also beside another person: an unfinished\n" +
			"reload of an object continues. --rejects takes only objects with rejects, for example after a corrected rule of the\n" +
			"contract. --dry-run only lists the objects.",
		Example: "  firn reload --dataset shop.order --since 2026-03-01\n" +
			"  firn reload --rejects --dataset shop.order --dry-run\n" +
			"  firn reload --object 's3://my-landing/shop/order/orders.csv'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			switch {
			case dataset == "" && len(objects) == 0:
				return errors.New("name a dataset with --dataset, or objects with --object")
			case since != "" && len(objects) > 0:
				return errors.New("--since selects objects of a dataset: leave out --object")
			case rejects && len(objects) > 0:
				return errors.New("--rejects selects objects of a dataset: leave out --object")
			}
			reload := operator.Reload{Dataset: dataset, Objects: objects, Selection: ledger.Selection{OnlyRejects: rejects}, OnlyPlan: plan}
			if reload.Selection.Since, err = parseSince(since); err != nil {
				return err
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			if dataset != "" {
				session, err := openSnowflake(cmd.Context())
				if err != nil {
					return err
				}
				defer session.Close()
				reload.Ledger = ledger.Reader{Session: session}
			}
			printer := reloadPrinter{out: cmd.OutOrStdout(), asJSON: asJSON, plan: plan, all: []operator.Reloaded{}}
			return printer.end(o.Reload(cmd.Context(), reload, printer.add))
		},
	}
	flags := command.Flags()
	flags.StringVar(&dataset, "dataset", "", "reload the objects in the ledger of this dataset")
	flags.StringVar(&since, "since", "", "only objects loaded since a time (2026-03-01T12:00:00Z) or since a day (2026-03-01, UTC)")
	flags.StringArrayVar(&objects, "object", nil, "reload this object, s3://BUCKET/KEY or OBJECT-ID; may be repeated")
	flags.BoolVar(&rejects, "rejects", false, "only objects with rejects in the ledger")
	flags.BoolVar(&plan, "dry-run", false, "only list the objects")
	flags.BoolVar(&plan, "plan", false, "the same as --dry-run")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// parseSince reads a time or a day. An empty text is the zero time.
func parseSince(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q: write the time as 2018-01-31T00:00:00Z or 2018-01-31", text)
}

// reloadPrinter prints a line for each object at once, or all objects as JSON at the
// end.
type reloadPrinter struct {
	out          io.Writer
	asJSON, plan bool
	all          []operator.Reloaded
}

func (r *reloadPrinter) add(one operator.Reloaded) {
	r.all = append(r.all, one)
	if r.asJSON {
		return
	}
	result := fmt.Sprintf("generation %d", one.Generation)
	switch {
	case one.Refused != "":
		result = "skipped: " + one.Refused
	case one.NotSent:
		result += ", failed to send"
	case one.UnderWay:
		result += ", already being reloaded"
	}
	if one.Rejects > 0 {
		result += fmt.Sprintf(", %d rejects", one.Rejects)
	}
	fmt.Fprintf(r.out, "%s  %s  %s\n", one.ID, printable(one.Object.URI()), result)
}

// end prints the totals. Skipped objects are an error.
func (r *reloadPrinter) end(err error) error {
	var begun, underWay, notSent, refused int
	for _, one := range r.all {
		switch {
		case one.Refused != "":
			refused++
		case one.NotSent:
			notSent++
		case one.UnderWay:
			underWay++
		default:
			begun++
		}
	}
	if err != nil && len(r.all) == 0 {
		return err
	}
	if r.asJSON {
		err = errors.Join(printJSON(r.out, r.all), err)
	} else {
		first := counted{"reloaded", begun}
		if r.plan {
			first.words = "to reload"
		}
		fmt.Fprintf(r.out, "%s; see `firn status` for the result\n",
			joinCounts(first, counted{"already being reloaded", underWay}, counted{"failed to send", notSent}))
	}
	if err != nil && r.plan {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w (%d objects were reloaded before the error: run the command again)", err, begun)
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d objects were skipped", refused, len(r.all))
	}
	return nil
}
