// Package evolve changes the table of a dataset to what a newer version of its
// contract says, without losing a row: what Snowflake can't do in place, or
// what readers of the table would stumble over, is refused.
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
	// Type is as ddl.SQLType writes it: "number(38, 0)".
	Type string
}

// Table is a raw table as it stands, without the columns that firn adds, and
// the ledger beside it.
type Table struct {
	// Dataset is "<source>.<entity>".
	Dataset string
	// Contract is the version that the table was made from.
	Contract string
	Columns  []Column
	// Ledger is the columns of the ledger, by name.
	Ledger []string
}

// Of returns the table that a contract makes.
func Of(c *contract.Contract) Table {
	table := Table{Dataset: c.Dataset(), Contract: c.Version}
	for _, column := range c.Columns {
		table.Columns = append(table.Columns, Column{Name: column.Name, Type: ddl.SQLType(column)})
	}
	for _, column := range ddl.LedgerColumns() {
		table.Ledger = append(table.Ledger, column.Name)
	}
	return table
}

// Change is what leads from a table to a contract.
type Change struct {
	// Dataset is "<source>.<entity>".
	Dataset string `json:"dataset"`
	// From and To are contract versions.
	From string `json:"from"`
	To   string `json:"to"`
	// Steps are what is done to the table, in the contract's order of columns,
	// and then to the ledger.
	Steps []Step `json:"steps"`
	// Refusals are sentences that say what can't be done, why, and what to do;
	// with one of them nothing is done.
	Refusals []string `json:"refusals"`
}

// Step changes one column.
type Step struct {
	// Kind is Add or Widen.
	Kind   Kind   `json:"kind"`
	Column string `json:"column"`
	// From is the type that the table has; empty for a new column.
	From string `json:"from,omitempty"`
	// Type is the type that the contract says.
	Type string `json:"type"`
	// Ledger tells that the column is the ledger's, which has what this version
	// of firn writes, whatever the contract says.
	Ledger bool `json:"ledger,omitempty"`
	// Comment is the column's description in the contract.
	Comment string `json:"-"`
}

// Kind is what a step does.
type Kind string

const (
	// Add makes a new column, null in the rows that are there.
	Add Kind = "add"
	// Widen gives a number more digits.
	Widen Kind = "widen"
)

// String returns the step as a person reads it.
func (s Step) String() string {
	if s.Kind == Widen {
		return fmt.Sprintf("widen column %s from %s to %s", s.Column, s.From, s.Type)
	}
	if s.Ledger {
		return fmt.Sprintf("add column %s %s to the ledger", s.Column, s.Type)
	}
	return fmt.Sprintf("add column %s %s", s.Column, s.Type)
}

// IsNone reports whether the table is what the contract says.
func (c Change) IsNone() bool { return c.From == c.To && len(c.Steps) == 0 && len(c.Refusals) == 0 }

// refusal is the sentences as an error; nil if there are none.
func (c Change) refusal() error {
	if len(c.Refusals) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.Refusals, " "))
}

// Compare finds what leads from the table to the contract.
func Compare(table Table, c *contract.Contract) Change {
	change := Change{Dataset: table.Dataset, From: table.Contract, To: c.Version, Steps: []Step{}, Refusals: []string{}}
	for _, column := range c.Columns {
		change.compare(table.column(column.Name), column)
	}
	for _, column := range table.Columns {
		if c.Column(column.Name) == nil {
			change.refusef("column %s is in the table and not in contract %s: rows that are loaded would lose it. Leave it in the contract,"+
				" not required, or "+anew, column.Name, c.Version)
		}
	}
	change.compareVersions()
	change.compareLedger(table.Ledger)
	return change
}

// anew ends the sentences about what no change in place can do.
const anew = "make a dataset of its own for the new form, under another entity, and let readers move to it."

