package check_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/authoring/check"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/work"
)

const head = `apiVersion: v3.1.0
kind: DataContract
id: firn.shop.order
name: shop.order
version: 1.2.0
status: active
description: {purpose: Orders.}
`

const orders = head + `customProperties:
  - {property: firn.delimiter, value: ;}
  - {property: firn.nullValues, value: [NA]}
  - {property: firn.maxRejects, value: 3}
  - {property: firn.maxUnique, value: 3}
schema:
  - name: order
    properties:
      - {name: number, physicalName: No., logicalType: integer, required: true, unique: true, logicalTypeOptions: {minimum: 1}}
      - {name: amount, logicalType: number, physicalType: 'decimal(5,2)'}
      - {name: shop, logicalType: string, logicalTypeOptions: {pattern: '[A-Z]+', maxLength: 3}}
`

const events = head + `customProperties:
  - {property: firn.format, value: ndjson}
  - {property: firn.maxRejectRatio, value: 1}
schema:
  - name: order
    properties:
      - {name: number, logicalType: integer, required: true, customProperties: [{property: firn.path, value: /a/n}]}
      - {name: day, logicalType: date}
`

func put(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, contractText, name, content string, rejects int) check.Report {
	t.Helper()
	c, err := check.Read(put(t, filepath.Join(t.TempDir(), "draft.yaml"), contractText))
	if err != nil {
		t.Fatal(err)
	}
	report, err := (&check.Check{File: put(t, filepath.Join(t.TempDir(), name), content), Contract: c, Rejects: rejects, Now: time.Now}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

const integer = `digits only, with "-" before a negative number, at most 64 bits`

func TestReportListsRejects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, contract, file, content string
		want                          []check.Reject
	}{
		{"types and rules of CSV", orders, "o.csv", "shop;No.;amount\nA;1;1.5\nA;x;1\nA;0;1\nA;NA;1\n", []check.Reject{
			{Record: 2, Line: 3, Column: "number", Rule: "integer", Value: new("x"), Expected: integer},
			{Record: 3, Line: 4, Column: "number", Rule: "minimum", Value: new("0"), Expected: "at least 1"},
			{Record: 4, Line: 5, Column: "number", Rule: "required", Value: new("NA"), Expected: `a value; empty fields and "NA" mean no value`},
		}},
		{"values with line ends and quotes", orders, "o.csv", "No.;amount;shop\n1;1234;\"A\nB\"\n2;1;\"a\"\"\nb\"\n2;1;ABCD\n", []check.Reject{
			{Record: 1, Line: 2, Column: "amount", Rule: "decimal", Value: new("1234"), Expected: "at most 3 digits before the point and 2 after it, no exponent"},
			{Record: 2, Line: 4, Column: "shop", Rule: "maxLength", Value: new("a\"\nb"), Expected: "at most 3 characters"},
			{Record: 3, Line: 6, Column: "shop", Rule: "maxLength", Value: new("ABCD"), Expected: "at most 3 characters"},
		}},
		{"whole records of CSV", orders, "o.csv", "No.;amount;shop\n1;1\n2;1;\xff\n3;1;a\n", []check.Reject{
			{Record: 1, Line: 2, Rule: "columns", Value: new("1;1"), Expected: "as many fields as the header; the record has 2"},
			{Record: 2, Line: 3, Rule: "utf8", Value: new("2;1;\uFFFD"), Expected: "text in the contract's encoding, without the character U+FFFD"},
			{Record: 3, Line: 4, Column: "shop", Rule: "pattern", Value: new("a"), Expected: "the whole text matches [A-Z]+"},
		}},
		{"repeated value", orders, "o.csv", "No.;amount;shop\n1;1;A\n1;1;A\n", []check.Reject{
			{Record: 2, Line: 3, Column: "number", Rule: "unique", Value: new("1"), Expected: "a value different from all earlier rows"},
		}},
		{"kinds of JSON", events, "o.ndjson", `{"a":{"n":"5"}}` + "\n" + `{"a":{"n":null}}` + "\n" + `{"a":{"n":1},"day":"2026-13-01"}` + "\n" + `{"a":{"n":[1]}}` + "\n", []check.Reject{
			{Record: 1, Line: 1, Column: "number", Rule: "integer", Value: new(`"5"`), Expected: "a JSON number: " + integer},
			{Record: 2, Line: 2, Column: "number", Rule: "required", Expected: "a value; null means no value"},
			{Record: 3, Line: 3, Column: "day", Rule: "date", Value: new(`"2026-13-01"`), Expected: "a JSON string: a day such as 2026-01-02"},
			{Record: 4, Line: 4, Column: "number", Rule: "integer", Value: new(`[1]`), Expected: "a JSON number: " + integer},
		}},
		{"whole records of JSON", events, "o.ndjson", "{\"a\":1\n\n[]\n" + `{"a":1,"a":2}` + "\n", []check.Reject{
			{Record: 1, Line: 1, Rule: "json", Value: new(`{"a":1`), Expected: "valid JSON on one line"},
			{Record: 2, Line: 3, Rule: "object", Value: new("[]"), Expected: "a JSON object"},
			{Record: 3, Line: 4, Rule: "duplicate", Value: new(`{"a":1,"a":2}`), Expected: "each name once in an object"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report := run(t, test.contract, test.file, test.content, 10)
			if diff := cmp.Diff(test.want, report.Rejects); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if report.Clean() || report.RowsRejected != int64(len(test.want)) {
				t.Errorf("%+v", report)
			}
		})
	}
}

// TestReportOfFile compares a whole report.
func TestReportOfFile(t *testing.T) {
	t.Parallel()
	got := run(t, orders, "o.csv", "No.;amount;shop;more\n1;1;A;\n2;x;A;\n3;x;A;\n4;1;a;\n4;1;A;\n4;1;A;\n", 1)
	want := check.Report{
		File: got.File, Contract: got.Contract, Dataset: "shop.order", Version: "1.2.0", Format: contract.CSV, Outcome: work.Accepted,
		RowsRead: 6, RowsGood: 3, RowsRejected: 3,
		Rules: []check.Rule{
			{Rule: "amount:decimal", Rows: 2, Expected: "at most 3 digits before the point and 2 after it, no exponent"},
			{Rule: "shop:pattern", Rows: 1, Expected: "the whole text matches [A-Z]+"},
		},
		Rejects:      []check.Reject{{Record: 2, Line: 3, Column: "amount", Rule: "decimal", Value: new("x"), Expected: "at most 3 digits before the point and 2 after it, no exponent"}},
		ExtraColumns: []string{"more"}, AbsentColumns: []string{}, Unchecked: []string{"number:unique after record 3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestAbsentColumnsAreNull: a column that the file lacks is in the report, and has no
// value in a reject.
func TestAbsentColumnsAreNull(t *testing.T) {
	t.Parallel()
	got := run(t, orders, "o.csv", "shop;No.\nA;1\na;2\n", 10)
	if got.Outcome != work.Accepted || !slices.Equal(got.AbsentColumns, []string{"amount"}) || got.RowsGood != 1 {
		t.Errorf("%+v", got)
	}
	want := []check.Reject{{Record: 2, Line: 3, Column: "shop", Rule: "pattern", Value: new("a"), Expected: "the whole text matches [A-Z]+"}}
	if diff := cmp.Diff(want, got.Rejects); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
}

// TestRefusedFileHasCauseAndRejects: the report of a refused file has the cause, and
// the rejects before the refusal.
func TestRefusedFileHasCauseAndRejects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, content, code, cause string
		read, rejected                   int64
	}{
		{"too many rejects", "o.csv", "No.;amount;shop\nx;;\nx;;\nx;;\nx;;\n1;;\n", "too_many_rejects", "4 of 5 records", 5, 4},
		{"a broken quote", "o.csv", "No.;amount;shop\nx;;\n1;;\"a\"b\n", "bad_quoting", "record 2 (line 3)", 1, 1},
		{"a bad header", "o.csv", "amount;shop\n1;A\n", "bad_header", `"No."`, 0, 0},
		{"no good record", "o.csv", "No.;amount;shop\nx;;\nx;;\n", "no_good_row", "none of the 2 records", 2, 2},
		{"an empty file", "o.csv", "", "empty_object", "no header line", 0, 0},
		{"an unknown ending", "o.json", "No.;amount;shop\n", "unsupported_format", ".json", 0, 0},
		{"a bad compression", "o.csv.gz", "No.;amount;shop\n", "bad_compression", "", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, orders, test.file, test.content, 10)
			if got.Outcome != work.Refused || got.Clean() || got.Code != test.code || !strings.Contains(got.Cause, test.cause) || got.Hint == "" {
				t.Errorf("%s, %s: %s. %s", got.Outcome, got.Code, got.Cause, got.Hint)
			}
			if got.RowsRead != test.read || got.RowsRejected != test.rejected || int64(len(got.Rejects)) != test.rejected {
				t.Errorf("%d read, %d rejected, %d shown; want %d and %d", got.RowsRead, got.RowsRejected, len(got.Rejects), test.read, test.rejected)
			}
		})
	}
}

