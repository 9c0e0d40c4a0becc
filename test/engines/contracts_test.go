//go:build endtoend

package engines_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/firn-data/firn/internal/contract"
)

// pick returns a random value.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// oneIn returns true with a probability of 1/n.
func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

var columnTypes = []contract.Type{
	contract.String, contract.Integer, contract.Decimal, contract.Double, contract.Boolean,
	contract.Date, contract.Timestamp, contract.Time, contract.JSON,
}

// newContract returns a random contract with one to seven columns and random rules.
func newContract(r *rand.Rand) *contract.Contract {
	c := &contract.Contract{
		Version: "1.0.0", Source: "shop", Entity: "order", Format: contract.CSV, Delimiter: ',', Encoding: contract.UTF8,
		MaxRejectRatio: 1, MaxRejects: 10, MaxUnique: pick(r, int64(3), 10, contract.DefaultMaxUnique),
	}
	if oneIn(r, 4) {
		c.MaxRejectRatio, c.MaxRejects = pick(r, 0, 0.05, 0.4), pick(r, int64(0), 3)
	}
	if oneIn(r, 3) {
		c.Format = contract.NDJSON
	} else {
		c.Delimiter = pick(r, byte(','), ',', ';', '\t', '|')
		c.Encoding = pick(r, contract.UTF8, contract.UTF8, contract.Latin1, contract.Windows1252)
		c.NullValues = pick(r, nil, []string{"NA"}, []string{"-", "null"})
		c.QuotedNull = pick(r, contract.QuotedIsNull, contract.QuotedIsValue)
	}
	if oneIn(r, 10) {
		c.NewColumns = contract.RefuseNewColumns
	}
	for i := range 1 + r.IntN(7) {
		c.Columns = append(c.Columns, newColumn(r, i, c.Format))
	}
	return c
}

func newColumn(r *rand.Rand, i int, format contract.Format) contract.Column {
	name := fmt.Sprintf("c%d", i)
	column := contract.Column{Name: name, Header: name, Path: "/" + name, Type: pick(r, columnTypes...), Required: oneIn(r, 4)}
	if format == contract.CSV {
		column.Header = fmt.Sprintf(pick(r, "c%d", "c%d", "The %d", `a "b" %d`, "x,%d", "ä%d"), i)
	} else {
		column.Path = fmt.Sprintf(pick(r, "/c%d", "/c%d", "/o/x%d", "/l/%d", "/a~1b~0%d"), i)
		if i > 0 && oneIn(r, 12) && (column.Type == contract.String || column.Type == contract.JSON) {
			column.Path = ""
		}
	}
	column.Unique = column.Type != contract.JSON && oneIn(r, 5)
	addRules(r, &column)
	return column
}

var patterns = []string{
	`[A-Z]{2}[0-9]{2}`, `x+|y`, `.*`, `[^\s]+( [^\s]+)*`, `a.b`, `(?i)ab?c`, `\pL+`, `\w+\b.*`, `\d*$`, `[a-cä-ö]*`, `\Qa.b\E`,
}

func addRules(r *rand.Rand, c *contract.Column) {
	switch c.Type {
	case contract.String:
		addTextRules(r, c)
	case contract.Integer:
		addBounds(r, c, "-5", "0", "7", "100", "9223372036854775807", "-9223372036854775808")
	case contract.Decimal:
		c.Precision = pick(r, 1, 5, 9, 10, 18, 19, 30, 38)
		c.Scale = r.IntN(c.Precision + 1)
		addBounds(r, c, "-5.55", "0", "1.5", "0.001", "99999999999999999999", "1e2")
	case contract.Double:
		addBounds(r, c, "-5.55", "0", "0.1", "1e300")
	default: // no rules for the other types
	}
}

func addTextRules(r *rand.Rand, c *contract.Column) {
	if oneIn(r, 4) {
		minimum := r.IntN(4)
		c.MinLength = &minimum
	}
	if oneIn(r, 4) {
		maximum := 4 + r.IntN(30)
		c.MaxLength = &maximum
	}
	switch r.IntN(6) {
	case 0:
		c.Pattern = pick(r, patterns...)
	case 1:
		c.Enum = []string{"AB12", "x", "ä", "a b"}
	case 2:
		c.Format = pick(r, "email", "uuid", "uri", "hostname", "ipv4", "ipv6")
	}
}

func addBounds(r *rand.Rand, c *contract.Column, limits ...string) {
	switch r.IntN(6) {
	case 0:
		c.Minimum = pick(r, limits...)
	case 1:
		c.Maximum = pick(r, limits...)
	case 2:
		c.ExclusiveMinimum = pick(r, limits...)
	case 3:
		c.ExclusiveMaximum = pick(r, limits...)
	}
}
