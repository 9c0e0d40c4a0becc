package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/laptop"
)

// rootCommand returns the whole command tree.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "firn",
		Short: "Load files and API records into Snowflake tables",
		Long: "firn loads files in S3 and records from HTTP APIs into Snowflake tables.\n" +
			"The commands work on the laptop's cloud while it is up, and otherwise on the AWS account of the environment.\n" +
			"A command that writes shows its target first. AWS_PROFILE or --aws chooses AWS while the laptop's cloud is up.",
		Args:             withHelp(cobra.NoArgs),
		RunE:             func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { withTarget(cmd) },
		SilenceUsage:     true, SilenceErrors: true,
	}
	root.AddCommand(
		upCommand(), downCommand(), demoCommand(), migrateCommand(),
		putCommand(), ingestCommand(), statusCommand(), redriveCommand(), reloadCommand(), dismissCommand(), acceptCommand(), withdrawCommand(), auditCommand(), sweepCommand(), pauseCommand(), resumeCommand(), keysCommand(), queryCommand(),
		contractCommand(), serveFDSNCommand(),
	)
	for _, command := range root.Commands() {
		command.Args = withHelp(command.Args)
	}
	addTargetFlags(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath())
	})
	return root
}

// withHelp adds the help command to the error of wrong arguments.
func withHelp(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, arguments []string) error {
		if err := check(cmd, arguments); err != nil {
			return fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath())
		}
		return nil
	}
}

// openCloud returns the laptop's cloud of the repository around the working directory.
func openCloud(directory string) (*laptop.Cloud, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program firn: %w", err)
	}
	return laptop.Open(root, filepath.Join(root, "build", directory), program)
}

var errNoRepository = errors.New("is not in a firn repository")

// repository returns the nearest folder with cdk.json, at or above the working
// directory.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	return repositoryAround(folder)
}

// repositoryAround returns the nearest folder with cdk.json, at or above a folder.
func repositoryAround(folder string) (string, error) {
	for at := folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "cdk.json")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s %w: change to the folder with cdk.json", folder, errNoRepository)
		}
	}
}

// printJSON writes a value as indented JSON.
func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