func TestUnreadableFileIsAnError(t *testing.T) {
	t.Parallel()
	c, err := check.Read(put(t, filepath.Join(t.TempDir(), "draft.yaml"), orders))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(t.TempDir(), "missing.csv"), t.TempDir()} {
		if report, err := (&check.Check{File: file, Contract: c, Now: time.Now}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %+v, error %v", file, report, err)
		}
	}
}

// TestFindUsesNearestFolderThenKeyPrefix looks in the folders above the file, then for
// a key prefix in the file's path.
func TestFindUsesNearestFolderThenKeyPrefix(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	datasets := filepath.Join(root, "datasets")
	order := put(t, filepath.Join(datasets, "shop/order", contract.FileName), orders)
	item := put(t, filepath.Join(datasets, "shop/item", contract.FileName),
		strings.ReplaceAll(strings.ReplaceAll(orders, "shop.order", "shop.item"), "- name: order", "- name: item"))
	tests := []struct{ name, file, want, fault string }{
		{"in the file's folder", "datasets/shop/order/o.csv", order, ""},
		{"in a folder above", "datasets/shop/order/2026/01/o.csv", order, ""},
		{"by the key prefix", "landing/shop/item/2026/o.csv", item, ""},
		{"another source with the same ending", "landing/myshop/order/o.csv", "", "name a contract with --contract"},
		{"none", "o.csv", "", "name a contract with --contract"},
		{"several", "shop/item/shop/order/o.csv", "", "2 contracts fit the path of "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := check.Find(filepath.Join(root, test.file), datasets)
			switch {
			case test.fault != "":
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("error %v, want %q", err, test.fault)
				}
			case err != nil:
				t.Error(err)
			case got.File != test.want:
				t.Errorf("found %s, want %s", got.File, test.want)
			}
		})
	}
}

func TestReadNamesThePath(t *testing.T) {
	t.Parallel()
	path := put(t, filepath.Join(t.TempDir(), "draft.yaml"), strings.ReplaceAll(orders, "logicalType: integer", "logicalType: intiger"))
	if _, err := check.Read(path); err == nil || !strings.HasPrefix(err.Error(), path+":16: schema[0].properties[0].logicalType: ") {
		t.Errorf("error %v", err)
	}
}
