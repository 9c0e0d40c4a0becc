package migrate_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/snowflake/migrate"
)

func TestRead(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for _, name := range []string{"R__b.sql", "V1.10.0__c.sql", "V1.2.0__b.sql", "R__a.sql", "V1.2__a.sql", "V2__d.sql", "README.md"} {
		files[name] = &fstest.MapFile{Data: []byte("select '{{ one }}', '{{two}}';")}
	}
	scripts, err := migrate.Read(files, map[string]string{"one": "1", "two": "2"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range scripts {
		names = append(names, s.Name)
		if s.Rendered != "select '1', '2';" {
			t.Errorf("%s is rendered as %s", s.Name, s.Rendered)
		}
	}
	want := []string{"V1.2__a.sql", "V1.2.0__b.sql", "V1.10.0__c.sql", "V2__d.sql", "R__a.sql", "R__b.sql"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestReadReportsEveryFault(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for name, body := range map[string]string{
		"nameless.sql": "", "V1_0__a.sql": "", "V1.0__b.sql": "", "V1.1__between.sql": "", "R__d.sql": "{{ missing }} {{ known }}", "R__c.sql": "{{ unknown }} {{ missing }}",
	} {
		files[name] = &fstest.MapFile{Data: []byte(body)}
	}
	_, err := migrate.Read(files, map[string]string{"loader_roll_arn": "arn", "known": "k"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{
		"nameless.sql", "V1.0__b.sql and V1_0__a.sql have the same version", "variable unknown has no value", "variable missing has no value",
		"variable loader_roll_arn: no script uses this variable",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q:\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), "known: no script") { // the script that uses the variable lacks another variable
		t.Errorf("the error names variable known, which a script uses:\n%v", err)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	const body = "quota = {{ credits | default('50') }} of '{{name|default('')}}';"
	for _, test := range []struct {
		variables map[string]string
		want      string
	}{
		{nil, "quota = 50 of '';"},
		{map[string]string{"credits": "7", "name": "x"}, "quota = 7 of 'x';"},
	} {
		s, err := migrate.Parse("R__a.sql", body, test.variables)
		if err != nil || s.Rendered != test.want {
			t.Errorf("%v gives %q, %v; want %q", test.variables, s.Rendered, err, test.want)
		}
	}
}

func TestChecksum(t *testing.T) {
	t.Parallel()
	sum := func(name, value string) string {
		s, err := migrate.Parse(name, "create stage x url = '{{ url }}';", map[string]string{"url": value})
		if err != nil {
			t.Fatal(err)
		}
		return s.Checksum()
	}
	if sum("V1__a.sql", "1") != sum("V1__a.sql", "2") {
		t.Error("a versioned script's checksum depends on its variables")
	}
	if sum("R__a.sql", "1") == sum("R__a.sql", "2") {
		t.Error("a repeatable script's checksum doesn't depend on its variables")
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		want         []string
	}{
		{"two statements", "select 1;\nselect 2;\n", []string{"select 1", "select 2"}},
		{"no last semicolon", "select 1;\nselect 2", []string{"select 1", "select 2"}},
		{"string", "select 'a;b', 'it''s;', 'c\\';';\nselect 2;", []string{"select 'a;b', 'it''s;', 'c\\';'", "select 2"}},
		{"quoted name", `select "a;b", "c"";d";`, []string{`select "a;b", "c"";d"`}},
		{"line comment", "-- a; b's\nselect 1; -- c;\n// d;\nselect 2;", []string{"-- a; b's\nselect 1", "-- c;\n// d;\nselect 2"}},
		{"block comment", "/* a; 'b */ select 1;", []string{"/* a; 'b */ select 1"}},
		{"comments alone", "-- nothing;\n;\n/* either; */\n", nil},
		{"$$ body", "create function f() returns int as $$ 1; 2; $$;\nselect 1;", []string{"create function f() returns int as $$ 1; 2; $$", "select 1"}},
		{"url in a string", "create stage s url = 's3://b/';", []string{"create stage s url = 's3://b/'"}},
		{"open string", "select 'a;", []string{"select 'a;"}},
		{"empty", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, migrate.Split(test.script)); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzSplit checks that Split drops only semicolons, space and pieces without code, and
// that each statement splits into itself.
func FuzzSplit(f *testing.F) {
	f.Add("select 'a;b'; -- c\nselect $$;$$;")
	f.Add("/* ' */ ; \"")
	f.Fuzz(func(t *testing.T, script string) {
		rest := script
		for _, s := range migrate.Split(script) {
			at := strings.Index(rest, s)
			if at < 0 {
				t.Fatalf("%q is not in the rest of the script", s)
			}
			rest = rest[at+len(s):]
			if again := migrate.Split(s); len(again) != 1 || again[0] != s {
				t.Fatalf("%q splits again into %q", s, again)
			}
		}
	})
}

// ownScripts reads firn's own scripts and the scripts of the test project.
func ownScripts(t *testing.T, database string) []migrate.Script {
	t.Helper()
	scripts, err := migrate.Read(migrate.Files(os.DirFS("../../../snowflake"), os.DirFS("../../../testdata/project/snowflake")), map[string]string{
		"database": database, "loader_role_arn": "arn:aws:iam::1:role/load", "curated_bucket": "curated", "storage_role_arn": "arn:aws:iam::1:role/stage", "external_id": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	return scripts
}

func TestOwnScripts(t *testing.T) {
	t.Parallel()
	scripts := ownScripts(t, "firn")
	if len(scripts) < 2 || scripts[0].Kind != migrate.Versioned {
		t.Fatalf("got %d scripts, or the first script isn't versioned", len(scripts))
	}
	for _, s := range scripts {
		if len(migrate.Split(s.Rendered)) == 0 {
			t.Errorf("%s has no statement", s.Name)
		}
	}
}
