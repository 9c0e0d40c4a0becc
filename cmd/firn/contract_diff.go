package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/authoring/check"
	"github.com/firn-data/firn/internal/snowflake/evolve"
)

// errRefusedChange ends `contract diff` after an impossible change. The reasons are on
// standard output.
var errRefusedChange = errors.New("the table can't be changed to the new contract")

func contractDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show the table changes between two versions of a contract",
		Long: "Compare two versions of a contract. Print the table changes that `firn migrate` would make, and each impossible\n" +
			"change with the reason and a way out. firn can add an optional column and give a number more digits.\n" +
			"Rules, descriptions and settings change no table.\n" +
			"Exits 0 if the change is possible, 1 if not, 2 if a contract can't be read.",
		Example: "  git show v1.2.0:datasets/shop/order/contract.odcs.yaml >/tmp/old.yaml\n" +
			"  firn contract diff /tmp/old.yaml datasets/shop/order/contract.odcs.yaml",
		Args: func(cmd *cobra.Command, arguments []string) error {
			return failedCheckError(withHelp(cobra.ExactArgs(2))(cmd, arguments))
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			change, err := diff(files[0], files[1])
			if err != nil {
				return failedCheckError(err)
			}
			if asJSON(cmd) {
				err = printJSON(cmd.OutOrStdout(), change)
			} else {
				printChange(cmd.OutOrStdout(), change)
			}
			if err == nil && len(change.Refusals) > 0 {
				return errRefusedChange
			}
			return err
		},
	}
}

func diff(from, to string) (evolve.Change, error) {
	older, err := check.Read(from)
	if err != nil {
		return evolve.Change{}, err
	}
	newer, err := check.Read(to)
	if err != nil {
		return evolve.Change{}, err
	}
	return evolve.Diff(older, newer)
}

// printChange writes a line for each step and each refusal, or a line without both.
func printChange(out io.Writer, change evolve.Change) {
	fmt.Fprintf(out, "%s %s\n", change.Dataset, versions(change))
	for _, step := range change.Steps {
		fmt.Fprintf(out, "  %s\n", step)
	}
	for _, sentence := range change.Refusals {
		fmt.Fprintf(out, "  refused: %s\n", sentence)
	}
	if len(change.Steps)+len(change.Refusals) == 0 {
		fmt.Fprintln(out, "  no change of the table")
	}
}

func versions(change evolve.Change) string {
	if change.From == change.To {
		return change.From
	}
	return change.From + " -> " + change.To
}
