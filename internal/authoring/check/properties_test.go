package check_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/authoring/check"
)

// checkWith checks a file against the contract of orders with one more property. The
// contract must be valid.
func checkWith(t *testing.T, property, content string) check.Report {
	t.Helper()
	text := strings.Replace(orders, "  - {property: firn.maxRejects, value: 3}\n", "  - {property: firn.maxRejects, value: 3}\n  - {property: "+property+"}\n", 1)
	c, err := check.Read(put(t, filepath.Join(t.TempDir(), "draft.yaml"), text))
	if err != nil {
		t.Fatalf("a contract with %s is refused: %v", property, err)
	}
	file := put(t, filepath.Join(t.TempDir(), "o.csv"), content)
	report, err := (&check.Check{File: file, Contract: c, Rejects: 10, Now: time.Now}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestQuotedTextsAreValues: with firn.quotedNull value, quoted empty and quoted null
// texts are values, and the report describes the values of a required column.
func TestQuotedTextsAreValues(t *testing.T) {
	t.Parallel()
	got := checkWith(t, "firn.quotedNull, value: value", "No.;amount;shop\n1;;A\n2;\"\";A\n3;NA;A\n4;\"NA\";A\nNA;1;A\n")
	want := []check.Reject{
		{Record: 2, Line: 3, Column: "amount", Rule: "decimal", Value: new(""), Expected: "at most 3 digits before the point and 2 after it, no exponent"},
		{Record: 4, Line: 5, Column: "amount", Rule: "decimal", Value: new("NA"), Expected: "at most 3 digits before the point and 2 after it, no exponent"},
		{Record: 5, Line: 6, Column: "number", Rule: "required", Value: new("NA"), Expected: `a value; empty fields and "NA" without quotes mean no value`},
	}
	if diff := cmp.Diff(want, got.Rejects); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
}

// TestNewColumnsAreRefused: with firn.newColumns refuse, a file with another column than
// the contract's is refused, and the cause names the column.
func TestNewColumnsAreRefused(t *testing.T) {
	t.Parallel()
	for content, code := range map[string]string{"No.;amount;shop\n1;1;A\n": "", "No.;amount;shop;owner\n1;1;A;B\n": "new_column"} {
		got := checkWith(t, "firn.newColumns, value: refuse", content)
		if got.Code != code || strings.Contains(got.Cause, `"owner"`) != (code != "") {
			t.Errorf("%q: code %q, cause %q", content, got.Code, got.Cause)
		}
	}
}
