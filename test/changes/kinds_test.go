package changes_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/contract"
)

// verdict is the expected verdict for a kind of change.
type verdict int

const (
	// either: the verdict depends on the contract.
	either verdict = iota
	// compatible: files of both versions load under both versions.
	compatible
	// breaking: a file of one version doesn't load under the other version.
	breaking
)

// kind is one kind of change of a contract.
type kind struct {
	name   string
	format contract.Format // empty for both formats
	want   verdict
	// prepare changes the older contract, so that the change has an effect. Nil for
	// nothing.
	prepare func(*rapid.T, *contract.Contract)
	change  func(*rapid.T, *contract.Contract)
}

// target returns the column for a change: the column "x", which every contract has.
func target(c *contract.Contract) *contract.Column { return c.Column("x") }

// asType returns a function that gives the target a type, without rules.
func asType(column contract.Column) func(*rapid.T, *contract.Contract) {
	return func(_ *rapid.T, c *contract.Contract) {
		x := target(c)
		column.Name, column.Header, column.Path = x.Name, x.Header, x.Path
		*x = column
	}
}

func asText(t *rapid.T, c *contract.Contract) { asType(contract.Column{Type: contract.String})(t, c) }

func asPrice(t *rapid.T, c *contract.Contract) {
	asType(contract.Column{Type: contract.Decimal, Precision: 5, Scale: 2})(t, c)
}

func asNumber(t *rapid.T, c *contract.Contract) {
	asType(contract.Column{Type: contract.Integer})(t, c)
}

// onTarget returns a function that changes the target.
func onTarget(change func(*contract.Column)) func(*rapid.T, *contract.Contract) {
	return func(_ *rapid.T, c *contract.Contract) { change(target(c)) }
}

// and makes several changes.
func and(changes ...func(*rapid.T, *contract.Contract)) func(*rapid.T, *contract.Contract) {
	return func(t *rapid.T, c *contract.Contract) {
		for _, change := range changes {
			change(t, c)
		}
	}
}

func addColumn(column contract.Column) func(*rapid.T, *contract.Contract) {
	return func(t *rapid.T, c *contract.Contract) {
		if column.Header == "" {
			column.Header, column.Path = column.Name, "/"+column.Name
		}
		at := rapid.IntRange(0, len(c.Columns)).Draw(t, "place of the new column")
		c.Columns = slices.Insert(c.Columns, at, column)
	}
}

// withRequired makes the id required, so that every file has a known column.
func withRequired(_ *rapid.T, c *contract.Contract) { c.Column("id").Required = true }

func withoutRequired(_ *rapid.T, c *contract.Contract) {
	for i := range c.Columns {
		c.Columns[i].Required, c.Columns[i].PrimaryKey = false, 0
	}
}

