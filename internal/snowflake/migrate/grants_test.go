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

// expectedGrants is all that the scripts grant: to whom, on what, what. A grant
// that isn't here is one too many.
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

// grant is one statement that grants. To is whom, as "role x" or "user x"; On is
// what, with its kind. Privileges are sorted; a role's is "role".
type grant struct {
	To, On     string
	Privileges []string
}

var (
	space      = regexp.MustCompile(`\s+`)
	grantsRole = regexp.MustCompile(`^grant ((?:database )?role \S+) to ((?:role|user) \S+)$`)
	grantsMore = regexp.MustCompile(`^grant (.+?) on (.+) to (role \S+?)(?: copy current grants)?$`)
)

// words of a statement, without its comments, on one line, in lower case.
func plain(statement string) string {
	var lines []string
	for line := range strings.Lines(statement) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			lines = append(lines, line)
		}
	}
	return strings.ToLower(strings.TrimSpace(space.ReplaceAllString(strings.Join(lines, " "), " ")))
}

// statements are those of all of the repository's scripts.
func statements(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, script := range own(t, "firn") {
		for _, statement := range migrate.Split(script.Rendered) {
			all = append(all, plain(statement))
		}
	}
	return all
}

// parseGrants fails on a statement that grants in a form that it doesn't know,
// such as WITH GRANT OPTION.
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
			t.Fatalf("what does this grant? %s", statement)
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

// TestNoGrantIsTooWide holds for whatever the table above says.
func TestNoGrantIsTooWide(t *testing.T) {
	t.Parallel()
	grants := parseGrants(t)
	if len(grants) < 50 {
		t.Fatalf("%d grants were found", len(grants))
	}
	ours := []string{"role firn_admin", "role firn_loader", "role firn_transformer", "role firn_reporter", "role sysadmin", "user firn_loader", "user firn_transformer"}
	forbidden := []struct {
		why string
		is  func(grant) bool
	}{
		{"nobody but ours, and not PUBLIC", func(g grant) bool { return !slices.Contains(ours, g.To) }},
		{"no ALL: it grows by itself", func(g grant) bool { return slices.ContainsFunc(g.Privileges, isAll) }},
		{"a future grant for a schema switches those for the database off", func(g grant) bool {
			return strings.HasPrefix(g.On, "future") && !strings.Contains(g.On, " in schema ")
		}},
		{"nobody but FIRN_ADMIN owns anything", func(g grant) bool { return g.has("ownership") && g.To != "role firn_admin" }},
		{"nobody operates a warehouse but its owner", func(g grant) bool { return g.has("operate") || g.has("modify") }},
		{"the loader makes and empties nothing", func(g grant) bool {
			return g.To == "role firn_loader" && (g.has("truncate") || slices.ContainsFunc(g.Privileges, creates) || g.has("evolve schema"))
		}},
		{"the loader is in RAW alone", func(g grant) bool {
			return g.To == "role firn_loader" && strings.Contains(g.On, "firn.") && !strings.Contains(g.On, "firn.raw")
		}},
		{"the reporter reads", func(g grant) bool {
			return g.To == "role firn_reporter" && !g.has("usage") && !g.has("select") || g.To == "role firn_reporter" && len(g.Privileges) != 1
		}},
		{"the reporter sees no raw row", func(g grant) bool {
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

// TestEveryGrantIsOnKnownObject: a misspelt name is an error of the account,
// and the stand-in takes every grant.
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
				t.Errorf("%+v: the scripts make no %s, but %v", g, name, slices.Sorted(maps.Keys(made)))
			}
		}
	}
}
