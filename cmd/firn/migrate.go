package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func migrateCommand() *cobra.Command {
	var plan, asJSON bool
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Bring Snowflake to what the scripts in snowflake/ say",
		Long: "Run the scripts in snowflake/ that Snowflake hasn't seen yet: V*.sql once each, in order, R__*.sql\n" +
			"whenever they change. Then bring the tables to newer contracts: a new optional column is added, a number\n" +
			"is given more digits, while the dataset's loads wait; what can't be done in place is refused with the reason.\n" +
			"Safe to run at any time; --plan only shows what would be done.",
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
			done := migration{Scripts: []migratedScript{}, Tables: []evolve.Change{}}
			steps, err := migrator.Plan(cmd.Context(), scripts)
			if err == nil && !plan {
				err = migrator.Apply(cmd.Context(), steps)
			}
			if err != nil {
				return err
			}
			for _, step := range steps {
				done.Scripts = append(done.Scripts, migratedScript{Script: step.Script.Name, Reason: step.Reason})
			}
			if !plan || !isFirst(steps, scripts) {
				done.Tables, err = evolveTables(cmd.Context(), o.Contracts, plan)
			}
			return errors.Join(printMigration(cmd, done, plan, asJSON), err)
		},
	}
	command.Flags().BoolVar(&plan, "plan", false, "only show what would run")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// migration is what a migrate did, or would do.
type migration struct {
	Scripts []migratedScript `json:"scripts"`
	Tables  []evolve.Change  `json:"tables"`
}

type migratedScript struct {
	Script string `json:"script"`
	Reason string `json:"reason"`
}

// isFirst reports whether nothing ran before: then there is no database yet to
// look into.
func isFirst(steps []migrate.Step, scripts []migrate.Script) bool {
	return len(steps) == len(scripts) && !slices.ContainsFunc(steps, func(s migrate.Step) bool { return s.Reason != migrate.New })
}

// evolveTables brings the tables to their contracts. What is refused is an
// error, after all else was done.
func evolveTables(ctx context.Context, contracts contract.Set, onlyPlan bool) ([]evolve.Change, error) {
	session, err := openSnowflake(ctx)
	if err != nil {
		return []evolve.Change{}, err
	}
	defer session.Close()
	changes, err := (&evolve.Evolver{Session: session}).All(ctx, contracts, onlyPlan)
	return append([]evolve.Change{}, changes...), err
}

func printMigration(cmd *cobra.Command, done migration, plan, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, done)
	}
	for _, script := range done.Scripts {
		fmt.Fprintf(out, "%s (%s)\n", script.Script, script.Reason)
	}
	for _, change := range done.Tables {
		printChange(out, change)
	}
	verb := "run"
	if plan {
		verb = "to run"
	}
	fmt.Fprintf(out, "%d scripts %s\n", len(done.Scripts), verb)
	return nil
}
