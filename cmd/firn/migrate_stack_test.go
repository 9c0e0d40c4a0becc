//go:build standin

package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	migrate := func(arguments ...string) string {
		c := f.command(append([]string{"migrate"}, arguments...)...)
		c.directory = root(t)
		return c.succeed(t)
	}
	planned := migrate("--plan", "--json")
	golden(t, "migrate.json", planned)
	if ran := migrate("--apply", "--json", "--set", "retention_days=0"); ran != planned {
		t.Errorf("migrate ran %s\nwant the plan %s", ran, planned)
	}
	if again := migrate("--json"); again != "{\n  \"scripts\": [],\n  \"tables\": [],\n  \"objects\": []\n}\n" {
		t.Errorf("second migrate prints %s", again)
	}
	if text := migrate("--plan"); text != "nothing to do\n" {
		t.Errorf("plan after the migration is %q", text)
	}
	for _, wrong := range []struct{ flags, want string }{
		{"--plan --apply", "[apply plan] were all set"},
		{"--plan --break-lock", "[break-lock plan] were all set"},
		{"--set retention_day=1", "variable retention_day: no script uses this variable"},
	} {
		c := f.command(append([]string{"migrate"}, strings.Fields(wrong.flags)...)...)
		c.directory = root(t)
		expectError(t, c, wrong.want)
	}
}

// TestMigrateAddsLedgerColumns begins with ledgers without a column. The views over all
// ledgers name this column.
func TestMigrateAddsLedgerColumns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.variables = append(f.variables, "SNOWFLAKE_DATABASE=FIRN_OLDER_CLI")
	firn := func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = root(t)
		return c
	}
	firn("migrate").succeed(t)
	for _, statement := range []string{
		"drop view OPS.LOADS", "drop view OPS.OBJECTS",
		"alter table RAW.SHOP_CUSTOMER_LOADS drop column DUPLICATE_OF",
		"update OPS.CHANGE_HISTORY set checksum = 'older' where script = 'R__ops_views.sql'",
	} {
		firn("query", statement).succeed(t)
	}
	got := firn("migrate").succeed(t)
	for _, part := range []string{"shop.customer", "add column duplicate_of varchar", "R__ops_views.sql (changed)", "1 scripts run"} {
		if !strings.Contains(got, part) {
			t.Errorf("migrate doesn't print %q:\n%s", part, got)
		}
	}
	firn("query", "select DUPLICATE_OF from OPS.OBJECTS").succeed(t)
}

// TestMigrateAfterKilledMigration begins with the lock of a killed migration.
func TestMigrateAfterKilledMigration(t *testing.T) {
	t.Parallel()
	folder, firn := newProject(t, "FIRN_DEAD_CLI")
	firn("migrate").succeed(t)
	firn("query", "update ops.change_history set holder = 'ann on build-7', seen_at = current_timestamp() where script = '~lock'").succeed(t)
	write(t, filepath.Join(folder, "snowflake/V9.0.0__more.sql"), "select 1;\n")
	expectError(t, firn("migrate"), "another migration is running: ann on build-7, last refresh of its lock at 2", "`firn migrate --break-lock` works at once")
	got := firn("migrate", "--break-lock").succeed(t)
	if want := regexp.MustCompile(`^took the lock of ann on build-7, last refresh at \S+Z\nV9\.0\.0__more\.sql \(new\)\n1 scripts run\n$`); !want.MatchString(got) {
		t.Errorf("migrate prints %q", got)
	}
}

// TestMigrateChangesTable changes the contract of an existing table, and runs the
// commands of an operator.
func TestMigrateChangesTable(t *testing.T) {
	t.Parallel()
	folder, firn := newProject(t, "FIRN_EVOLVE_CLI")
	firn("migrate").succeed(t)

	path := filepath.Join(folder, "datasets/shop/customer/contract.odcs.yaml")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(folder, "old.yaml")
	write(t, old, string(before))
	changed := strings.Replace(string(before), "version: 1.0.0", "version: 1.1.0", 1) +
		"      - name: country\n        logicalType: string\n        description: Where it is at home.\n"
	write(t, path, changed)

	want := "shop.customer 1.0.0 -> 1.1.0\n  add column country varchar\n"
	const compatible = "  compatible: each file of one version loads under the other version\n"
	if got := firn("contract", "diff", old, path).succeed(t); got != want+compatible {
		t.Errorf("diff prints %q, want %q", got, want+compatible)
	}
	if got := firn("pause", "shop.customer").succeed(t); got != "shop.customer was paused\n" {
		t.Errorf("pause prints %q", got)
	}
	checkFailure(t, firn("migrate"), 1, "the dataset is paused, by a person or by another migration", "`firn resume shop.customer`")
	if got := firn("resume", "shop.customer").succeed(t); got != "shop.customer was resumed\n" {
		t.Errorf("resume prints %q", got)
	}
	if got := firn("resume", "shop.customer").succeed(t); got != "shop.customer was already resumed\n" {
		t.Errorf("second resume prints %q", got)
	}
	if got := firn("migrate", "--plan").succeed(t); got != want+"0 scripts to run\n" {
		t.Errorf("the plan is %q", got)
	}
	if got := firn("migrate").succeed(t); got != want+"0 scripts run\n" {
		t.Errorf("migrate prints %q", got)
	}
	firn("query", "select COUNTRY from RAW.SHOP_CUSTOMER").succeed(t)
	firn("query", "select COUNTRY from RAW.SHOP_CUSTOMER_CURRENT").succeed(t)
	if got := firn("migrate").succeed(t); got != "nothing to do\n" {
		t.Errorf("second migrate prints %q", got)
	}

	write(t, path, strings.Replace(changed, "logicalType: string\n        description: Where it is", "logicalType: integer\n        description: Where it is", 1))
	checkFailure(t, firn("migrate"), 1, "column country is varchar in the table and number(38, 0) in contract 1.1.0")
	write(t, old, changed)
	checkFailure(t, firn("contract", "diff", old, path), 1, "the table can't be changed to the new contract")
	checkFailure(t, firn("contract", "diff", old, filepath.Join(folder, "none.yaml")), 2, "read contract: open ")
}

// newProject returns a copy of the repository with a stack and a database of its own, and
// the calls of the command in the copy.
func newProject(t *testing.T, database string) (folder string, firn func(arguments ...string) call) {
	t.Helper()
	f := newFixture(t)
	folder = copyRepository(t)
	f.variables = append(f.variables, "FIRN_DATASETS="+filepath.Join(folder, "datasets"), "SNOWFLAKE_DATABASE="+database)
	return folder, func(arguments ...string) call {
		c := f.command(arguments...)
		c.directory = folder
		return c
	}
}
