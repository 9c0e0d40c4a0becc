package ddl_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

var update = flag.Bool("update", false, "write golden and generated files instead of comparing with them")

const (
	committed = "../../../snowflake"
	// handwrittenScript is the name of the repeatable script without a contract.
	handwrittenScript = "R__ops_cost.sql"
)

func read(t *testing.T, columns string) *contract.Contract {
	t.Helper()
	c, err := contract.Read("contract.odcs.yaml", []byte(`apiVersion: v3.1.0
kind: DataContract
id: x
name: shop.order
version: 2.3.4
status: active
description: {purpose: "It's one row\n  an order; 100% of them {{ really }} C:\\new;"}
schema:
  - name: order
    properties:
`+columns))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// projects are the folders with datasets/ and snowflake/: the repository and the test
// project.
var projects = []string{"../../..", "../../../testdata/project"}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	for _, project := range projects {
		set, err := contract.ReadAll(os.DirFS(filepath.Join(project, "datasets")))
		if err != nil {
			t.Fatal(err)
		}
		files := ddl.Generate(set)
		for name, sql := range files {
			compare(t, filepath.Join(project, "snowflake", name), sql)
			if !ddl.IsGenerated(name) {
				t.Errorf("IsGenerated(%q) = false", name)
			}
		}
		present, err := filepath.Glob(filepath.Join(project, "snowflake", "R__*.sql"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range present {
			if _, ok := files[filepath.Base(path)]; !ok && filepath.Base(path) != handwrittenScript {
				t.Errorf("%s has no contract: delete the file", path)
			}
		}
	}
	if ddl.IsGenerated(handwrittenScript) {
		t.Errorf("IsGenerated(%q) = true", handwrittenScript)
	}
}

// compare compares got with a file, or writes the file with -update.
func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run go generate ./internal/snowflake/ddl to write the file", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is out of date: run go generate ./internal/snowflake/ddl (-committed +generated):\n%s", path, diff)
	}
}

func TestFileMatchesGolden(t *testing.T) {
	t.Parallel()
	c := read(t, `
      - {name: number, logicalType: integer, primaryKey: true, primaryKeyPosition: 2, description: "The shop's number."}
      - {name: shop, logicalType: string, primaryKey: true, primaryKeyPosition: 1}
      - {name: amount, logicalType: number, physicalType: "decimal(12,2)", required: true}
      - {name: weight, logicalType: number, physicalType: double}
      - {name: gift, logicalType: boolean}
      - {name: day, logicalType: date}
      - {name: paid_at, logicalType: timestamp}
      - {name: slot, logicalType: time}
      - {name: lines, logicalType: array}
`)
	compare(t, filepath.Join("testdata", "shop_order.golden.sql"), ddl.File(c))
}

// TestViewMatchesGolden compares the view of each mode with a golden file. Mode append
// has no view.
func TestViewMatchesGolden(t *testing.T) {
	t.Parallel()
	columns := `
      - {name: number, logicalType: integer, primaryKey: true, primaryKeyPosition: 2}
      - {name: shop, logicalType: string, primaryKey: true, primaryKeyPosition: 1}
      - {name: paid_at, logicalType: timestamp}
`
	for name, properties := range map[string]string{
		"merge":           "{property: firn.mode, value: merge}",
		"merge_ordered":   "{property: firn.mode, value: merge}\n  - {property: firn.orderBy, value: [paid_at, number]}",
		"snapshot":        "{property: firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}.csv'}}",
		"snapshot_files":  "{property: firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/{part}.csv', files: 3}}",
		"snapshot_parted": "{property: firn.mode, value: snapshot}\n  - {property: firn.delivery, value: {key: '{delivery}/part-{part}-of-{parts}.csv'}}",
	} {
		c := read(t, columns+"customProperties:\n  - "+properties+"\n")
		compare(t, filepath.Join("testdata", "shop_order_current_"+name+".golden.sql"), ddl.View(c))
		if c.Mode == contract.Snapshot {
			compare(t, filepath.Join("testdata", "shop_order_deliveries_"+name+".golden.sql"), ddl.DeliveriesQuery(c)+"\n")
		}
	}
	if sql := ddl.View(read(t, columns)); sql != "" {
		t.Errorf("mode append has a view:\n%s", sql)
	}
}

