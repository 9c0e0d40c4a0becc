package evolve_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/evolve"
)

// orders returns a contract of shop.order with the columns.
func orders(version string, columns ...contract.Column) *contract.Contract {
	return &contract.Contract{Source: "shop", Entity: "order", Version: version, Columns: columns}
}

var (
	id        = contract.Column{Name: "id", Type: contract.Integer, Required: true, PrimaryKey: 1}
	name      = contract.Column{Name: "name", Type: contract.String}
	price     = contract.Column{Name: "price", Type: contract.Decimal, Precision: 9, Scale: 2}
	widePrice = contract.Column{Name: "price", Type: contract.Decimal, Precision: 12, Scale: 2}
	exact     = contract.Column{Name: "price", Type: contract.Decimal, Precision: 12, Scale: 4}
	paidAt    = contract.Column{Name: "paid_at", Type: contract.Timestamp, Description: "When it's paid."}
	required  = contract.Column{Name: "paid_at", Type: contract.Timestamp, Required: true}
)

func TestCompare(t *testing.T) {
	t.Parallel()
	table := evolve.TableOf(orders("1.0.0", id, name, price))
	tests := []struct {
		name     string
		contract *contract.Contract
		steps    string
		refusal  string
	}{
		{"same contract", orders("1.0.0", id, name, price), "", ""},
		{"another order of columns", orders("1.0.0", price, name, id), "", ""},
		{"a new version alone", orders("1.0.1", id, name, price), "", ""},
		{"an optional column", orders("1.1.0", id, paidAt, name, price), "add column paid_at timestamp_ltz", ""},
		{"more digits", orders("1.1.0", id, name, widePrice), "widen column price from number(9, 2) to number(12, 2)", ""},
		{"more digits and an optional column", orders("1.1.0", id, name, widePrice, paidAt), "widen column price from number(9, 2) to number(12, 2); add column paid_at timestamp_ltz", ""},
		{"a required column", orders("1.1.0", id, name, price, required), "", "column paid_at is new and required"},
		{"another scale", orders("1.1.0", id, name, exact), "", "column price is number(9, 2) in the table and number(12, 4)"},
		{"fewer digits", orders("1.1.0", id, name, contract.Column{Name: "price", Type: contract.Decimal, Precision: 8, Scale: 2}), "", "number(8, 2)"},
		{"another type", orders("1.1.0", id, contract.Column{Name: "name", Type: contract.Integer}, price), "", "column name is varchar in the table and number(38, 0)"},
		{"a missing column", orders("1.1.0", id, price), "", "column name is in the table and not in contract 1.1.0"},
		{"an older contract", orders("0.9.0", id, name, price), "", "this contract is older"},
		{"a change under the same version", orders("1.0.0", id, name, price, paidAt), "add column paid_at timestamp_ltz", "Raise the version"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := evolve.Compare(table, test.contract)
			var steps []string
			for _, step := range got.Steps {
				steps = append(steps, step.String())
			}
			if diff := cmp.Diff(test.steps, strings.Join(steps, "; ")); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if refused := strings.Join(got.Refusals, "\n"); !strings.Contains(refused, test.refusal) || (test.refusal == "") != (refused == "") {
				t.Errorf("refusals %q, want one with %q", refused, test.refusal)
			}
			if want := test.steps == "" && test.refusal == "" && test.contract.Version == "1.0.0"; got.IsNone() != want {
				t.Errorf("IsNone %t, want %t", got.IsNone(), want)
			}
		})
	}
}

