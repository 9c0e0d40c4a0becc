package main

import (
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/warehouse"
)

func acceptCommand() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "accept DATASET DELIVERY",
		Short: "Accept a held delivery of a snapshot",
		Long: "Accept a delivery that firn holds because it has far fewer rows than the delivery before it. The view of the current\n" +
			"rows then shows the delivery, unless a newer one is accepted. The ledger records the time and your AWS identity. An\n" +
			"acceptance is for the files that are loaded now: a reload keeps it, and a new version of a file needs a new one.",
		Example: "  firn accept shop.customer 2026-02-28",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, arguments []string) error {
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			if err := o.CheckSnapshot(arguments[0]); err != nil {
				return err
			}
			by, err := actor(cmd.Context())
			if err != nil {
				return err
			}
			login, err := openSnowflake(cmd.Context())
			if err != nil {
				return err
			}
			session := warehouse.On(login, arguments[0], "accept "+uuid.NewString())
			defer session.Close()
			accepted, err := o.Accept(cmd.Context(), session, arguments[0], arguments[1], by)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), acceptResultOf(arguments[0], accepted))
			}
			printAccepted(cmd.OutOrStdout(), arguments[0], accepted)
			return nil
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// acceptResult is the JSON of accept.
type acceptResult struct {
	Dataset  string `json:"dataset"`
	Delivery string `json:"delivery"`
	Rows     int64  `json:"rows"`
	// WasHeld reports whether the delivery was held before.
	WasHeld bool `json:"was_held"`
	// Current is the delivery that the view of the current rows shows.
	Current string `json:"current"`
}

func acceptResultOf(dataset string, a load.Accepted) acceptResult {
	return acceptResult{Dataset: dataset, Delivery: a.Delivery.Name, Rows: a.Delivery.Rows, WasHeld: a.WasHeld, Current: a.Deliveries.Current}
}

func printAccepted(out io.Writer, dataset string, a load.Accepted) {
	before := ""
	if !a.WasHeld {
		before = ", and it wasn't held before"
	}
	fmt.Fprintf(out, "delivery %s of %s is accepted, with %d rows%s\nthe current delivery is %s\n", a.Delivery.Name, dataset, a.Delivery.Rows, before, a.Deliveries.Current)
}