var kinds = []kind{
	{name: "nothing", want: compatible, change: and()},
	{name: "descriptions", want: compatible, change: func(_ *rapid.T, c *contract.Contract) {
		c.Description, target(c).Description = "Another text.", "Another text."
	}},
	{name: "order of the columns", want: compatible, change: func(t *rapid.T, c *contract.Contract) {
		c.Columns = rapid.Permutation(c.Columns).Draw(t, "columns")
	}},
	{name: "settings", want: compatible, change: func(_ *rapid.T, c *contract.Contract) {
		c.MaxRejects, c.MaxRejectRatio, c.LoadEvery, c.Engine = 0, 0, time.Hour, contract.GlueEngine
		c.DuplicateContent, c.OnDelete, c.Mode, c.OrderBy = contract.RefuseDuplicate, contract.KeepOnDelete, contract.Merge, []string{"id"}
	}},

	{name: "new optional column", want: compatible, prepare: withRequired, change: addColumn(contract.Column{Name: "y", Type: contract.Integer, Minimum: "1"})},
	{name: "new optional column without a required column", want: breaking, format: contract.CSV, prepare: withoutRequired, change: addColumn(contract.Column{Name: "y", Type: contract.Date})},
	{name: "new required column", want: breaking, change: addColumn(contract.Column{Name: "y", Type: contract.String, Required: true})},
	{name: "dropped column", want: breaking, change: func(_ *rapid.T, c *contract.Contract) {
		c.Columns = slices.DeleteFunc(c.Columns, func(column contract.Column) bool { return column.Name == "x" })
	}},
	{name: "another name of a column", want: breaking, change: onTarget(func(x *contract.Column) { x.Name = "y" })},
	{name: "another header", want: breaking, format: contract.CSV, change: onTarget(func(x *contract.Column) { x.Header = "The X" })},
	{name: "another path", want: breaking, format: contract.NDJSON, change: onTarget(func(x *contract.Column) { x.Path = "/the/x" })},
	{name: "exchanged headers", want: breaking, change: func(_ *rapid.T, c *contract.Contract) {
		x, id := target(c), c.Column("id")
		x.Header, x.Path, id.Header, id.Path = id.Header, id.Path, x.Header, x.Path
	}},
	{
		name: "column inside an object", want: breaking, format: contract.NDJSON,
		prepare: and(withRequired, asType(contract.Column{Type: contract.JSON})),
		change:  addColumn(contract.Column{Name: "y", Type: contract.Integer, Header: "y", Path: "/x/a"}),
	},
	{
		name: "structure around a column", want: compatible, format: contract.NDJSON,
		prepare: and(withRequired, onTarget(func(x *contract.Column) { x.Path = "/o/x" })),
		change:  addColumn(contract.Column{Name: "y", Type: contract.JSON, Header: "y", Path: "/o"}),
	},
	{
		name: "text around a column", want: breaking, format: contract.NDJSON,
		prepare: and(withRequired, onTarget(func(x *contract.Column) { x.Path = "/o/x" })),
		change:  addColumn(contract.Column{Name: "y", Type: contract.String, Header: "y", Path: "/o"}),
	},
	{
		name: "column with the whole record", want: compatible, format: contract.NDJSON, prepare: withRequired,
		change: addColumn(contract.Column{Name: "y", Type: contract.JSON, Header: "y", Path: ""}),
	},

	{name: "more digits", want: breaking, prepare: asPrice, change: onTarget(func(x *contract.Column) { x.Precision = 7 })},
	{name: "fewer digits", want: breaking, prepare: asPrice, change: onTarget(func(x *contract.Column) { x.Precision = 4 })},
	{name: "another scale", want: breaking, prepare: asPrice, change: onTarget(func(x *contract.Column) { x.Precision, x.Scale = 7, 4 })},
	{name: "another type", want: breaking, change: func(t *rapid.T, c *contract.Contract) {
		x := target(c)
		other := rapid.SampledFrom([]contract.Type{contract.String, contract.Integer, contract.Double, contract.Boolean, contract.Date, contract.Timestamp, contract.Time}).
			Filter(func(kind contract.Type) bool { return kind != x.Type }).Draw(t, "type")
		asType(contract.Column{Type: other})(t, c)
	}},
	{name: "text to structure", want: breaking, prepare: asText, change: onTarget(func(x *contract.Column) { x.Type = contract.JSON })},
	{
		name: "integer to decimal without a point", want: breaking, prepare: asNumber,
		change: onTarget(func(x *contract.Column) { x.Type, x.Precision = contract.Decimal, 38 }),
	},

	{name: "required", want: breaking, prepare: onTarget(func(x *contract.Column) { x.Required = false }), change: onTarget(func(x *contract.Column) { x.Required = true })},
	{name: "no longer required", want: breaking, prepare: onTarget(func(x *contract.Column) { x.Required = true }), change: onTarget(func(x *contract.Column) { x.Required = false })},
	{name: "unique", want: breaking, prepare: asNumber, change: onTarget(func(x *contract.Column) { x.Unique = true })},
	{name: "no longer unique", want: breaking, prepare: and(asNumber, onTarget(func(x *contract.Column) { x.Unique = true })), change: onTarget(func(x *contract.Column) { x.Unique = false })},
	{
		name: "more records checked for unique", want: breaking,
		prepare: and(asNumber, func(_ *rapid.T, c *contract.Contract) { target(c).Unique, c.MaxUnique = true, 1 }),
		change:  func(_ *rapid.T, c *contract.Contract) { c.MaxUnique = 1000 },
	},
	{name: "pattern", want: breaking, prepare: asText, change: onTarget(func(x *contract.Column) { x.Pattern = "[a-z]+" })},
	{name: "another pattern", want: breaking, prepare: and(asText, onTarget(func(x *contract.Column) { x.Pattern = "[a-z]+" })), change: onTarget(func(x *contract.Column) { x.Pattern = "[a-z0-9]+" })},
	{name: "format", want: breaking, prepare: asText, change: onTarget(func(x *contract.Column) { x.Format = "email" })},
	{name: "shortest length", want: breaking, prepare: asText, change: onTarget(func(x *contract.Column) { x.MinLength = new(2) })},
	{name: "greater shortest length", want: breaking, prepare: and(asText, onTarget(func(x *contract.Column) { x.MinLength = new(1) })), change: onTarget(func(x *contract.Column) { x.MinLength = new(3) })},
	{name: "a shortest length of 0", want: compatible, prepare: asText, change: onTarget(func(x *contract.Column) { x.MinLength = new(0) })},
	{name: "longest length", want: breaking, prepare: and(asText, onTarget(func(x *contract.Column) { x.MaxLength = new(3) })), change: onTarget(func(x *contract.Column) { x.MaxLength = new(4) })},
	{name: "minimum", want: breaking, prepare: asPrice, change: onTarget(func(x *contract.Column) { x.Minimum = "5" })},
	{name: "the same minimum in another spelling", want: compatible, prepare: and(asPrice, onTarget(func(x *contract.Column) { x.Minimum = "5" })), change: onTarget(func(x *contract.Column) { x.Minimum = "5.0" })},
	{name: "exclusive minimum", want: breaking, prepare: and(asNumber, onTarget(func(x *contract.Column) { x.Minimum = "5" })), change: onTarget(func(x *contract.Column) { x.Minimum, x.ExclusiveMinimum = "", "5" })},
	{name: "maximum", want: breaking, prepare: and(asNumber, onTarget(func(x *contract.Column) { x.Maximum = "6" })), change: onTarget(func(x *contract.Column) { x.Maximum = "5" })},
	{name: "maximum that becomes exclusive", want: breaking, prepare: and(asNumber, onTarget(func(x *contract.Column) { x.Maximum = "6" })), change: onTarget(func(x *contract.Column) { x.Maximum, x.ExclusiveMaximum = "", "6" })},
	{name: "exclusive maximum", want: breaking, prepare: and(asNumber, onTarget(func(x *contract.Column) { x.ExclusiveMaximum = "6" })), change: onTarget(func(x *contract.Column) { x.ExclusiveMaximum = "10" })},
	{
		name: "maximum of a double", want: breaking, prepare: asType(contract.Column{Type: contract.Double, Maximum: "5"}),
		change: onTarget(func(x *contract.Column) { x.Maximum = "1.5" }),
	},
	{name: "list of values", want: breaking, prepare: asText, change: onTarget(func(x *contract.Column) { x.Enum = []string{"a", "ab"} })},
	{name: "longer list of values", want: breaking, prepare: and(asText, onTarget(func(x *contract.Column) { x.Enum = []string{"a", "ab"} })), change: onTarget(func(x *contract.Column) { x.Enum = []string{"a", "ab", "abc"} })},
	{name: "another order of the list of values", want: compatible, prepare: and(asText, onTarget(func(x *contract.Column) { x.Enum = []string{"a", "ab"} })), change: onTarget(func(x *contract.Column) { x.Enum = []string{"ab", "a"} })},

	{name: "null text", want: breaking, format: contract.CSV, prepare: asText, change: func(_ *rapid.T, c *contract.Contract) { c.NullValues = append(slices.Clone(c.NullValues), "abc") }},
	{name: "order of the null texts", want: compatible, format: contract.CSV, prepare: func(_ *rapid.T, c *contract.Contract) { c.NullValues = []string{"NA", "-"} }, change: func(_ *rapid.T, c *contract.Contract) { c.NullValues = []string{"-", "NA"} }},
	{
		name: "quoted null texts", want: breaking, format: contract.CSV,
		prepare: func(t *rapid.T, c *contract.Contract) { asText(t, c); c.QuotedNull = contract.QuotedIsNull },
		change:  func(_ *rapid.T, c *contract.Contract) { c.QuotedNull = contract.QuotedIsValue },
	},
	{
		name: "delimiter", want: breaking, format: contract.CSV, prepare: func(_ *rapid.T, c *contract.Contract) { c.Delimiter = ',' },
		change: func(_ *rapid.T, c *contract.Contract) { c.Delimiter = ';' },
	},
	{
		name: "encoding", want: breaking, format: contract.CSV, prepare: asText,
		change: func(_ *rapid.T, c *contract.Contract) { c.Encoding = contract.Latin1 },
	},
	{name: "format of the files", want: breaking, format: contract.CSV, change: func(_ *rapid.T, c *contract.Contract) { c.Format = contract.NDJSON }},

	{name: "refusal of new columns", want: compatible, change: func(_ *rapid.T, c *contract.Contract) { c.NewColumns = contract.RefuseNewColumns }},
	{
		name: "new column beside the refusal of new columns", want: breaking,
		prepare: func(t *rapid.T, c *contract.Contract) { withRequired(t, c); c.NewColumns = contract.RefuseNewColumns },
		change:  addColumn(contract.Column{Name: "y", Type: contract.Integer}),
	},
	{
		name: "new column inside a known object beside the refusal of new columns", want: compatible, format: contract.NDJSON,
		prepare: func(t *rapid.T, c *contract.Contract) {
			withRequired(t, c)
			target(c).Path, c.NewColumns = "/o/x", contract.RefuseNewColumns
		},
		change: addColumn(contract.Column{Name: "y", Type: contract.Integer, Header: "y", Path: "/o/y"}),
	},

	{name: "prefix of the keys", want: breaking, change: func(_ *rapid.T, c *contract.Contract) { c.KeyPrefix = "shop/order/v2/" }},
	{name: "deliveries", want: either, change: func(_ *rapid.T, c *contract.Contract) {
		c.Mode, c.Delivery = contract.Snapshot, &contract.Delivery{Key: "orders_{delivery}"}
	}},
	{
		name: "form of the deliveries", want: breaking,
		prepare: func(_ *rapid.T, c *contract.Contract) {
			c.Mode, c.Delivery = contract.Snapshot, &contract.Delivery{Key: "orders_{delivery}"}
		},
		change: func(_ *rapid.T, c *contract.Contract) {
			c.Delivery = &contract.Delivery{Key: "o_{delivery}"}
		},
	},
}

