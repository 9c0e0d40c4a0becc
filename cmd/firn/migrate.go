package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/operator"
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
			"The views of current rows are made anew each time.\n" +
			"Safe to run at any time; --plan only shows what would be done.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := migrateAll(cmd.Context(), plan)
			if err != nil && len(done.Scripts)+len(done.Tables) == 0 {
				return err
			}
			return errors.Join(printMigration(cmd.OutOrStdout(), done, plan, asJSON), err)
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

// migrateAll runs the scripts and brings the tables to their contracts. What is
// refused of a table is an error, after all else was done.
func migrateAll(ctx context.Context, onlyPlan bool) (migration, error) {
	done := migration{Scripts: []migratedScript{}, Tables: []evolve.Change{}}
	o, err := openOperator(ctx)
	if err != nil {
		return done, err
	}
	steps, isFirst, err := runScripts(ctx, o.Stack, onlyPlan)
	if err != nil {
		return done, err
	}
	for _, step := range steps {
		done.Scripts = append(done.Scripts, migratedScript{Script: step.Script.Name, Reason: step.Reason})
	}
	if isFirst && onlyPlan { // there is no database yet to look into
		return done, nil
	}
	session, err := openSnowflake(ctx)
	if err != nil {
		return done, err
	}
	defer session.Close()
	done.Tables, err = (&evolve.Evolver{Session: session}).All(ctx, o.Contracts, onlyPlan)
	return done, err
}

// runScripts runs what the history lacks, or only looks what that is. It also
// reports whether no script ran before.
func runScripts(ctx context.Context, stack operator.Stack, onlyPlan bool) (steps []migrate.Step, isFirst bool, err error) {
	root, err := repository()
	if err != nil {
		return nil, false, err
	}
	scripts, err := migrate.Read(os.DirFS(filepath.Join(root, "snowflake")), stack.ScriptVariables())
	if err != nil {
		return nil, false, err
	}
	session, err := app.OpenSnowflakeAccount(ctx, os.LookupEnv)
	if err != nil {
		return nil, false, err
	}
	defer session.Close()
	migrator := migrate.Migrator{Session: session, Database: stack.Database}
	steps, err = migrator.Plan(ctx, scripts)
	if err == nil && !onlyPlan {
		err = migrator.Apply(ctx, steps)
	}
	isOld := func(s migrate.Step) bool { return s.Reason != migrate.New }
	return steps, len(steps) == len(scripts) && !slices.ContainsFunc(steps, isOld), err
}

func printMigration(out io.Writer, done migration, plan, asJSON bool) error {
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
