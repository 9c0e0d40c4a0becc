package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func sweepCommand() *cobra.Command {
	var grace, stuck time.Duration
	var asJSON bool
	command := &cobra.Command{
		Use:   "sweep",
		Short: "Find what no event announced and what stands still, and help it on",
		Long: "Ask for a sweep of the whole landing bucket now: a version that the journal doesn't know is announced, a receipt\n" +
			"that nobody announced is routed, and what stands still is asked for once more, at most three times. A schedule\n" +
			"does the same each hour for what is new. Safe to repeat: what is on its way already stays as it is.",
		Example: "  firn sweep\n  firn sweep --stuck 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			asked, err := o.Sweep(cmd.Context(), time.Now(), grace, stuck)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), asked)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "asked for a sweep; `firn status` and `firn audit` show what becomes of what it finds")
			return err
		},
	}
	flags := command.Flags()
	flags.DurationVar(&grace, "grace", 15*time.Minute, "a version that was written so shortly before may be on its way")
	flags.DurationVar(&stuck, "stuck", time.Hour, "how long an object may stay on its way in one state")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}
