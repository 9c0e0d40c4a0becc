package migrate_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/snowflake/migrate"
)

// expectedGrants has the privileges of each grant by grantee and object. The scripts
// must not grant more.
var expectedGrants = map[string]map[string]string{
	"role firn_admin": {
		"role firn_loader":                     "role",
		"role firn_transformer":                "role",
		"role firn_reporter":                   "role",
		"database role snowflake.usage_viewer": "role",
		"warehouse firn_load":                  "ownership",
		"warehouse firn_transform":             "ownership",
		"warehouse firn_report":                "ownership",
		"resource monitor firn_load":           "monitor",
		"resource monitor firn_transform":      "monitor",
		"resource monitor firn_report":         "monitor",
		"database firn":                        "ownership",
		"schema firn.raw":                      "ownership",
		"schema firn.staging":                  "ownership",
		"schema firn.marts":                    "ownership",
		"schema firn.ops":                      "ownership",
		"all tables in schema firn.ops":        "ownership",
		"future tables in schema firn.ops":     "ownership",
		"future views in schema firn.ops":      "ownership",
		"future tables in schema firn.raw":     "ownership",
		"future views in schema firn.raw":      "ownership",
		"integration firn_curated":             "usage",
		"file format firn.raw.parquet":         "ownership",
		"stage firn.raw.curated":               "ownership",
		"user firn_loader":                     "ownership",
		"user firn_transformer":                "ownership",
	},
	"role firn_loader": {
		"warehouse firn_load":              "usage",
		"database firn":                    "usage",
		"schema firn.raw":                  "usage",
		"stage firn.raw.curated":           "usage",
		"all tables in schema firn.raw":    "delete, insert, select, update",
		"future tables in schema firn.raw": "delete, insert, select, update",
		"schema firn.ops":                  "usage",
		"table firn.ops.ended":             "insert, select",
	},
	"role firn_transformer": {
		"warehouse firn_transform":         "usage",
		"database firn":                    "usage",
		"schema firn.raw":                  "usage",
		"all tables in schema firn.raw":    "select",
		"future tables in schema firn.raw": "select",
		"all views in schema firn.raw":     "select",
		"future views in schema firn.raw":  "select",
		"schema firn.staging":              "create table, create view, usage",
		"schema firn.marts":                "create table, create view, usage",
		"schema firn.ops":                  "usage",
		"table firn.ops.ended":             "select",
	},
	"role firn_reporter": {
		"warehouse firn_report":              "usage",
		"database firn":                      "usage",
		"schema firn.marts":                  "usage",
		"all tables in schema firn.marts":    "select",
		"future tables in schema firn.marts": "select",
		"all views in schema firn.marts":     "select",
		"future views in schema firn.marts":  "select",
		"schema firn.ops":                    "usage",
		"all tables in schema firn.ops":      "select",
		"future tables in schema firn.ops":   "select",
		"all views in schema firn.ops":       "select",
		"future views in schema firn.ops":    "select",
	},
	"role sysadmin":         {"role firn_admin": "role"},
	"user firn_loader":      {"role firn_loader": "role"},
	"user firn_transformer": {"role firn_transformer": "role"},
}

// grant is one grant statement. To is the grantee, "role x" or "user x". On is the
// object with its kind. Privileges are sorted; the privilege of a granted role is
// "role".
type grant struct {
	To, On     string
	Privileges []string
}

var (
	space      = regexp.MustCompile(`\s+`)
	grantsRole = regexp.MustCompile(`^grant ((?:database )?role \S+) to ((?:role|user) \S+)$`)
	grantsMore = regexp.MustCompile(`^grant (.+?) on (.+) to (role \S+?)(?: copy current grants)?$`)
)

// plain returns a statement on one line, without comments, in lower case.
func plain(statement string) string {
	var lines []string
	for line := range strings.Lines(statement) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines = append(lines, line)
		}
	}
	return strings.ToLower(strings.TrimSpace(space.ReplaceAllString(strings.Join(lines, " "), " ")))
}

// statements returns the statements of all scripts.
func statements(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, script := range ownScripts(t, "firn") {
		for _, statement := range migrate.Split(script.Rendered) {
			all = append(all, plain(statement))
		}
	}
	return all
}

// parseGrants fails the test for an unknown form of grant, such as WITH GRANT OPTION.
func parseGrants(t *testing.T) []grant {
	t.Helper()
	var grants []grant
	for _, statement := range statements(t) {
		if !strings.HasPrefix(statement, "grant") {
			continue
		}
		if role := grantsRole.FindStringSubmatch(statement); role != nil {
			grants = append(grants, grant{To: role[2], On: role[1], Privileges: []string{"role"}})
			continue
		}
		parts := grantsMore.FindStringSubmatch(statement)
		if parts == nil {
			t.Fatalf("unknown form of grant: %s", statement)
		}
		privileges := strings.Split(parts[1], ", ")
		slices.Sort(privileges)
		grants = append(grants, grant{To: parts[3], On: parts[2], Privileges: privileges})
	}
	return grants
}