// TestScriptMakesTableOfEndedRows: the versioned migration, which has the grants, and
// the statement for tests make the same table.
func TestScriptMakesTableOfEndedRows(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join(committed, "V1.6.0__ended.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if own := strings.ReplaceAll(string(script), "{{ database }}.", ""); !strings.Contains(own, ddl.Ended()) {
		t.Errorf("the script doesn't contain:\n%s", ddl.Ended())
	}
}

// TestNewLedgerHasLaterNumber: the lock row beside an older table has a higher number than
// every earlier lock row. The journal refuses a record with a lower number.
func TestNewLedgerHasLaterNumber(t *testing.T) {
	t.Parallel()
	c := read(t, "      - {name: a, logicalType: string}\n")
	const later = "date_part(epoch_second, current_timestamp())"
	if sql := ddl.NewLedger(c, "1.0.0", true); !strings.Contains(sql, "    "+later+"::number(38, 0) as seq,\n") {
		t.Errorf("the lock row of a new ledger has no later number:\n%s", sql)
	}
	if sql := ddl.InsertLockRow(c); !strings.Contains(sql, later) {
		t.Errorf("the inserted lock row has no later number:\n%s", sql)
	}
	if sql := ddl.Ledger(c); !strings.Contains(sql, "    0::number(38, 0) as seq,\n") {
		t.Errorf("the first lock row doesn't have the number 0:\n%s", sql)
	}
}

// A description never ends a statement and never opens a Jinja tag: firn migrate splits
// files at semicolons, and schemachange reads files as Jinja templates.
func TestFileSplitsIntoStatements(t *testing.T) {
	t.Parallel()
	sql := ddl.File(read(t, "      - {name: a, logicalType: string, description: \"x;\\ny' || {% raw %} {# c #}\"}\n"))
	if n := len(regexp.MustCompile(`(?m);$`).FindAllString(sql, -1)); n != 3 {
		t.Errorf("%d lines end in a semicolon, want 3:\n%s", n, sql)
	}
	for _, tag := range []string{"{{", "{%", "{#"} {
		if strings.Contains(sql, tag) {
			t.Errorf("%q opens a Jinja tag:\n%s", tag, sql)
		}
	}
	if n := strings.Count(sql, "'"); n%2 != 0 {
		t.Errorf("odd number of quotes, %d:\n%s", n, sql)
	}
}

func TestTableWithoutKeyHasNoKeyComment(t *testing.T) {
	t.Parallel()
	sql := ddl.Table(read(t, "      - {name: a, logicalType: string}\n"))
	if strings.Contains(strings.ToLower(sql), "primary key") {
		t.Errorf("the contract has no key, but the statement names a primary key:\n%s", sql)
	}
}

// Snowflake doesn't enforce a primary key, but the stand-in does. So no statement may
// declare a key.
func TestNoStatementDeclaresAKey(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(committed, "*.sql"))
	if err != nil || len(paths) < 9 {
		t.Fatalf("found %d files, want at least 9: %v", len(paths), err)
	}
	quoted := regexp.MustCompile(`(?m)'([^']|'')*'|--.*$`)
	declares := regexp.MustCompile(`(?i)\b(primary|foreign)\s+key\b|\bunique\b|\breferences\b`)
	names := regexp.MustCompile(`^(V\d+\.\d+\.\d+|R)__[a-z0-9_]+\.sql$`)
	for _, path := range paths {
		sql, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found := declares.Find(quoted.ReplaceAll(sql, nil)); found != nil {
			t.Errorf("%s declares %q", path, found)
		}
		if !names.MatchString(filepath.Base(path)) {
			t.Errorf("%s: not a file name of schemachange", path)
		}
		if trimmed := strings.TrimSpace(string(sql)); !strings.HasSuffix(trimmed, ";") {
			t.Errorf("%s: no semicolon after the last statement", path)
		}
	}
}
