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
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/operator/migration"
	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func migrateCommand() *cobra.Command {
	var asked migrateFlags
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Restore missing objects, run the new scripts and change the tables to their contracts",
		Long: "Restore the missing tables, lock rows, views, stages, file formats and grants. A dropped table comes back with its\n" +
			"rows, as long as Snowflake's Time Travel has the table. Otherwise the table is created empty, and the output has\n" +
			"the command that loads the rows again. --create-empty undrops no table.\n" +
			"Then change the existing tables to their newer contracts: add optional columns and give numbers more digits. The\n" +
			"loads of the dataset wait meanwhile. firn refuses any other change with the reason. Then run the scripts in\n" +
			"snowflake/: each V*.sql a single time, in order, and each R__*.sql after a change of the script. A view of current\n" +
			"rows is replaced only after a change of its definition.\n" +
			"A migration is safe at any time and from several places. While a migration runs scripts, a second migration ends\n" +
			"with the name of the first. A killed migration blocks others for 15 minutes. --plan only shows the steps.",
		Example: "  firn migrate --plan\n  firn migrate --apply\n  firn migrate --set load_credits=100 --set retention_days=7",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := migrateAll(cmd.Context(), asked)
			if err != nil && done.IsNone() {
				return err
			}
			return errors.Join(printMigration(cmd.OutOrStdout(), done, asked), err)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&asked.plan, "plan", false, "only show the steps")
	flags.BoolVar(&asked.apply, "apply", false, "run the migration (the default)")
	flags.BoolVar(&asked.createEmpty, "create-empty", false, "create missing tables empty, and undrop no table")
	flags.BoolVar(&asked.breakLock, "break-lock", false, "take the lock of a killed migration")
	flags.StringToStringVar(&asked.variables, "set", nil, "set a variable of the scripts, `name=value`; may be repeated")
	flags.BoolVar(&asked.asJSON, "json", false, "print JSON")
	command.MarkFlagsMutuallyExclusive("plan", "apply")
	command.MarkFlagsMutuallyExclusive("plan", "break-lock")
	return command
}

// migrateFlags are the flags of `firn migrate`.
type migrateFlags struct {
	plan, apply, breakLock, createEmpty, asJSON bool
	// variables are the variables of the scripts from --set. They replace the variables
	// of the stack.
	variables map[string]string
}

// migrateAll runs the migration, or plans it.
func migrateAll(ctx context.Context, asked migrateFlags) (migration.Result, error) {
	o, err := openOperator(ctx)
	if err != nil {
		return migration.Result{}, err
	}
	scripts, err := readScripts(o.Stack, asked.variables)
	if err != nil {
		return migration.Result{}, err
	}
	account, err := openSnowflakeAccount(ctx)
	if err != nil {
		return migration.Result{}, err
	}
	defer account.Close()
	m := migration.Migration{
		Migrator: &migrate.Migrator{Session: account, Database: o.Stack.Database, Name: migrationName(), BreakLock: asked.breakLock, Now: time.Now},
		Open:     func(ctx context.Context) (migration.Session, error) { return openSnowflake(ctx) },
		Scripts:  scripts, Contracts: o.Contracts, CreateEmpty: asked.createEmpty,
	}
	if asked.plan {
		return m.Plan(ctx)
	}
	return m.Apply(ctx)
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

func printMigration(out io.Writer, done migration.Result, asked migrateFlags) error {
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
	for _, step := range done.Objects {
		fmt.Fprintln(out, step)
		if step.Note != "" {
			fmt.Fprintf(out, "  %s\n", step.Note)
		}
	}
	for _, sentence := range done.Unseen {
		fmt.Fprintln(out, sentence)
	}
	fmt.Fprintln(out, summarize(done, asked.plan))
	return nil
}

// summarize returns the last line of the output.
func summarize(done migration.Result, planned bool) string {
	if done.IsNone() {
		return "nothing to do"
	}
	ran, restored := "run", "restored"
	if planned {
		ran, restored = "to run", "to restore"
	}
	text := fmt.Sprintf("%d scripts %s", len(done.Scripts), ran)
	if n := len(done.Objects); n > 0 {
		text += fmt.Sprintf(", %d objects and grants %s", n, restored)
	}
	return text
}
