// Package evolve changes the table of a dataset to a newer version of its contract,
// without losing a row. A change is refused if Snowflake can't make the change in
// place, or if readers of the table would get wrong results.
package evolve

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// Column is a column of a raw table.
type Column struct {
	// Name is lower case.
	Name string
	// Type has the form of ddl.SQLType, for example "number(38, 0)".
	Type string
	// collation is the collation of a text; empty for none.
	collation string
}

// Table is the state of a raw table and its ledger, without the columns that firn adds.
type Table struct {
	// Dataset is "<source>.<entity>".
	Dataset string
	// Contract is the contract version of the table.
	Contract string
	Columns  []Column
	// Ledger has the names of the ledger's columns.
	Ledger []string
}

// TableOf returns the table of a contract.
func TableOf(c *contract.Contract) Table {
	table := Table{Dataset: c.Dataset(), Contract: c.Version}
	for _, column := range c.Columns {
		table.Columns = append(table.Columns, Column{Name: column.Name, Type: ddl.SQLType(column)})
	}
	for _, column := range ddl.LedgerColumns() {
		table.Ledger = append(table.Ledger, column.Name)
	}
	return table
}

// Change is the difference between a table and a contract.
type Change struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// From and To are contract versions.
	From string `json:"from"`
	To   string `json:"to"`
	// Steps are the changes of the table in the contract's column order, then the
	// changes of the ledger.
	Steps []Step `json:"steps"`
	// Refusals are sentences that explain why the change is refused, with advice. With
	// a refusal, no step is made.
	Refusals []string `json:"refusals"`
	// View is the change of the view of the current rows; empty for none.
	View ViewChange `json:"-"`
}

// ViewChange is a change of the view of a dataset's current rows.
type ViewChange string

const (
	// CreateView makes a missing view.
	CreateView ViewChange = "create"
	// ReplaceView replaces a view with another definition.
	ReplaceView ViewChange = "replace"
	// DropView drops the view of a dataset in mode append.
	DropView ViewChange = "drop"
)

// Step changes one column.
type Step struct {
	// Kind is Add or Widen.
	Kind   Kind   `json:"kind"`
	Column string `json:"column"`
	// From is the table's type; empty for a new column.
	From string `json:"from,omitempty"`
	// Type is the contract's type.
	Type string `json:"type"`
	// Ledger reports whether the column belongs to the ledger. The ledger's columns
	// depend on the version of firn, not on the contract.
	Ledger bool `json:"ledger,omitempty"`
	// Comment is the column's description in the contract.
	Comment string `json:"-"`
}

// Kind is the kind of a step.
type Kind string

const (
	// Add makes a new column, null in existing rows.
	Add Kind = "add"
	// Widen gives a number more digits.
	Widen Kind = "widen"
)

// String describes the step for people.
func (s Step) String() string {
	if s.Kind == Widen {
		return fmt.Sprintf("widen column %s from %s to %s", s.Column, s.From, s.Type)
	}
	if s.Ledger {
		return fmt.Sprintf("add column %s %s to the ledger", s.Column, s.Type)
	}
	return fmt.Sprintf("add column %s %s", s.Column, s.Type)
}

// IsNone reports whether the table fits the contract.
func (c Change) IsNone() bool { return c.From == c.To && len(c.Steps) == 0 && len(c.Refusals) == 0 }

// refusalError returns the refusals as one error; nil without refusals.
func (c Change) refusalError() error {
	if len(c.Refusals) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.Refusals, " "))
}

// Compare returns the change from the table to the contract.
func Compare(table Table, c *contract.Contract) Change {
	change := Change{Dataset: table.Dataset, From: table.Contract, To: c.Version, Steps: []Step{}, Refusals: []string{}}
	for _, column := range c.Columns {
		change.compare(table.column(column.Name), column)
	}
	for _, column := range table.Columns {
		if c.Column(column.Name) == nil {
			change.addRefusalf("column %s is in the table and not in contract %s: loaded rows would lose their values."+
				" Keep the column in the contract as optional, or "+newDatasetAdvice, column.Name, c.Version)
		}
	}
	change.compareVersions()
	change.compareLedger(table.Ledger)
	return change
}

// newDatasetAdvice is the last sentence of each refusal of a change that Snowflake
// can't make in place.
const newDatasetAdvice = "make a new dataset under another entity name, and move the readers to the new dataset."

func (c *Change) compare(existing *Column, wanted contract.Column) {
	kind := ddl.SQLType(wanted)
	switch {
	case existing == nil && wanted.Required:
		c.addRefusalf("column %s is new and required, but loaded rows have no value for the column. Make the column optional, or "+newDatasetAdvice, wanted.Name)
	case existing == nil:
		c.Steps = append(c.Steps, Step{Kind: Add, Column: wanted.Name, Type: kind, Comment: wanted.Description})
	case existing.Type == kind:
	case isWider(kind, existing.Type):
		c.Steps = append(c.Steps, Step{Kind: Widen, Column: wanted.Name, From: existing.Type, Type: kind})
	default:
		c.addRefusalf("column %s is %s in the table and %s in contract %s: Snowflake can't change the type in place."+
			" Keep the type and add a column with another name, or "+newDatasetAdvice, wanted.Name, existing.Type, kind, c.To)
	}
}

