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

// readCSV finds out how the file is written, then what its columns hold.
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
	for _, c := range s.columns {
		if !c.decide(s.nullValues, s.whole) {
			c.decided = contract.Column{Type: contract.String}
			s.notef("Column %q holds a character NUL, whose records would be rejected.", c.header)
		}
	}
	return nil
}

// observe shows every value of the sample to its column.
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

// nameColumns makes a column of every field of the header that can be named, and
// returns their places. A header that the engine refuses is an error.
func (s *sample) nameColumns(header []string) (places []int, err error) {
	if _, err := row.NewFields(header, &contract.Contract{}); err != nil {
		return nil, err
	}
	var candidates []string
	for i, name := range header {
		if name == "" || strings.ContainsAny(name, "\r\n") {
			s.notef("Column %d is left out: its header, %q, is no name.", i+1, name)
			continue
		}
		places = append(places, i)
		candidates = append(candidates, columnName(name))
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

// findNullValues takes a text for "no value" if it stands in a column whose
// other values are more than text. It then means that in every column.
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
		note := fmt.Sprintf("firn.nullValues has %s: it stands among the values of %s", strconv.Quote(text), firstNames(in))
		if len(texts) > 0 {
			note += ", and now means no value in the text of " + firstNames(texts) + " too"
		}
		s.notes = append(s.notes, note+".")
	}
}

// firstNames names at most a few of the names.
func firstNames(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