func (c *Change) compare(has *Column, wanted contract.Column) {
	kind := ddl.SQLType(wanted)
	switch {
	case has == nil && wanted.Required:
		c.refusef("column %s is new and required, and the rows that are loaded have no value for it. Let it be optional, or "+anew, wanted.Name)
	case has == nil:
		c.Steps = append(c.Steps, Step{Kind: Add, Column: wanted.Name, Type: kind, Comment: wanted.Description})
	case has.Type == kind:
	case isWider(kind, has.Type):
		c.Steps = append(c.Steps, Step{Kind: Widen, Column: wanted.Name, From: has.Type, Type: kind})
	default:
		c.refusef("column %s is %s in the table and %s in contract %s: Snowflake can't change that in place."+
			" Leave the type and add a column of another name, or "+anew, wanted.Name, has.Type, kind, c.To)
	}
}

func (c *Change) compareVersions() {
	switch order := semver.Compare("v"+c.To, "v"+c.From); {
	case order < 0:
		c.refusef("the table has contract %s, and this contract is %s: it is older. Take the newer contracts, or raise this one's version"+
			" if the table is to go on from it.", c.From, c.To)
	case order == 0 && len(c.Steps) > 0:
		c.refusef("the contract changes the table, and its version is still %s: receipts under both forms would look alike."+
			" Raise the version.", c.To)
	}
}

// compareLedger comes after the versions were compared: what an older version
// of firn made may lack columns under any contract.
func (c *Change) compareLedger(has []string) {
	for _, column := range ddl.LedgerColumns() {
		if !slices.Contains(has, column.Name) {
			c.Steps = append(c.Steps, Step{Kind: Add, Column: column.Name, Type: column.Type, Ledger: true})
		}
	}
}

func (c *Change) refusef(format string, args ...any) {
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

// isWider reports whether every value of the narrow type is one of the wide
// one, and Snowflake can change the one to the other: more digits with the same
// scale (docs.snowflake.com, sql-reference/sql/alter-table-column).
func isWider(wide, narrow string) bool {
	w, n := numberType.FindStringSubmatch(wide), numberType.FindStringSubmatch(narrow)
	if w == nil || n == nil || w[2] != n[2] {
		return false
	}
	more, _ := strconv.Atoi(w[1]) // digits, by the pattern
	less, _ := strconv.Atoi(n[1])
	return more > less
}

// Diff finds what leads from one contract to its next version: what Compare
// finds of the tables, and what only contracts can tell.
func Diff(from, to *contract.Contract) (Change, error) {
	change := Compare(Of(from), to)
	was, err := from.Portable()
	if err != nil {
		return Change{}, err
	}
	is, err := to.Portable()
	if err != nil {
		return Change{}, err
	}
	if from.Version == to.Version && len(change.Steps) == 0 && !bytes.Equal(was, is) {
		change.refusef("rows are judged by other rules than before, and the version is still %s. Raise the version.", to.Version)
	}
	if from.Version == to.Version && ddl.View(from) != ddl.View(to) && len(change.Steps) == 0 {
		change.refusef("other rows are the current ones than before, and the version is still %s. Raise the version.", to.Version)
	}
	change.compareMeaning(from, to)
	return change, nil
}

// compareMeaning finds what has no trace in a table and yet changes what it
// says.
func (c *Change) compareMeaning(from, to *contract.Contract) {
	if from.Dataset() != to.Dataset() {
		c.refusef("they are contracts of two datasets, %s and %s.", from.Dataset(), to.Dataset())
	}
	if was, is := keyOf(from), keyOf(to); was != is {
		c.refusef("the primary key was (%s) and is (%s): what joins on it, or takes the newest row of it, would change its meaning."+
			" Leave the key, or "+anew, was, is)
	}
	for _, column := range to.Columns {
		was := from.Column(column.Name)
		if was != nil && was.Type != column.Type && ddl.SQLType(*was) == ddl.SQLType(column) {
			c.refusef("column %s was %s and is %s: the table's type is the same, but readers would take the texts for what they aren't."+
				" Leave the type, or "+anew, column.Name, was.Type, column.Type)
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