func TestScriptsGrantExpectedPrivileges(t *testing.T) {
	t.Parallel()
	granted := make(map[string]map[string]string)
	for _, g := range parseGrants(t) {
		if granted[g.To] == nil {
			granted[g.To] = make(map[string]string)
		}
		if granted[g.To][g.On] != "" {
			t.Errorf("%s has two grants on %s", g.To, g.On)
		}
		granted[g.To][g.On] = strings.Join(g.Privileges, ", ")
	}
	if diff := cmp.Diff(expectedGrants, granted); diff != "" {
		t.Errorf("grants (-expected +granted):\n%s", diff)
	}
}

// TestNoGrantIsTooWide checks rules that don't depend on expectedGrants.
func TestNoGrantIsTooWide(t *testing.T) {
	t.Parallel()
	grants := parseGrants(t)
	if len(grants) < 50 {
		t.Fatalf("found %d grants, want at least 50", len(grants))
	}
	grantees := []string{"role firn_admin", "role firn_loader", "role firn_transformer", "role firn_reporter", "role sysadmin", "user firn_loader", "user firn_transformer"}
	forbidden := []struct {
		why string
		is  func(grant) bool
	}{
		{"only firn's roles and users get grants, and PUBLIC gets none", func(g grant) bool { return !slices.Contains(grantees, g.To) }},
		{"no grant of ALL: its meaning can grow", func(g grant) bool { return slices.ContainsFunc(g.Privileges, isAll) }},
		{"future grants are on schemas: a future grant on a schema disables future grants on the database", func(g grant) bool {
			return strings.HasPrefix(g.On, "future") && !strings.Contains(g.On, " in schema ")
		}},
		{"only FIRN_ADMIN owns objects", func(g grant) bool { return g.has("ownership") && g.To != "role firn_admin" }},
		{"only the owner operates a warehouse", func(g grant) bool { return g.has("operate") || g.has("modify") }},
		{"the loader creates and truncates no table", func(g grant) bool {
			return g.To == "role firn_loader" && (g.has("truncate") || slices.ContainsFunc(g.Privileges, creates) || g.has("evolve schema"))
		}},
		{"the loader uses only schema RAW and the table of ended rows", func(g grant) bool {
			return g.To == "role firn_loader" && strings.Contains(g.On, "firn.") && !strings.Contains(g.On, "firn.raw") &&
				g.On != "schema firn.ops" && g.On != "table firn.ops.ended"
		}},
		{"no role changes or deletes an ended row", func(g grant) bool {
			return strings.Contains(g.On, "firn.ops.ended") && (g.has("update") || g.has("delete") || g.has("truncate"))
		}},
		{"the reporter only reads", func(g grant) bool {
			return g.To == "role firn_reporter" && !g.has("usage") && !g.has("select") || g.To == "role firn_reporter" && len(g.Privileges) != 1
		}},
		{"the reporter reads no raw and no staging rows", func(g grant) bool {
			return g.To == "role firn_reporter" && (strings.Contains(g.On, "firn.raw") || strings.Contains(g.On, "firn.staging"))
		}},
	}
	for _, g := range grants {
		for _, rule := range forbidden {
			if rule.is(g) {
				t.Errorf("%+v: %s", g, rule.why)
			}
		}
	}
}

func (g grant) has(privilege string) bool { return slices.Contains(g.Privileges, privilege) }

func isAll(privilege string) bool { return privilege == "all" || privilege == "all privileges" }

func creates(privilege string) bool { return strings.HasPrefix(privilege, "create") }

// TestEveryGrantIsOnKnownObject finds misspelt names: a real account refuses such a
// grant, but the stand-in accepts every grant.
func TestEveryGrantIsOnKnownObject(t *testing.T) {
	t.Parallel()
	made := map[string]bool{"role sysadmin": true, "database role snowflake.usage_viewer": true}
	for _, statement := range statements(t) {
		if c := parseCreate(statement); c.kind != "" {
			made[c.kind+" "+c.name] = true
		}
	}
	for _, g := range parseGrants(t) {
		_, on, isMany := strings.Cut(g.On, " in ")
		if !isMany {
			on = strings.Replace(g.On, "integration", "storage integration", 1)
		}
		for _, name := range []string{g.To, on} {
			if !made[name] {
				t.Errorf("%+v: the scripts create no %s, only %v", g, name, slices.Sorted(maps.Keys(made)))
			}
		}
	}
}
