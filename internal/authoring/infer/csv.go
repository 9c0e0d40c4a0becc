package infer

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
)

// readCSV finds the encoding, the delimiter, the columns, the null values and the
// types.
func (s *sample) readCSV(ctx context.Context) error {
	if err := s.findEncoding(ctx); err != nil {
		return err
	}
	if err := s.findDelimiter(ctx); err != nil {
		return err
	}
	if err := s.observe(ctx); err != nil {
		return err
	}
	s.findNullValues()
	s.noteQuotedNulls()
	for _, c := range s.columns {
		if !c.decide(s.nullValues, s.whole) {
			c.decided = contract.Column{Type: contract.String}
			s.notef("Column %q has the character NUL. Records with NUL would be rejected.", c.header)
		}
	}
	return nil
}

// observe passes every value of the sample to its column. It skips records with invalid
// text or a wrong number of fields.
func (s *sample) observe(ctx context.Context) error {
	lines, header, closeFile, err := s.lines(s.delimiter)
	if err != nil {
		return err
	}
	defer closeFile()
	places, err := s.nameColumns(header)
	if err != nil {
		return err
	}
	s.records, s.whole, err = s.eachRecord(ctx, lines.Next, func(record reader.Record) {
		switch {
		case !row.ValidText(record.Raw):
			s.unreadable[row.RuleUTF8]++
		case len(record.Fields) != len(header):
			s.unreadable[row.RuleColumns]++
		default:
			for i, place := range places {
				s.columns[i].observe(textOf(record.Fields[place]))
				s.columns[i].observeQuotes(record.Fields[place], record.Quoted[place])
			}
		}
	})
	return err
}

func textOf(field []byte) row.Value {
	if len(field) == 0 {
		return row.Value{}
	}
	return row.Value{Kind: row.Text, Text: field}
}

// nameColumns makes a column for every field of the header with a usable name. It
// returns the indexes of these fields. A header refused by the engine is an error.
func (s *sample) nameColumns(header []string) (places []int, err error) {
	if _, err := row.NewFields(header, &contract.Contract{}); err != nil {
		return nil, err
	}
	var candidates []string
	for i, name := range header {
		if name == "" || strings.ContainsAny(name, "\r\n") {
			s.notef("Column %d is left out: the header %q is not a valid name.", i+1, name)
			continue
		}
		places = append(places, i)
		candidates = append(candidates, contract.SuggestName(name))
	}
	if len(places) == 0 {
		return nil, fault.Permanentf("read header", fault.BadHeader, "no column has a name")
	}
	names, err := s.validNames(candidates)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		c := newColumn(names[i])
		c.header = header[place]
		s.columns = append(s.columns, c)
	}
	return places, nil
}

// findNullValues adds a text to the null values if a column has this text among
// numbers, dates or other typed values. The text then means no value in every column.
func (s *sample) findNullValues() {
	for _, text := range nullTexts {
		in, texts := []string{}, []string{}
		for _, c := range s.columns {
			switch {
			case c.nulls[text] == 0:
			case c.hasType():
				in = append(in, c.name)
			case c.guess.values > 0:
				texts = append(texts, c.name)
			}
		}
		if len(in) == 0 {
			continue
		}
		s.nullValues = append(s.nullValues, text)
		note := fmt.Sprintf("firn.nullValues has %s, found among the values of %s", strconv.Quote(text), firstNames(in))
		if len(texts) > 0 {
			note += ". In the text of " + firstNames(texts) + ", " + strconv.Quote(text) + " now means no value too"
		}
		s.notes = append(s.notes, note+".")
	}
}

// noteQuotedNulls adds a note if the file has both quoted and unquoted null texts: the
// source may distinguish the empty text from a missing value.
func (s *sample) noteQuotedNulls() {
	var in []string
	unquoted := false
	for _, c := range s.columns {
		quoted := false
		for _, text := range append([]string{""}, s.nullValues...) {
			quoted = quoted || c.nullsInQuotes[text] > 0
			unquoted = unquoted || c.nullsWithoutQuotes[text] > 0
		}
		if quoted {
			in = append(in, c.name)
		}
	}
	if len(in) > 0 && unquoted {
		s.notef("Quoted empty fields or quoted null values are in %s, and mean no value too. With firn.quotedNull: value they would be texts.", firstNames(in))
	}
}

// firstNames lists at most 5 names and counts the others.
func firstNames(names []string) string {
	const limit = 5
	if len(names) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
	}
	return strings.Join(names, ", ")
}
