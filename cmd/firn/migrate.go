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

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/snowflake/evolve"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func migrateCommand() *cobra.Command {
	var asked migrateFlags
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Run the new scripts in snowflake/ and change the tables to their contracts",
		Long: "Change the existing tables to their newer contracts: add optional columns and give numbers more digits. The loads of\n" +
			"the dataset wait meanwhile. firn refuses any other change with the reason. Then run the scripts in snowflake/:\n" +
			"each V*.sql a single time, in order, and each R__*.sql after a change of the script. The views of current rows are\n" +
			"replaced each time.\n" +
			"A migration is safe at any time and from several places. While a migration runs scripts, a second migration ends\n" +
			"with the name of the first. A killed migration blocks others for 15 minutes. --plan only shows the steps.",
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
	flags.BoolVar(&asked.plan, "plan", false, "only show the steps")
	flags.BoolVar(&asked.apply, "apply", false, "run the migration (the default)")
	flags.BoolVar(&asked.breakLock, "break-lock", false, "take the lock of a killed migration")
	flags.StringToStringVar(&asked.variables, "set", nil, "set a variable of the scripts, `name=value`; may be repeated")
	flags.BoolVar(&asked.asJSON, "json", false, "print JSON")
	command.MarkFlagsMutuallyExclusive("plan", "apply")
	command.MarkFlagsMutuallyExclusive("plan", "break-lock")
	return command
}

// migrateFlags are the flags of `firn migrate`.
type migrateFlags struct {
	plan, apply, breakLock, asJSON bool
	// variables are the variables of the scripts from --set. They replace the variables
	// of the stack.
	variables map[string]string
}

// migrationResult has the steps of a migration, or of a plan.
type migrationResult struct {
	Scripts []migratedScript `json:"scripts"`
	Tables  []evolve.Change  `json:"tables"`
	// TookOver is the earlier holder of the lock after --break-lock or an expired lock;
	// else nil.
	TookOver *migrate.Holder `json:"tookOver,omitempty"`
}

type migratedScript struct {
	Script string `json:"script"`
	Reason string `json:"reason"`
}

// migrateAll changes the existing tables to their contracts, runs the scripts, and
// changes the new tables to their contracts. The existing tables come first, because
// the view of a script may name a new column. After a refused change the migration
// continues, and the refusal is an error at the end.
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
	account, err := openSnowflakeAccount(ctx)
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

// addPlan adds the steps of the next migration. Before the first migration there is no
// database, so the plan has only scripts.
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

// add adds finished or planned scripts.
func (m *migrationResult) add(steps []migrate.Step) {
	for _, step := range steps {
		m.Scripts = append(m.Scripts, migratedScript{Script: step.Script.Name, Reason: step.Reason})
	}
}

// evolve changes tables or plans changes, and adds the first change of each dataset.
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

// readScripts reads the scripts in snowflake/. A given variable replaces a variable of
// the stack.
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

// projectScripts returns the folder of the scripts that are generated from the
// contracts: snowflake/ beside the folder of the datasets, or the given folder of
// firn's own scripts.
func projectScripts(own fs.FS) fs.FS {
	folder := filepath.Join(filepath.Dir(datasetsFolder()), "snowflake")
	if _, err := os.Stat(folder); err != nil {
		return own
	}
	return os.DirFS(folder)
}

// migrationName returns the name that another migration shows while this migration
// runs.
func migrationName() string {
	name := "unknown user"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown machine"
	}
	return fmt.Sprintf("%s on %s, process %d, %s", name, host, os.Getpid(), uuid.NewString())
}

func printMigration(out io.Writer, done migrationResult, asked migrateFlags) error {
	if asked.asJSON {
		return printJSON(out, done)
	}
	if from := done.TookOver; from != nil {
		fmt.Fprintf(out, "took the lock of %s, last refresh at %s\n", from.Name, from.SeenAt.Format(time.RFC3339))
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