func (c *Change) compareVersions() {
	switch order := semver.Compare("v"+c.To, "v"+c.From); {
	case order < 0:
		c.addRefusalf("the table has contract %s, and this contract is older: %s. Run with the newer contracts."+
			" To use this contract, raise its version.", c.From, c.To)
	case order == 0 && len(c.Steps) > 0:
		c.addRefusalf("the contract changes the table, and the version is still %s: receipts of both forms would have the same version."+
			" Raise the version.", c.To)
	}
}

// compareLedger adds steps for missing ledger columns. Call compareLedger after
// compareVersions: a ledger of an older firn may lack columns under the same contract
// version.
func (c *Change) compareLedger(existing []string) {
	for _, column := range ddl.LedgerColumns() {
		if !slices.Contains(existing, column.Name) {
			c.Steps = append(c.Steps, Step{Kind: Add, Column: column.Name, Type: column.Type, Ledger: true})
		}
	}
}

// keyColumns returns the table's columns of the contract's primary key.
func keyColumns(table Table, c *contract.Contract) []Column {
	var keys []Column
	for _, key := range c.PrimaryKeyColumns() {
		if column := table.column(key.Name); column != nil {
			keys = append(keys, *column)
		}
	}
	return keys
}

// refuseCollations refuses key columns that don't compare texts by their bytes: with
// the collation en-ci, the keys a.csv and A.csv are one key. Snowflake can't change the
// collation of a column (docs.snowflake.com, sql-reference/collation).
func (c *Change) refuseCollations(table string, columns []Column) {
	var found []string
	for _, column := range columns {
		switch strings.ToLower(column.collation) {
		case "", "utf8", "bin":
		default:
			found = append(found, column.Name+" ("+column.collation+")")
		}
	}
	if len(found) > 0 {
		c.addRefusalf("columns of the %s have a collation: %s. Two keys that differ only in case would be one key."+
			" Copy the %[1]s to a table without collations, and give the copy the name of the %[1]s.", table, strings.Join(found, ", "))
	}
}

func (c *Change) addRefusalf(format string, args ...any) {
	c.Refusals = append(c.Refusals, fmt.Sprintf(format, args...))
}

func (t Table) column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

var numberType = regexp.MustCompile(`^number\(([0-9]+), ([0-9]+)\)$`)

// isWider reports whether Snowflake can change the narrow type to the wide type without
// losing a value: more digits with the same scale (docs.snowflake.com,
// sql-reference/sql/alter-table-column).
func isWider(wide, narrow string) bool {
	w, n := numberType.FindStringSubmatch(wide), numberType.FindStringSubmatch(narrow)
	if w == nil || n == nil || w[2] != n[2] {
		return false
	}
	more, _ := strconv.Atoi(w[1]) // the pattern allows only digits
	less, _ := strconv.Atoi(n[1])
	return more > less
}

// Diff returns the difference between a contract and its next version. In addition to
// Compare, Diff refuses changes that only show in the contracts, and judges files.
func Diff(from, to *contract.Contract) (Difference, error) {
	change := Compare(TableOf(from), to)
	before, err := from.Portable()
	if err != nil {
		return Difference{}, err
	}
	after, err := to.Portable()
	if err != nil {
		return Difference{}, err
	}
	if from.Version == to.Version && len(change.Steps) == 0 && !bytes.Equal(before, after) {
		change.addRefusalf("the rules for rows changed, and the version is still %s. Raise the version.", to.Version)
	}
	if from.Version == to.Version && (ddl.View(from) != ddl.View(to) || from.HoldBelow != to.HoldBelow) && len(change.Steps) == 0 {
		change.addRefusalf("the choice of current rows changed, and the version is still %s. Raise the version.", to.Version)
	}
	change.compareMeaning(from, to)
	return newDifference(change, from, to), nil
}

// compareMeaning refuses changes that alter the meaning of the rows but not the table's
// columns.
func (c *Change) compareMeaning(from, to *contract.Contract) {
	if from.Dataset() != to.Dataset() {
		c.addRefusalf("these are contracts of two datasets, %s and %s.", from.Dataset(), to.Dataset())
	}
	if before, after := keyOf(from), keyOf(to); before != after {
		c.addRefusalf("the primary key was (%s) and is (%s): joins on the key and the newest row of each key would change."+
			" Keep the key, or "+newDatasetAdvice, before, after)
	}
	for _, column := range to.Columns {
		before := from.Column(column.Name)
		if before != nil && before.Type != column.Type && ddl.SQLType(*before) == ddl.SQLType(column) {
			c.addRefusalf("column %s was %s and is %s: the table's type is the same, but readers would misread the texts."+
				" Keep the type, or "+newDatasetAdvice, column.Name, before.Type, column.Type)
		}
	}
}

func keyOf(c *contract.Contract) string {
	var names []string
	for _, column := range c.PrimaryKeyColumns() {
		names = append(names, column.Name)
	}
	return strings.Join(names, ", ")
}
