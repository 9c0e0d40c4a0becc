package check

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
)

// Reject is a row that breaks a rule.
type Reject struct {
	// Record counts from 1, without header; Line is where it begins.
	Record int64 `json:"record"`
	Line   int64 `json:"line"`
	// Column is empty if the record as a whole breaks the rule.
	Column string `json:"column"`
	Rule   string `json:"rule"`
	// Value is the text of a CSV file's field, or what JSON says; the record, if
	// it breaks the rule as a whole. Nil if an NDJSON record has no such value.
	Value *string `json:"value"`
	// Expected says in words what the rule asks for.
	Expected string `json:"expected"`
}

// describe finds the value that broke the rule.
func (r *rejects) describe(record reader.Record, rule string) Reject {
	c := r.check.Contract
	name, kind := split(rule)
	reject := Reject{Record: record.Number, Line: record.Line, Column: name, Rule: kind, Expected: expectedBy(c, rule)}
	place := -1
	for i := range c.Columns {
		if c.Columns[i].Name == name {
			place = i
		}
	}
	if place >= 0 {
		reject.Value = r.values.of(record, place)
		return reject
	}
	whole := string(row.Legible(nil, record.Raw))
	reject.Value = &whole
	if rule == row.RuleColumns {
		reject.Expected = fmt.Sprintf("%s; here are %d", reject.Expected, len(record.Fields))
	}
	return reject
}

// split cuts a rule into its column, empty for a record's, and the rest.
func split(rule string) (column, kind string) {
	column, kind, _ = strings.Cut(rule, ":")
	if column == wholeRecord {
		return "", kind
	}
	return column, kind
}

const wholeRecord = "_row"

// values finds the value of a contract's column in a record; nil if there is none.
type values interface {
	of(record reader.Record, column int) *string
}

func valuesOf(c *Check) (values, error) {
	if c.Contract.Format == contract.NDJSON {
		return jsonMembers{row.NewDocument(c.Contract)}, nil
	}
	header, err := c.header()
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(header))
	for i, name := range header {
		at[name] = i
	}
	places := make(csvFields, len(c.Contract.Columns))
	for i, column := range c.Contract.Columns {
		places[i] = at[column.Header]
	}
	return places, nil
}

// header reads the file's header, which the engine has accepted.
func (c *Check) header() ([]string, error) {
	file, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	compression, err := reader.CompressionOf(c.File, c.Contract.Format)
	if err != nil {
		return nil, err
	}
	plain, err := reader.Open(file, compression, c.Contract.Encoding)
	if err != nil {
		return nil, err
	}
	return reader.NewCSV(plain, c.Contract.Delimiter).Header()
}

// csvFields are a CSV file's, by contract column.
type csvFields []int

func (f csvFields) of(record reader.Record, column int) *string {
	if f[column] >= len(record.Fields) {
		return nil
	}
	text := string(record.Fields[f[column]])
	return &text
}

// jsonMembers are those of NDJSON records.
type jsonMembers struct{ document *row.Document }

func (m jsonMembers) of(record reader.Record, column int) *string {
	found, broken := m.document.Values(record.Raw)
	if broken != "" || found[column].Kind == row.Null {
		return nil
	}
	text := string(found[column].Text)
	if found[column].Kind == row.JSONString {
		quoted, err := json.Marshal(text)
		if err != nil { // a string always has a JSON form
			panic(err)
		}
		text = string(quoted)
	}
	return &text
}
