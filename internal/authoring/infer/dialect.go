package infer

import (
	"cmp"
	"context"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/engine/row"
	"github.com/firn-data/firn/internal/fault"
)

// lineCounts counts the lines of a file in one encoding.
type lineCounts struct {
	// invalid counts lines with invalid text. nonASCII counts valid lines with
	// characters beyond ASCII.
	invalid, nonASCII int64
	// badHeader means an invalid first line. The engine refuses such a file.
	badHeader bool
}

// findEncoding reads the whole file, because the engine would reject invalid lines
// after the sample too.
func (s *sample) findEncoding(ctx context.Context) error {
	utf8, err := s.linesIn(ctx, contract.UTF8)
	if err != nil || utf8.invalid == 0 {
		return err
	}
	if utf8.nonASCII >= utf8.invalid && !utf8.badHeader {
		s.notef("Lines with invalid UTF-8: %d. Lines with valid UTF-8 beyond ASCII: %d. Records with invalid UTF-8 would be rejected.", utf8.invalid, utf8.nonASCII)
		return nil
	}
	for _, encoding := range []contract.Encoding{contract.Windows1252, contract.Latin1} {
		lines, err := s.linesIn(ctx, encoding)
		if fault.Is(err, fault.BadEncoding) {
			break
		}
		if err != nil {
			return err
		}
		if lines.invalid == 0 {
			s.encoding = encoding
			s.notef("The file isn't UTF-8. firn.encoding is a guess, %s: check the letters with accents.", encoding)
			return nil
		}
	}
	s.notef("Lines with invalid UTF-8: %d. Records with invalid UTF-8 would be rejected.", utf8.invalid)
	return nil
}

func (s *sample) linesIn(ctx context.Context, encoding contract.Encoding) (lineCounts, error) {
	text, file, err := s.open(encoding)
	if err != nil {
		return lineCounts{}, err
	}
	defer file.Close()
	var found lineCounts
	all := &sample{Infer: &Infer{}}
	_, _, err = all.eachRecord(ctx, reader.NewNDJSON(text).Next, func(line reader.Record) {
		switch {
		case !row.ValidText(line.Raw):
			found.invalid++
			found.badHeader = found.badHeader || line.Number == 1
		case slices.ContainsFunc(line.Raw, func(b byte) bool { return b >= 0x80 }):
			found.nonASCII++
		}
	})
	return found, err
}

// delimiters are the delimiters allowed in a contract. The most common comes first.
const delimiters = ",;\t|:~^"

// maxMisfits is the largest share of misfits with a correct delimiter.
const maxMisfits = 0.1

// dialect is the result of one delimiter.
type dialect struct {
	delimiter byte
	columns   int
	// misfits is the share of records with another number of fields than the header.
	// badHeader means that the engine refuses the header.
	misfits   float64
	badHeader bool
}

// findDelimiter prefers delimiters with several columns and at most maxMisfits. Among
// these, a valid header comes first, then the fewest misfits, then the most columns.
// For a file of one column, findDelimiter takes the first delimiter without an effect.
func (s *sample) findDelimiter(ctx context.Context) error {
	best, err := s.bestDialect(ctx, func(d dialect) bool { return d.columns > 1 && d.misfits <= maxMisfits })
	if err == nil && best.delimiter == 0 {
		best, err = s.bestDialect(ctx, func(d dialect) bool { return d.columns == 1 })
	}
	if err != nil || best.delimiter == 0 {
		return err
	}
	if s.delimiter = best.delimiter; s.delimiter != ',' {
		s.notef("firn.delimiter is %q.", s.delimiter)
	}
	return nil
}

// bestDialect returns the best accepted dialect; the zero dialect without an accepted
// one. It ignores errors of the file, because the later read returns the same errors.
func (s *sample) bestDialect(ctx context.Context, accept func(dialect) bool) (dialect, error) {
	var dialects []dialect
	for i := range len(delimiters) {
		d, err := s.tryDelimiter(ctx, delimiters[i])
		if ctx.Err() != nil {
			return dialect{}, ctx.Err()
		}
		if err == nil && accept(d) {
			dialects = append(dialects, d)
		}
	}
	if len(dialects) == 0 {
		return dialect{}, nil
	}
	rank := map[bool]int{false: 0, true: 1}
	return slices.MinFunc(dialects, func(a, b dialect) int {
		return cmp.Or(rank[a.badHeader]-rank[b.badHeader], cmp.Compare(a.misfits, b.misfits), cmp.Compare(b.columns, a.columns))
	}), nil
}

func (s *sample) tryDelimiter(ctx context.Context, delimiter byte) (dialect, error) {
	lines, header, closeFile, err := s.lines(delimiter)
	if err != nil {
		return dialect{}, err
	}
	defer closeFile()
	d := dialect{delimiter: delimiter, columns: len(header)}
	_, err = row.NewFields(header, &contract.Contract{})
	d.badHeader = err != nil
	misfits := 0
	records, _, err := s.eachRecord(ctx, lines.Next, func(record reader.Record) {
		if len(record.Fields) != len(header) {
			misfits++
		}
	})
	if d.misfits = float64(misfits) / float64(max(records, 1)); d.badHeader && records == 0 {
		d.misfits = 1 // only the header supports this delimiter
	}
	return d, err
}

// lines opens the file as CSV and reads the header.
func (s *sample) lines(delimiter byte) (lines *reader.CSV, header []string, closeFile func(), err error) {
	text, file, err := s.open(s.encoding)
	if err != nil {
		return nil, nil, nil, err
	}
	closeFile = func() { _ = file.Close() } // opened for reading only
	lines = reader.NewCSV(text, delimiter)
	if header, err = lines.Header(); err != nil {
		closeFile()
		return nil, nil, nil, err
	}
	return lines, header, closeFile, nil
}