// drawContract draws a contract with the columns id and x, and up to two others.
func drawContract(t *rapid.T, format contract.Format) *contract.Contract {
	if format == "" {
		format = rapid.SampledFrom([]contract.Format{contract.CSV, contract.NDJSON}).Draw(t, "format")
	}
	c := &contract.Contract{
		Source: "shop", Entity: "order", Version: "1.0.0", KeyPrefix: "shop/order/", Format: format, Encoding: contract.UTF8,
		Delimiter: rapid.SampledFrom([]byte{',', ';', '|'}).Draw(t, "delimiter"), MaxRejects: 10, MaxRejectRatio: 0.05, MaxUnique: contract.DefaultMaxUnique,
		NewColumns: contract.ReportNewColumns, QuotedNull: contract.QuotedIsNull, Mode: contract.Append,
	}
	if format == contract.CSV {
		c.NullValues = rapid.SampledFrom([][]string{nil, {"NA"}, {"-", "NA"}}).Draw(t, "null texts")
		c.QuotedNull = rapid.SampledFrom([]contract.QuotedNull{contract.QuotedIsNull, contract.QuotedIsValue}).Draw(t, "quoted null texts")
	}
	names := []string{"id", "x"}
	for i := range rapid.IntRange(0, 2).Draw(t, "other columns") {
		names = append(names, fmt.Sprintf("z%d", i))
	}
	for _, name := range names {
		c.Columns = append(c.Columns, drawColumn(t, name))
	}
	return c
}

