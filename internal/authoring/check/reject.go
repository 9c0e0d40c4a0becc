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

// Reject is one rejected record with the first broken rule.
type Reject struct {
	// Record is the number of the record, from 1 and without the header. Line is the
	// record's first line, from 1.
	Record int64 `json:"record"`
	Line   int64 `json:"line"`
	// Column is empty for a rule of the whole record.
	Column string `json:"column"`
	Rule   string `json:"rule"`
	// Value is the text of a CSV field or the JSON of a value. For a rule of the whole
	// record, Value is the record. Nil if the record has no such value.
	Value *string `json:"value"`
	// Expected describes the values allowed by the rule.
	Expected string `json:"expected"`
}

// describe returns the reject of a record, with the value that broke the rule.
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
	text := string(row.Legible(nil, record.Raw))
	reject.Value = &text
	if rule == row.RuleColumns {
		reject.Expected = fmt.Sprintf("%s; the record has %d", reject.Expected, len(record.Fields))
	}
	return reject
}

// split splits a rule into the column and the kind. The column of a rule for whole
// records is empty.
func split(rule string) (column, kind string) {
	column, kind, _ = strings.Cut(rule, ":")
	if column == wholeRecord {
		return "", kind
	}
	return column, kind
}

const wholeRecord = "_row"

// values returns the value of a contract's column in a record; nil for a missing value.
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
		place, found := at[column.Header]
		if !found {
			place = absent
		}
		places[i] = place
	}
	return places, nil
}

// header reads the header of the CSV file. The engine has accepted the header before.
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

// absent is the index of a column that the file lacks.
const absent = -1

// csvFields has the field's index in a CSV record for each column of the contract, or
// absent.
type csvFields []int

func (f csvFields) of(record reader.Record, column int) *string {
	if f[column] == absent || f[column] >= len(record.Fields) {
		return nil
	}
	text := string(record.Fields[f[column]])
	return &text
}

// jsonMembers reads values from NDJSON records.
type jsonMembers struct{ document *row.Document }

func (m jsonMembers) of(record reader.Record, column int) *string {
	found, broken := m.document.Values(record.Raw)
	if broken != "" || found[column].Kind == row.Null {
		return nil
	}
	text := string(found[column].Text)
	if found[column].Kind == row.JSONString {
		quoted, err := json.Marshal(text)
		if err != nil { // every string has a JSON form
			panic(err)
		}
		text = string(quoted)
	}
	return &text
}
