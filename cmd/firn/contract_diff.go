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
		Short: "Compare two versions of a contract: the table, and the files of both versions",
		Long: "Compare two versions of a contract. Print the table changes that `firn migrate` would make, and each impossible\n" +
			"change with the reason and a way out. firn can add an optional column and give a number more digits.\n" +
			"Rules, descriptions and settings change no table.\n" +
			"Print \"compatible\" if each file of one version loads under the other version, with all records and the same\n" +
			"values. Otherwise print each reason: \"older files\" may not load under the new contract, for example in a reload.\n" +
			"\"newer files\" may not load under the old contract, before the deployment.\n" +
			"Exits 0 if the change of the table is possible, also for files that aren't compatible. Exits 1 if the change is\n" +
			"impossible, 2 if a contract can't be read.",
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
				printDifference(cmd.OutOrStdout(), change)
			}
			if err == nil && len(change.Refusals) > 0 {
				return errRefusedChange
			}
			return err
		},
	}
}

func diff(from, to string) (evolve.Difference, error) {
	older, err := check.Read(from)
	if err != nil {
		return evolve.Difference{}, err
	}
	newer, err := check.Read(to)
	if err != nil {
		return evolve.Difference{}, err
	}
	return evolve.Diff(older, newer)
}

// printDifference writes the change of the table, and the effect on files.
func printDifference(out io.Writer, d evolve.Difference) {
	printChange(out, d.Change)
	for _, sentence := range d.OlderFiles {
		fmt.Fprintf(out, "  older files: %s\n", sentence)
	}
	for _, sentence := range d.NewerFiles {
		fmt.Fprintf(out, "  newer files: %s\n", sentence)
	}
	if d.Compatible {
		fmt.Fprintln(out, "  compatible: each file of one version loads under the other version")
	}
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