// TestCompareAddsMissingLedgerColumns checks that a ledger of an older firn gets its
// missing columns, under the same contract version.
func TestCompareAddsMissingLedgerColumns(t *testing.T) {
	t.Parallel()
	table := evolve.TableOf(orders("1.0.0", id))
	table.Ledger = slices.DeleteFunc(table.Ledger, func(name string) bool { return name == "bytes" || name == "duplicate_of" })
	got := evolve.Compare(table, orders("1.0.0", id))
	want := []string{"add column bytes number(38, 0) to the ledger", "add column duplicate_of varchar to the ledger"}
	var steps []string
	for _, step := range got.Steps {
		steps = append(steps, step.String())
	}
	if diff := cmp.Diff(want, steps); diff != "" || len(got.Refusals) > 0 || got.IsNone() {
		t.Errorf("refusals %q, IsNone %t, steps (-want +got):\n%s", got.Refusals, got.IsNone(), diff)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	old := orders("1.0.0", id, name, price)
	pattern := name
	pattern.Pattern = "[a-z]+"
	structure := name
	structure.Type = contract.JSON
	second := price
	second.PrimaryKey, second.Required = 2, true
	other := orders("1.1.0", id, name, price)
	other.Entity = "return"
	snapshot := orders("1.0.0", id, name, price)
	snapshot.Mode, snapshot.Delivery, snapshot.HoldBelow = contract.Snapshot, &contract.Delivery{Key: "{delivery}.csv"}, 0.5
	merged, laterMerged := orders("1.0.0", id, name, price), orders("1.1.0", id, name, price)
	merged.Mode, laterMerged.Mode = contract.Merge, contract.Merge
	tests := []struct {
		name    string
		to      *contract.Contract
		refusal string
	}{
		{"same contract", orders("1.0.0", id, name, price), ""},
		{"a new rule with a new version", orders("1.0.1", id, pattern, price), ""},
		{"a new rule with the same version", orders("1.0.0", id, pattern, price), "the rules for rows changed"},
		{"a string changed to JSON", orders("1.1.0", id, structure, price), "column name was string and is json"},
		{"another mode with a new version", laterMerged, ""},
		{"another mode with the same version", merged, "the choice of current rows changed"},
		{"snapshot with the same version", snapshot, "the choice of current rows changed"},
		{"another key", orders("1.1.0", id, name, second), "the primary key was (id) and is (id, price)"},
		{"another dataset", other, "contracts of two datasets, shop.order and shop.return"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := evolve.Diff(old, test.to)
			if err != nil {
				t.Fatal(err)
			}
			if refused := strings.Join(got.Refusals, "\n"); !strings.Contains(refused, test.refusal) || (test.refusal == "") != (refused == "") {
				t.Errorf("refusals %q, want one with %q", refused, test.refusal)
			}
		})
	}
}

// TestDiffOfFiles compares the sentences about files. The package test/changes runs the
// files of every kind of change.
func TestDiffOfFiles(t *testing.T) {
	t.Parallel()
	old := orders("1.0.0", id, name, price)
	for i := range old.Columns {
		old.Columns[i].Header = old.Columns[i].Name
	}
	old.Format, old.KeyPrefix = contract.CSV, "shop/order/"
	tests := []struct {
		name         string
		change       func(*contract.Contract)
		older, newer string
	}{
		{"nothing", func(*contract.Contract) {}, "", ""},
		{"optional column", func(c *contract.Contract) {
			c.Columns = append(c.Columns, contract.Column{Name: "note", Header: "note", Type: contract.String})
		}, "", ""},
		{
			"stricter rule", func(c *contract.Contract) { c.Columns[1].Pattern = "[a-z]+" },
			"column name: the pattern [a-z]+ of the new contract can reject a value.", "",
		},
		{
			"looser rule", func(c *contract.Contract) { c.Columns[0].Required = false },
			"", "column id: the rule required of the old contract can reject a value.",
		},
		{
			"more digits", func(c *contract.Contract) { c.Columns[2].Precision = 12 },
			"", "column price: the type decimal(9,2) of the old contract can reject a value.",
		},
		{
			"header", func(c *contract.Contract) { c.Columns[1].Header = "Name" },
			`column name: the values are at "name" in the file, and the new contract reads "Name".`,
			`column name: the values are at "Name" in the file, and the old contract reads "name".`,
		},
		{
			"null text", func(c *contract.Contract) { c.NullValues = []string{"NA"} },
			`the list of null texts is "" in the file, and "NA" in the new contract.`,
			`the list of null texts is "NA" in the file, and "" in the old contract.`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			to := *old
			to.Version, to.Columns = "1.1.0", slices.Clone(old.Columns)
			test.change(&to)
			got, err := evolve.Diff(old, &to)
			if err != nil {
				t.Fatal(err)
			}
			if older := strings.Join(got.OlderFiles, " "); older != test.older {
				t.Errorf("older files: %q, want %q", older, test.older)
			}
			if newer := strings.Join(got.NewerFiles, " "); newer != test.newer {
				t.Errorf("newer files: %q, want %q", newer, test.newer)
			}
			if want := test.older == "" && test.newer == ""; got.Compatible != want || len(got.Refusals) > 0 {
				t.Errorf("compatible is %t, want %t; refusals %q", got.Compatible, want, got.Refusals)
			}
		})
	}
}
