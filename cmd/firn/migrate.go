package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func migrateCommand() *cobra.Command {
	var plan, asJSON bool
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Bring Snowflake to what the scripts in snowflake/ say",
		Long: "Run the scripts in snowflake/ that Snowflake hasn't seen yet: V*.sql once each, in order, R__*.sql\n" +
			"whenever they change. Safe to run at any time; --plan only shows what would run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := openOperator(cmd.Context())
			if err != nil {
				return err
			}
			root, err := repository()
			if err != nil {
				return err
			}
			scripts, err := migrate.Read(os.DirFS(filepath.Join(root, "snowflake")), o.Stack.ScriptVariables())
			if err != nil {
				return err
			}
			session, err := app.OpenSnowflakeAccount(cmd.Context(), os.LookupEnv)
			if err != nil {
				return err
			}
			defer session.Close()
			migrator := migrate.Migrator{Session: session, Database: o.Stack.Database}
			steps, err := migrator.Plan(cmd.Context(), scripts)
			if err == nil && !plan {
				err = migrator.Apply(cmd.Context(), steps)
			}
			if err != nil {
				return err
			}
			return printSteps(cmd, steps, plan, asJSON)
		},
	}
	command.Flags().BoolVar(&plan, "plan", false, "only show what would run")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func printSteps(cmd *cobra.Command, steps []migrate.Step, plan, asJSON bool) error {
	if asJSON {
		names := make([]map[string]string, len(steps))
		for i, step := range steps {
			names[i] = map[string]string{"script": step.Script.Name, "reason": step.Reason}
		}
		return printJSON(cmd.OutOrStdout(), names)
	}
	for _, step := range steps {
		fmt.Fprintf(cmd.OutOrStdout(), "%s (%s)\n", step.Script.Name, step.Reason)
	}
	verb := "run"
	if plan {
		verb = "to run"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d scripts %s\n", len(steps), verb)
	return nil
}
