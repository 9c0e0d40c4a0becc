package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

func reloadCommand() *cobra.Command {
	var since string
	var objects []string
	var rejects, plan, asJSON bool
	command := &cobra.Command{
		Use:   "reload",
		Short: "Transform loaded objects again with the deployed contract",
		Long: "Transform the named objects, or all objects in a dataset's ledger, again with the deployed contract. The new rows\n" +
			"replace the old rows, and the old rows stay until then. Safe to repeat, also beside another person: an unfinished\n" +
			"reload of an object continues. --rejects takes only objects with rejects, for example after a corrected rule of the\n" +
			"contract. --plan only lists the objects.",
		Example: "  firn reload --dataset shop.order --since 2026-03-01\n" +
			"  firn reload --rejects --dataset shop.order --plan\n" +
			"  firn reload --object 's3://my-landing/shop/order/orders.csv'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dataset, ofDataset, err := datasetOf(cmd)
			switch {
			case err != nil:
				return err
			case !ofDataset && len(objects) == 0:
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
			if ofDataset {
				session, err := openSnowflake(cmd.Context())
				if err != nil {
					return err
				}
				defer session.Close()
				reload.Ledger = ledger.Reader{Session: session}
			}
			all := newReport(cmd, asJSON, reloadLines)
			return endReload(all, o.Reload(cmd.Context(), reload, all.add), plan)
		},
	}
	flags := command.Flags()
	flags.String(datasetFlag, "", "reload the objects in the ledger of this dataset")
	flags.StringVar(&since, "since", "", "only objects loaded since a time (2026-03-01T12:00:00Z) or since a day (2026-03-01, UTC)")
	flags.StringArrayVar(&objects, "object", nil, "reload this object, s3://BUCKET/KEY or OBJECT-ID; may be repeated")
	flags.BoolVar(&rejects, "rejects", false, "only objects with rejects in the ledger")
	flags.BoolVar(&plan, "plan", false, "only list the objects")
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

const (
	reloaded       = "reloaded"
	toReload       = "to reload"
	reloadedBefore = "already being reloaded"
)

// reloadOutcome returns the outcome of a reload for the totals. For a plan, the first
// outcome has other words.
func reloadOutcome(begun string) func(operator.Reloaded) string {
	return func(one operator.Reloaded) string {
		switch {
		case one.Refused != "":
			return skipped
		case one.NotSent:
			return notSent
		case one.UnderWay:
			return reloadedBefore
		default:
			return begun
		}
	}
}

func reloadLines(one operator.Reloaded) []string {
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
	return []string{fmt.Sprintf("%s  %s  %s", one.ID, printable(one.Object.URI()), result)}
}

// endReload prints the totals. Skipped objects are an error.
func endReload(all *report[operator.Reloaded], err error, plan bool) error {
	begun := reloaded
	if plan {
		begun = toReload
	}
	outcome := reloadOutcome(begun)
	err = all.end(err, all.totals(outcome, begun, reloadedBefore, notSent)+seeStatus)
	if err != nil && !plan && len(all.all) > 0 {
		return fmt.Errorf("%w (%d objects were reloaded before the error: run the command again)", err, all.count(outcome, begun))
	}
	if refused := all.count(outcome, skipped); err == nil && refused > 0 {
		return fmt.Errorf("%d of %d objects were skipped", refused, len(all.all))
	}
	return err
}
