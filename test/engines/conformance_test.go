//go:build endtoend

package engines_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/work"
	"github.com/firn-data/firn/test/engines/suite"
)

const conformance = repository + "/internal/transform/testdata/conformance"

// TestGlueEngineMatchesExpectedFiles compares the Glue engine with every case of the
// suite. It also compares the types of the output files with the Lambda engine's types.
// internal/transform compares the Lambda engine's rows with the suite. In the same run of
// Spark, the Glue engine transforms the marked files, and no receipt has a mark.
func TestGlueEngineMatchesExpectedFiles(t *testing.T) {
	t.Parallel()
	cases, err := suite.Cases(conformance)
	if err != nil {
		t.Fatal(err)
	}
	e := newEnvironment(t)
	objects := make([]testObject, len(cases))
	for i, c := range cases {
		objects[i] = testObjectOf(t, c)
		e.add(t, objects[i])
	}
	marked := addMarked(t, e)
	e.runGlue(t, "")
	checkMarked(t, e, marked)
	different := 0
	for i, c := range cases {
		got := e.answer(t, glue, objects[i])
		compare(t, c, suite.Rows, got.rows)
		compare(t, c, suite.Rejects, got.rejects)
		compare(t, c, suite.Receipt, got.summary)
		if c.HasOwnAnswer(glue) {
			different++
			t.Logf("%s has a different expected answer: %s", c.Name, got.receipt.Cause)
			continue
		}
		e.runLambda(t, objects[i])
		compareEngines(t, c.Name, e.answer(t, lambda, objects[i]), got)
	}
	t.Logf("%d cases, %d of them with a different expected answer; the run took %v", len(cases), different, e.took)
}

// addMarked adds the marked files.
func addMarked(t *testing.T, e *environment) []testObject {
	t.Helper()
	var objects []testObject
	for _, f := range suite.MarkedFiles() {
		o := testObject{name: f.Name, file: f.File, contract: f.Contract, body: f.Body}
		e.add(t, o)
		objects = append(objects, o)
	}
	return objects
}

// checkMarked checks the receipts of the marked files: the code of each file, and no mark
// in any receipt or manifest.
func checkMarked(t *testing.T, e *environment, objects []testObject) {
	t.Helper()
	for i, f := range suite.MarkedFiles() {
		got := e.answer(t, glue, objects[i])
		want := f.Code
		if f.GlueCode != "" {
			want = f.GlueCode
		}
		if got.receipt.Code != want {
			t.Errorf("%s: code %q, want %q: %s", f.Name, got.receipt.Code, want, got.receipt.Cause)
		}
		e.runLambda(t, objects[i])
		if fromGo := e.answer(t, lambda, objects[i]); f.GlueCode == "" {
			compareEngines(t, f.Name, fromGo, got)
		}
	}
	for _, engine := range []string{glue, lambda} {
		if texts := e.searchMarks(t, engine); texts < len(objects) {
			t.Errorf("%d receipts and manifests of %s were searched, want at least %d", texts, engine, len(objects))
		}
	}
}

func testObjectOf(t *testing.T, c suite.Case) testObject {
	t.Helper()
	body, err := c.Input()
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return testObject{name: c.Name, file: c.InputName, contract: c.Contract, body: body}
}

func compare(t *testing.T, c suite.Case, kind, got string) {
	t.Helper()
	want, err := c.Expected(kind, glue)
	if err != nil {
		t.Fatal(err)
	}
	if kind == suite.Rejects {
		want = withoutLines(t, want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s (-want +got):\n%s", c.Name, kind, diff)
	}
}

// withoutLines sets the line of each reject to null, because Spark has no line numbers.
func withoutLines(t *testing.T, rejects string) string {
	t.Helper()
	var rows []map[string]any
	for line := range strings.Lines(rejects) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		row := make(map[string]any)
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(err)
		}
		row["line"] = nil
		rows = append(rows, row)
	}
	text, err := suite.Lines(rows)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// compareEngines compares the answers of two engines, without the fields for engine,
// files and times.
func compareEngines(t *testing.T, name string, want, got answer) (same bool) {
	t.Helper()
	differences := cmp.Diff(want.rows, got.rows) +
		cmp.Diff(withoutLines(t, want.rejects), got.rejects) +
		cmp.Diff(want.summary, got.summary)
	if want.types != nil && got.types != nil {
		differences += cmp.Diff(want.types, got.types)
	}
	if strings.Contains(want.summary, `"rows_read"`) { // without a count of rows in the summary, the rejects before the refusal may differ
		differences += cmp.Diff(firstOf(want), firstOf(got)) + cmp.Diff(want.receipt.RejectsByRule, got.receipt.RejectsByRule)
	}
	if want.receipt.Hint != got.receipt.Hint {
		differences += cmp.Diff(want.receipt.Hint, got.receipt.Hint)
	}
	if want.receipt.ContentHash != "" && got.receipt.ContentHash != "" {
		differences += cmp.Diff(want.receipt.ContentHash, got.receipt.ContentHash)
	}
	if differences != "" {
		t.Errorf("%s: the engines differ (-lambda +glue):\n%s", name, differences)
	}
	return differences == ""
}

// firstOf returns a receipt's first rejects without line numbers.
func firstOf(a answer) []work.Reject {
	var first []work.Reject
	for _, reject := range a.receipt.FirstRejects {
		reject.Line = 0
		first = append(first, reject)
	}
	return first
}
