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
		Short: "Find objects without an event and stopped objects, and continue",
		Long: "Request a sweep of the whole landing bucket now. The sweep announces versions without a journal entry, routes\n" +
			"receipts without an event, and sends the work of a stopped object and the message of a stopped ingestion run\n" +
			"again, at most three times. A schedule sweeps new objects each hour. Safe to repeat: a sweep doesn't change moving objects.",
		Example: "  firn sweep\n  firn sweep --stuck 10m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			request, err := o.Sweep(cmd.Context(), time.Now(), grace, stuck)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), request)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "requested a sweep; see `firn status` and `firn audit` for the result")
			return err
		},
	}
	flags := command.Flags()
	flags.DurationVar(&grace, "grace", 15*time.Minute, "skip versions younger than this time: the event may still come")
	flags.DurationVar(&stuck, "stuck", time.Hour, "resume an unsettled object or run after this time without progress")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}
