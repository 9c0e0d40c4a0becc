package migrate_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// created is the object of a create statement. options is the text after the name.
type created struct{ kind, name, options string }

var createsObject = regexp.MustCompile(
	`^create (?:or replace )?(role|user|warehouse|resource monitor|database|schema|storage integration|stage|file format|table|view)(?: if not exists)? (\S+)(.*)$`)

// parseCreate returns an empty kind for a statement that creates nothing.
func parseCreate(statement string) created {
	parts := createsObject.FindStringSubmatch(statement)
	if parts == nil {
		return created{}
	}
	return created{kind: parts[1], name: parts[2], options: parts[3]}
}

func createdObjects(t *testing.T, kind string, atLeast int) []created {
	t.Helper()
	var found []created
	for _, statement := range statements(t) {
		if c := parseCreate(statement); c.kind == kind {
			found = append(found, c)
		}
	}
	if len(found) < atLeast {
		t.Fatalf("found %d of kind %s, want at least %d: %v", len(found), kind, atLeast, found)
	}
	return found
}

// expectOptions reports an error for each option that the statement lacks.
func expectOptions(t *testing.T, c created, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(`(?:^| )` + pattern + `(?: |$)`).MatchString(c.options) {
			t.Errorf("%s %s has no %s:%s", c.kind, c.name, pattern, c.options)
		}
	}
}

func TestWarehousesAreBounded(t *testing.T) {
	t.Parallel()
	monitors := make(map[string]bool)
	for _, m := range createdObjects(t, "resource monitor", 3) {
		expectOptions(t, m, `credit_quota = [1-9][0-9]*`, `on 80 percent do notify`, `on 100 percent do suspend`, `on 110 percent do suspend_immediate`)
		monitors[m.name] = true
	}
	for _, w := range createdObjects(t, "warehouse", 3) {
		expectOptions(t, w,
			`warehouse_size = xsmall`, `auto_suspend = 60`, `auto_resume = true`, `initially_suspended = true`, `comment = '[^']+'`,
			`statement_timeout_in_seconds = [1-9][0-9]*`, `statement_queued_timeout_in_seconds = [1-9][0-9]*`, `resource_monitor = `+w.name)
		if !monitors[w.name] {
			t.Errorf("warehouse %s has no resource monitor of the same name", w.name)
		}
	}
}

func TestServiceUsersHaveTypeService(t *testing.T) {
	t.Parallel()
	for _, u := range createdObjects(t, "user", 2) {
		expectOptions(t, u,
			`type = service`, `default_secondary_roles = \(\)`, `default_role = `+u.name, `default_warehouse = firn_\w+`, `query_tag = 'firn \w+'`, `comment = '[^']+'`)
		for _, secret := range []string{"password", "rsa_public_key", "email"} {
			if strings.Contains(u.options, secret) {
				t.Errorf("user %s has a %s", u.name, secret)
			}
		}
	}
	for _, u := range createdObjects(t, "user", 2) {
		if u.name == "firn_loader" {
			expectOptions(t, u, `workload_identity = \(type = aws arn = 'arn:aws:iam::1:role/load'\)`)
		}
	}
}

func TestSchemasHaveManagedAccess(t *testing.T) {
	t.Parallel()
	for _, s := range createdObjects(t, "schema", 4) {
		expectOptions(t, s, `with managed access`)
	}
	// firn migrate makes this schema before the scripts, for the history.
	var enabled bool
	for _, statement := range statements(t) {
		enabled = enabled || statement == "alter schema firn.ops enable managed access"
	}
	if !enabled {
		t.Error("schema ops has no managed access")
	}
}

// TestScriptsCanRunTwice checks each statement: after a failure, the earlier statements
// of the script run again.
func TestScriptsCanRunTwice(t *testing.T) {
	t.Parallel()
	again := regexp.MustCompile(`^(create (or replace view|[a-z ]+ if not exists) |alter |grant |use )`)
	replaces := regexp.MustCompile(`^create or replace [a-z ]+ if not exists `)
	for _, statement := range statements(t) {
		if !again.MatchString(statement) || replaces.MatchString(statement) {
			t.Errorf("a second run of this statement fails, adds something or drops something: %s", statement)
		}
	}
}

// TestStageEndsInASlash checks the stage's URL: COPY appends file names without a
// slash.
func TestStageEndsInASlash(t *testing.T) {
	t.Parallel()
	for _, s := range createdObjects(t, "stage", 1) {
		expectOptions(t, s, `url = 's3://curated/'`, `storage_integration = firn_curated`)
	}
}

// guide returns the text of docs/deploying.md.
func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/deploying.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestGuideDropsEveryAccountObject checks that the guide drops each object outside of
// the database.
func TestGuideDropsEveryAccountObject(t *testing.T) {
	t.Parallel()
	var made, dropped []string
	for _, statement := range statements(t) {
		switch c := parseCreate(statement); c.kind {
		case "role", "user", "warehouse", "resource monitor", "database":
			made = append(made, c.kind+" "+c.name)
		case "storage integration":
			made = append(made, "integration "+c.name)
		}
	}
	for _, found := range regexp.MustCompile(`(?m)^\s+drop (.+);$`).FindAllStringSubmatch(guide(t), -1) {
		dropped = append(dropped, found[1])
	}
	slices.Sort(made)
	slices.Sort(dropped)
	if diff := cmp.Diff(made, dropped); diff != "" {
		t.Errorf("docs/deploying.md (-created +dropped):\n%s", diff)
	}
}

// TestGuideNamesEveryVariable checks that the guide has each variable with its default.
func TestGuideNamesEveryVariable(t *testing.T) {
	t.Parallel()
	variables := regexp.MustCompile(`\{\{ (\w+)(?: \| default\('(\w+)'\))? \}\}`)
	text := guide(t)
	for _, script := range ownScripts(t, "firn") {
		for _, found := range variables.FindAllStringSubmatch(script.Body, -1) {
			row := regexp.MustCompile("(?m)^\\|.*`" + found[1] + "`.*\\| (the stack's|" + found[2] + ") \\|")
			if !row.MatchString(text) {
				t.Errorf("docs/deploying.md lacks variable %s of %s with default %q", found[1], script.Name, found[2])
			}
		}
	}
}