func drawColumn(t *rapid.T, name string) contract.Column {
	column := contract.Column{
		Name: name, Header: name, Path: "/" + name,
		Type: rapid.SampledFrom([]contract.Type{
			contract.String, contract.Integer, contract.Decimal, contract.Double, contract.Boolean,
			contract.Date, contract.Timestamp, contract.Time, contract.JSON,
		}).Draw(t, "type of "+name),
		Required: rapid.Bool().Draw(t, name+" is required"),
		Unique:   rapid.IntRange(0, 4).Draw(t, name+" is unique") == 0,
	}
	isRuled := rapid.Bool().Draw(t, name+" has rules")
	switch column.Type {
	case contract.Decimal:
		column.Precision, column.Scale = 6, 2
		if isRuled {
			column.Minimum, column.ExclusiveMaximum = "0", "100"
		}
	case contract.Integer, contract.Double:
		if isRuled {
			column.ExclusiveMinimum, column.Maximum = "-1", "10"
		}
	case contract.String:
		if isRuled {
			column.MinLength, column.MaxLength = new(1), new(3)
		}
	default: // the other types have no such rules
	}
	return column
}

// clone returns a copy whose columns can be changed.
func clone(c *contract.Contract) *contract.Contract {
	copied := *c
	copied.Columns = slices.Clone(c.Columns)
	return &copied
}
