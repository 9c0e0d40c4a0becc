package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/evolve"
)

func pauseCommand() *cobra.Command {
	return switchCommand(&cobra.Command{
		Use:   "pause DATASET",
		Short: "Stop the loads of a dataset until `firn resume`",
		Long: "Stop the loads of a dataset, for example before a change of the table. The command waits for the running load.\n" +
			"firn still transforms new files and loads the files after `firn resume`. `firn migrate` needs no pause.",
		Example: "  firn pause shop.order",
	}, "paused", (*evolve.Evolver).Pause)
}

func resumeCommand() *cobra.Command {
	return switchCommand(&cobra.Command{
		Use:     "resume DATASET",
		Short:   "Continue the loads of a paused dataset",
		Long:    "Continue the loads of a paused dataset.\nThe waiting files are loaded at the next retry of the load queue, after 15 minutes at most.",
		Example: "  firn resume shop.order",
	}, "resumed", (*evolve.Evolver).Resume)
}

// switchResult is the JSON of pause and resume.
type switchResult struct {
	Dataset string `json:"dataset"`
	// Changed is false if the dataset already had the state.
	Changed bool `json:"changed"`
}

// switchCommand completes a command that pauses or resumes a dataset with set.
func switchCommand(command *cobra.Command, done string, set func(*evolve.Evolver, context.Context, *contract.Contract) (bool, error)) *cobra.Command {
	var asJSON bool
	command.Args = cobra.ExactArgs(1)
	command.RunE = func(cmd *cobra.Command, names []string) error {
		o, err := openOperator(cmd.Context())
		if err != nil {
			return err
		}
		if err := o.CheckDataset(names[0]); err != nil {
			return err
		}
		session, err := openSnowflake(cmd.Context())
		if err != nil {
			return err
		}
		defer session.Close()
		changed, err := set(&evolve.Evolver{Session: session}, cmd.Context(), o.Contracts.ByDataset(names[0]))
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), switchResult{Dataset: names[0], Changed: changed})
		}
		before := ""
		if !changed {
			before = " already"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s was%s %s\n", names[0], before, done)
		return nil
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}
