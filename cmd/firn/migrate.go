package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	app "github.com/firn-data/firn/internal/app/operator"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func migrateCommand() *cobra.Command {
	var asked migrateFlags
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Bring Snowflake to what the scripts in snowflake/ say",
		Long: "Bring the tables that there are to newer contracts: a new optional column is added, a number is given more\n" +
			"digits, while the dataset's loads wait; what can't be done in place is refused with the reason. Then run the\n" +
			"scripts in snowflake/ that Snowflake hasn't seen yet: V*.sql once each, in order, R__*.sql whenever they change.\n" +
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

// migrationResult is what a migrate did, or would do.
type migrationResult struct {
	Scripts []migratedScript `json:"scripts"`
	Tables  []evolve.Change  `json:"tables"`
	// TookOver is the dead migration that the lock was taken from.
	TookOver *migrate.Holder `json:"tookOver,omitempty"`
}

type migratedScript struct {
	Script string `json:"script"`
	Reason string `json:"reason"`
}

// migrateAll brings the tables to their contracts, runs the scripts, and brings
// what those made to its contracts. The tables come first where there are any:
// a script's view may name a column that its table is only to get now. What is
// refused of a table is an error, after all else was done.
func migrateAll(ctx context.Context, asked migrateFlags) (migrationResult, error) {
	done := migrationResult{Scripts: []migratedScript{}, Tables: []evolve.Change{}}
	o, err := openOperator(ctx)
	if err != nil {
		return done, err
	}
	scripts, err := readScripts(o.Stack, asked.variables)
	if err != nil {
		return done, err
	}
	account, err := app.OpenSnowflakeAccount(ctx, os.LookupEnv)
	if err != nil {
		return done, err
	}
	defer account.Close()
	migrator := migrate.Migrator{Session: account, Database: o.Stack.Database, Name: migrationName(), BreakLock: asked.breakLock, Now: time.Now}
	isFirst, err := migrator.IsFirst(ctx)
	if err != nil {
		return done, err
	}
	if asked.plan {
		err = done.addPlan(ctx, migrator, scripts, o.Contracts, isFirst)
	} else {
		err = done.apply(ctx, migrator, scripts, o.Contracts, isFirst)
	}
	return done, err
}

// addPlan is what a migrate would do. Before the first there is no database to
// look into.
func (m *migrationResult) addPlan(ctx context.Context, migrator migrate.Migrator, scripts []migrate.Script, contracts contract.Set, isFirst bool) error {
	steps, err := migrator.Plan(ctx, scripts)
	m.add(steps)
	if err != nil || isFirst {
		return err
	}
	return m.evolve(ctx, func(e *evolve.Evolver) ([]evolve.Change, error) { return e.All(ctx, contracts, true) })
}

func (m *migrationResult) apply(ctx context.Context, migrator migrate.Migrator, scripts []migrate.Script, contracts contract.Set, isFirst bool) error {
	var unchanged error
	if !isFirst {
		unchanged = m.evolve(ctx, func(e *evolve.Evolver) ([]evolve.Change, error) { return e.Existing(ctx, contracts) })
	}
	ran, err := migrator.Apply(ctx, scripts)
	m.TookOver = ran.TookOver
	m.add(ran.Steps)
	if err != nil {
		return errors.Join(unchanged, err)
	}
	return m.evolve(ctx, func(e *evolve.Evolver) ([]evolve.Change, error) { return e.All(ctx, contracts, false) })
}

// add notes scripts that ran or are to run.
func (m *migrationResult) add(steps []migrate.Step) {
	for _, step := range steps {
		m.Scripts = append(m.Scripts, migratedScript{Script: step.Script.Name, Reason: step.Reason})
	}
}

// evolve changes tables, or only looks, and notes each dataset's change once.
func (m *migrationResult) evolve(ctx context.Context, change func(*evolve.Evolver) ([]evolve.Change, error)) error {
	session, err := openSnowflake(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	changes, err := change(&evolve.Evolver{Session: session})
	for _, c := range changes {
		if !slices.ContainsFunc(m.Tables, func(noted evolve.Change) bool { return noted.Dataset == c.Dataset }) {
			m.Tables = append(m.Tables, c)
		}
	}
	return err
}

// readScripts reads the scripts in snowflake/, with the variables that the stack
// and a person give.
func readScripts(stack operator.Stack, given map[string]string) ([]migrate.Script, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	variables := stack.ScriptVariables()
	maps.Copy(variables, given)
	own := os.DirFS(filepath.Join(root, "snowflake"))
	return migrate.Read(migrate.Files(own, projectScripts(own)), variables)
}

// projectScripts are the scripts that are generated from the contracts: in
// snowflake/ beside the folder of the datasets, else among firn's own scripts.
func projectScripts(own fs.FS) fs.FS {
	folder := filepath.Join(filepath.Dir(datasetsFolder()), "snowflake")
	if _, err := os.Stat(folder); err != nil {
		return own
	}
	return os.DirFS(folder)
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

func printMigration(out io.Writer, done migrationResult, asked migrateFlags) error {
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
