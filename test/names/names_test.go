package names_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/snowflake/ddl"
	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/names"
)

var update = flag.Bool("update", false, "write the golden file again")

const (
	root   = "../.."
	golden = "testdata/names.golden"
)

// TestStoredAndPublicNamesKeepTheirSpelling compares the names of today's code with the
// golden file. A new name needs -update. A name that is gone fails the test; before
// release 0.1.0 -update may remove the name, and later only a person may, by hand.
func TestStoredAndPublicNamesKeepTheirSpelling(t *testing.T) {
	t.Parallel()
	found := collect(t)
	listed := readLines(t, golden)
	added := missingFrom(listed, found)
	removed := missingFrom(found, listed)
	if *update {
		if len(removed) > 0 && released(t) {
			t.Fatalf("a stored or public name may not be renamed or removed after release 0.1.0:\n%s", strings.Join(removed, "\n"))
		}
		if err := os.WriteFile(golden, []byte(strings.Join(found, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if len(removed) > 0 {
		t.Errorf("names that users and stored data depend on are gone:\n%s", strings.Join(removed, "\n"))
	}
	if len(added) > 0 {
		t.Errorf("new names, to be added with -update after a second look at their spelling:\n%s", strings.Join(added, "\n"))
	}
}

// group is one kind of name and the names of that kind.
type group struct {
	kind  string
	names []string
}

func collect(t *testing.T) []string {
	t.Helper()
	groups := []group{
		{"journal attribute", parse(t, "internal/journal").Attributes()},
		{"journal JSON", parse(t, "internal/journal", "internal/object").Tags("json")},
		{"message and receipt JSON", parse(t, "internal/work").Tags("json")},
		{"dead letter attribute", deadLetterAttributes()},
		{"Glue contract JSON", parse(t, "internal/contract").Tags("json")},
		{"ingestion JSON", parse(t, "internal/ingest").Tags("json")},
		{"Loaded message JSON", parse(t, "internal/load").Tags("json")},
		{"mail JSON", parse(t, "internal/alert").Tags("json")},
		{"command JSON", parse(t, "cmd", "internal/operator", "internal/authoring", "internal/snowflake/evolve", "internal/snowflake/migrate", "internal/snowflake/restore", "internal/snowflake/keys", "internal/demo").Tags("json")},
		{"secret JSON", parse(t, "internal/snowflake").Tags("json")},
		{"fault code", parse(t, "internal/fault").Constants("Code")},
		{"contract property", parse(t, "internal/contract").Literals(`firn\.[a-zA-Z]+`)},
		{"CDK setting", parse(t, "infra/setting").FirstArguments("text", "choice", "number", "required")},
		{"environment variable", parse(t, "internal/app", "cmd").Tags("env")},
		{"ledger column", ledgerColumns()},
		{"column of ended rows", ddl.EndedColumns()},
		{"OPS column", names.ViewColumns(opsScript(t))},
	}
	var lines []string
	for _, g := range groups {
		if len(g.names) == 0 {
			t.Errorf("no name of the kind %q was found: the test looks in the wrong place", g.kind)
		}
		for _, name := range g.names {
			lines = append(lines, g.kind+": "+name)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func parse(t *testing.T, folders ...string) names.Source {
	t.Helper()
	source, err := names.Parse(root, folders...)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func ledgerColumns() []string {
	var columns []string
	for _, c := range ddl.LedgerColumns() {
		columns = append(columns, c.Name)
	}
	return columns
}

// deadLetterAttributes returns the attributes of a dead letter with every field set.
func deadLetterAttributes() []string {
	var letter work.DeadLetter
	for _, field := range reflect.ValueOf(&letter).Elem().Fields() {
		field.SetString("x")
	}
	return slices.Sorted(maps.Keys(letter.Encode()))
}

// opsScript returns the scripts that create the views in schema OPS.
func opsScript(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "snowflake", "R__ops_*.sql"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no script of OPS views: %v", err)
	}
	var script strings.Builder
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		script.Write(content)
		script.WriteByte('\n')
	}
	return script.String()
}

// released reports whether the changelog has a release.
func released(t *testing.T) bool {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^## \[?\d+\.\d+\.\d+`).Match(content)
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// missingFrom returns the names of all that the list lacks.
func missingFrom(list, all []string) []string {
	var missing []string
	for _, name := range all {
		if name != "" && !slices.Contains(list, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

func TestViewColumnsOfSelectsAndUnions(t *testing.T) {
	t.Parallel()
	const script = `create or replace view ops.a
    comment = 'x' as
select
    loaded.dataset,
    sum(loaded.files, 2) as files,
    datediff('minute', a, b)
    / 1000 as seconds
from t;

create or replace view ops.b as
with x as (
    select
        1 as hidden
    from t
)

select
    one
from x
union all
select
    two
from y;
`
	want := []string{"ops.a.dataset", "ops.a.files", "ops.a.seconds", "ops.b.one"}
	if got := names.ViewColumns(script); !slices.Equal(got, want) {
		t.Errorf("ViewColumns = %v, want %v", got, want)
	}
}
