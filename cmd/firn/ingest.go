package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/journal"
)

func ingestCommand() *cobra.Command {
	var start, end string
	var asJSON bool
	command := &cobra.Command{
		Use:     "ingest DATASET --start TIME --end TIME",
		Short:   "Fetch the records of a time interval from the API of a dataset",
		Example: "  firn ingest station.event --start 2018-01-31T00:00:00Z --end 2018-02-08T00:00:00Z",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			from, err := parseTime("--start", start)
			if err != nil {
				return err
			}
			to, err := parseTime("--end", end)
			if err != nil {
				return err
			}
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			run, err := o.Ingest(cmd.Context(), names[0], from, to)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"dataset": names[0], "start": from, "end": to, "run_id": run.ID, "state": run.State})
			}
			if run.State == journal.RunFinished {
				fmt.Fprintf(cmd.OutOrStdout(), "run %s is finished since %s: nothing to fetch\n", run.FullName(), run.Finished.UTC().Format(time.DateTime))
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ordered %s from %s to %s\n", names[0], start, end)
			return nil
		},
	}
	command.Flags().StringVar(&start, "start", "", "start of the interval, RFC 3339, inclusive")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	command.Flags().StringVar(&end, "end", "", "end of the interval, RFC 3339, exclusive")
	return command
}

func parseTime(flag, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q: write the time as 2018-01-31T00:00:00Z", flag, text)
	}
	return at, nil
}
