package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func migrateCommand() *cobra.Command {
	var asked migrateFlags
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Bring Snowflake to what the scripts in snowflake/ say",
		Long: "Run the scripts in snowflake/ that Snowflake hasn't seen yet: V*.sql once each, in order, R__*.sql\n" +
			"whenever they change. Then bring the tables to newer contracts: a new optional column is added, a number\n" +
			"is given more digits, while the dataset's loads wait; what can't be done in place is refused with the reason.\n" +
			"The views of current rows are made anew each time.\n" +
			"Safe to run at any time, and from several places: one migration at a time runs scripts, the others are told\n" +
			"which. One that died counts as running for 15 minutes. --plan only shows what would be done.",
		Example: "  firn migrate --plan\n  firn migrate --apply\n  firn migrate --set load_credits=100 --set retention_days=7",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := migrateAll(cmd.Context(), asked)
			if err != nil && len(done.Scripts)+len(done.Tables) == 0 {
				return err
			}
			return errors.Join(printMigration(cmd.OutOrStdout(), done, asked), err)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&asked.plan, "plan", false, "only show what would run")
	flags.BoolVar(&asked.apply, "apply", false, "run it, which is the default")
	flags.BoolVar(&asked.breakLock, "break-lock", false, "take the lock from another migration, which you know to be dead")
	flags.StringToStringVar(&asked.variables, "set", nil, "give a script's variable a value, `name=value`; may be repeated")
	flags.BoolVar(&asked.asJSON, "json", false, "print JSON")
	command.MarkFlagsMutuallyExclusive("plan", "apply")
	command.MarkFlagsMutuallyExclusive("plan", "break-lock")
	return command
}

// migrateFlags are what a person asks of migrate.
type migrateFlags struct {
	plan, apply, breakLock, asJSON bool
	// variables are the scripts', beside those that the stack gives.
	variables map[string]string
}

// migration is what a migrate did, or would do.
type migration struct {
	Scripts []migratedScript `json:"scripts"`
	Tables  []evolve.Change  `json:"tables"`
	// TookOver is the dead migration that the lock was taken from.
	TookOver *migrate.Holder `json:"tookOver,omitempty"`
}

type migratedScript struct {
	Script string `json:"script"`
	Reason string `json:"reason"`
}

// migrateAll runs the scripts and brings the tables to their contracts. What is
// refused of a table is an error, after all else was done.
func migrateAll(ctx context.Context, asked migrateFlags) (migration, error) {
	done := migration{Scripts: []migratedScript{}, Tables: []evolve.Change{}}
	o, err := openOperator(ctx)
	if err != nil {
		return done, err
	}
	scripts, isFirst, err := runScripts(ctx, o.Stack, asked)
	done.TookOver = scripts.TookOver
	for _, step := range scripts.Steps {
		done.Scripts = append(done.Scripts, migratedScript{Script: step.Script.Name, Reason: step.Reason})
	}
	if err != nil {
		return done, err
	}
	if isFirst && asked.plan { // there is no database yet to look into
		return done, nil
	}
	session, err := openSnowflake(ctx)
	if err != nil {
		return done, err
	}
	defer session.Close()
	done.Tables, err = (&evolve.Evolver{Session: session}).All(ctx, o.Contracts, asked.plan)
	return done, err
}

// runScripts runs what the history lacks, or only looks what that is. It also
// reports whether no script ran before.
func runScripts(ctx context.Context, stack operator.Stack, asked migrateFlags) (done migrate.Done, isFirst bool, err error) {
	root, err := repository()
	if err != nil {
		return done, false, err
	}
	variables := stack.ScriptVariables()
	maps.Copy(variables, asked.variables)
	scripts, err := migrate.Read(os.DirFS(filepath.Join(root, "snowflake")), variables)
	if err != nil {
		return done, false, err
	}
	session, err := app.OpenSnowflakeAccount(ctx, os.LookupEnv)
	if err != nil {
		return done, false, err
	}
	defer session.Close()
	migrator := migrate.Migrator{Session: session, Database: stack.Database, Name: migrationName(), BreakLock: asked.breakLock, Now: time.Now}
	if asked.plan {
		done.Steps, err = migrator.Plan(ctx, scripts)
	} else {
		done, err = migrator.Apply(ctx, scripts)
	}
	isOld := func(s migrate.Step) bool { return s.Reason != migrate.New }
	return done, len(done.Steps) == len(scripts) && !slices.ContainsFunc(done.Steps, isOld), err
}

// migrationName tells a person who finds it running whose migration it is.
func migrationName() string {
	who := "somebody"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed machine"
	}
	return fmt.Sprintf("%s on %s, process %d, %s", who, host, os.Getpid(), uuid.NewString())
}

func printMigration(out io.Writer, done migration, asked migrateFlags) error {
	if asked.asJSON {
		return printJSON(out, done)
	}
	if from := done.TookOver; from != nil {
		fmt.Fprintf(out, "took the lock over from %s, last heard of at %s\n", from.Name, from.SeenAt.Format(time.RFC3339))
	}
	for _, script := range done.Scripts {
		fmt.Fprintf(out, "%s (%s)\n", script.Script, script.Reason)
	}
	for _, change := range done.Tables {
		printChange(out, change)
	}
	verb := "run"
	if asked.plan {
		verb = "to run"
	}
	fmt.Fprintf(out, "%d scripts %s\n", len(done.Scripts), verb)
	return nil
}
