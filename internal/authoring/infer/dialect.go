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

// lineCounts counts a file's lines in one encoding.
type lineCounts struct {
	// bad lines aren't text, wide ones are and have characters beyond ASCII.
	bad, wide int64
	// badHeader says that the first line is bad, which refuses the file.
	badHeader bool
}

// findEncoding reads the whole file, for one line beyond the sample would be
// rejected, too.
func (s *sample) findEncoding(ctx context.Context) error {
	utf8, err := s.linesIn(ctx, contract.UTF8)
	if err != nil || utf8.bad == 0 {
		return err
	}
	if utf8.wide >= utf8.bad && !utf8.badHeader {
		s.notef("Lines that aren't UTF-8: %d; lines that are, with letters beyond ASCII: %d. The former's records would be rejected.", utf8.bad, utf8.wide)
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
		if lines.bad == 0 {
			s.encoding = encoding
			s.notef("The file isn't UTF-8; firn.encoding is guessed to be %s: look whether names with accents are right.", encoding)
			return nil
		}
	}
	s.notef("Lines that aren't UTF-8: %d. Their records would be rejected.", utf8.bad)
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
			found.bad++
			found.badHeader = found.badHeader || line.Number == 1
		case slices.ContainsFunc(line.Raw, func(b byte) bool { return b >= 0x80 }):
			found.wide++
		}
	})
	return found, err
}

// delimiters are those that a contract may name, the most usual first.
const delimiters = ",;\t|:~^"

// maxMisfits is the share of records that may have another number of fields than
// the header before the delimiter is taken for a wrong one.
const maxMisfits = 0.1

// dialect is what a delimiter makes of the file.
type dialect struct {
	delimiter byte
	columns   int
	// misfits is the share of records with another number of fields than the
	// header's; unsound says that the engine refuses the header.
	misfits float64
	unsound bool
}

// findDelimiter takes the one that cuts the header into more than one field and
// the records into as many; of several, the one that fits most records, then the
// one that cuts most. A file of one column has the first that cuts nothing.
func (s *sample) findDelimiter(ctx context.Context) error {
	best, err := s.bestDialect(ctx, func(c dialect) bool { return c.columns > 1 && c.misfits <= maxMisfits })
	if err == nil && best.delimiter == 0 {
		best, err = s.bestDialect(ctx, func(c dialect) bool { return c.columns == 1 })
	}
	if err != nil || best.delimiter == 0 {
		return err
	}
	if s.delimiter = best.delimiter; s.delimiter != ',' {
		s.notef("firn.delimiter is %q.", s.delimiter)
	}
	return nil
}

// bestDialect returns the best of those that may be taken; the zero cut if none may.
// What is wrong with the file itself is found again by who reads it in the end.
func (s *sample) bestDialect(ctx context.Context, may func(dialect) bool) (dialect, error) {
	var cuts []dialect
	for i := range len(delimiters) {
		c, err := s.tryDelimiter(ctx, delimiters[i])
		if ctx.Err() != nil {
			return dialect{}, ctx.Err()
		}
		if err == nil && may(c) {
			cuts = append(cuts, c)
		}
	}
	if len(cuts) == 0 {
		return dialect{}, nil
	}
	rank := map[bool]int{false: 0, true: 1}
	return slices.MinFunc(cuts, func(a, b dialect) int {
		return cmp.Or(rank[a.unsound]-rank[b.unsound], cmp.Compare(a.misfits, b.misfits), cmp.Compare(b.columns, a.columns))
	}), nil
}

func (s *sample) tryDelimiter(ctx context.Context, delimiter byte) (dialect, error) {
	lines, header, closeFile, err := s.lines(delimiter)
	if err != nil {
		return dialect{}, err
	}
	defer closeFile()
	c := dialect{delimiter: delimiter, columns: len(header)}
	_, err = row.NewFields(header, &contract.Contract{})
	c.unsound = err != nil
	misfits := 0
	records, _, err := s.eachRecord(ctx, lines.Next, func(record reader.Record) {
		if len(record.Fields) != len(header) {
			misfits++
		}
	})
	if c.misfits = float64(misfits) / float64(max(records, 1)); c.unsound && records == 0 {
		c.misfits = 1 // nothing but the header speaks for it
	}
	return c, err
}

// lines begins to read the file as CSV.
func (s *sample) lines(delimiter byte) (lines *reader.CSV, header []string, closeFile func(), err error) {
	text, file, err := s.open(s.encoding)
	if err != nil {
		return nil, nil, nil, err
	}
	closeFile = func() { _ = file.Close() } // it was only read
	lines = reader.NewCSV(text, delimiter)
	if header, err = lines.Header(); err != nil {
		closeFile()
		return nil, nil, nil, err
	}
	return lines, header, closeFile, nil
}
