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

// asJSON reads the flag --json.
func asJSON(cmd *cobra.Command) bool {
	flag, err := cmd.Flags().GetBool("json")
	return err == nil && flag
}

// datasetsFolder is the folder of the contracts: the value of FIRN_DATASETS, or
// datasets/ of the repository around the working directory. Outside a repository it is
// datasets/ below the working directory.
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

// codedError is an error with the exit code of the command.
type codedError struct {
	error

	code int
}

// Unwrap returns the error without the code.
func (c codedError) Unwrap() error { return c.error }

// exitCode returns the code of a codedError, and 1 for any other error.
func exitCode(err error) int {
	var c codedError
	if errors.As(err, &c) {
		return c.code
	}
	return 1
}
