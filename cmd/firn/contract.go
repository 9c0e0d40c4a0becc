package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func contractCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "contract",
		Short: "Draft a contract from a file, check a file, or compare two versions of a contract",
		Long: "Work with contracts and files on this machine. The commands need no cloud and send nothing.\n" +
			"`infer` drafts a contract from a file. `check` lists the rejected rows of a file with the reasons.\n" +
			"`diff` lists the table changes between two versions of a contract.",
		Args: withHelp(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.PersistentFlags().Bool("json", false, "print JSON")
	command.AddCommand(contractCheckCommand(), contractInferCommand(), contractDiffCommand())
	return command
}

// asJSON reads the flag that all commands on contracts have.
func asJSON(cmd *cobra.Command) bool {
	flag, err := cmd.Flags().GetBool("json")
	return err == nil && flag
}

// datasetsFolder is where the contracts are: as the environment says, else those
// of the repository that the working directory is in, else below it.
func datasetsFolder() string {
	if folder := os.Getenv("FIRN_DATASETS"); folder != "" {
		return folder
	}
	root, err := repository()
	if err != nil {
		return "datasets"
	}
	return filepath.Join(root, "datasets")
}

// codedError is an error that says with which code the command ends.
type codedError struct {
	error

	code int
}

// Unwrap returns the error itself.
func (c codedError) Unwrap() error { return c.error }

// exitCode is 1 for an error that doesn't say its own.
func exitCode(err error) int {
	var c codedError
	if errors.As(err, &c) {
		return c.code
	}
	return 1
}
