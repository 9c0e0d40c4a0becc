// Package infer drafts the contract of a dataset from a file. It tests every value with
// the engine's own columns, so that the file's values fit the draft. A person must
// review the draft.
package infer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/fault"
)

// DefaultRows is the default of Infer.Rows.
const DefaultRows = 100_000

// Infer drafts a contract for one file of a dataset without a contract.
type Infer struct {
	// File is the path of the file. The ending of the name gives format and
	// compression, as in a landing key.
	File string
	// Source and Entity name the dataset. Each is one word in lower case.
	Source, Entity string
	// Rows is the largest number of records to read; 0 means all.
	Rows int64
}

// Draft is a contract that a person must review.
type Draft struct {
	// Text is the contract's YAML file. Contract is the decoded Text.
	Text     []byte
	Contract *contract.Contract
	// Records is the number of records read. Whole means that the file has no more
	// records.
	Records int64
	Whole   bool
	// Notes are observations and decisions for the reviewer. Each note is a sentence.
	Notes []string
}

// Run reads the file and returns the draft. It returns errors of the disk, an invalid
// dataset name, and faults that refuse the file under any contract.
func (i *Infer) Run(ctx context.Context) (Draft, error) {
	if _, err := refusedNames(i.Source, i.Entity, nil); err != nil {
		return Draft{}, err
	}
	s := &sample{Infer: i, encoding: contract.UTF8, delimiter: ',', unreadable: make(map[string]int64)}
	if err := s.findFormat(); err != nil {
		return Draft{}, err
	}
	read := s.readCSV
	if s.format == contract.NDJSON {
		read = s.readNDJSON
	}
	if err := read(ctx); err != nil {
		return Draft{}, fmt.Errorf("infer a contract from %s: %w", i.File, err)
	}
	s.noteUnreadable()
	text, err := s.render()
	if err != nil {
		return Draft{}, err
	}
	c, err := contract.Read(contract.FileName, text)
	if err != nil {
		return Draft{}, fmt.Errorf("the contract inferred from %s is invalid, a bug in firn: %w", i.File, err)
	}
	return Draft{Text: text, Contract: c, Records: s.records, Whole: s.whole, Notes: s.notes}, nil
}

// sample has the observations of the file.
type sample struct {
	*Infer

	format      contract.Format
	compression reader.Compression
	encoding    contract.Encoding
	delimiter   byte
	nullValues  []string
	columns     []*column
	records     int64
	whole       bool
	// unreadable counts, by rule, the records that are rejected under any contract.
	unreadable map[string]int64
	notes      []string
}

// notef adds a note for the reviewer.
func (s *sample) notef(format string, arguments ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, arguments...))
}

func (s *sample) name() string { return filepath.Base(s.File) }

// describeSample returns a description of the sample's size.
func (s *sample) describeSample() string {
	if s.whole {
		return fmt.Sprintf("all %d records", s.records)
	}
	return fmt.Sprintf("the first %d records", s.records)
}

func (s *sample) findFormat() error {
	for _, format := range []contract.Format{contract.CSV, contract.NDJSON} {
		if compression, err := reader.CompressionOf(s.File, format); err == nil {
			s.format, s.compression = format, compression
			return nil
		}
	}
	refused := fault.Permanentf("infer a contract", fault.UnsupportedFormat, "the name of %s has no ending of a known format", s.File)
	refused.Hint = "Rename the file to end in .csv, .tsv, .txt, .ndjson or .jsonl, with or without .gz or .zst. Landing keys need the same endings."
	return refused
}

// open returns the file's text from the beginning. The caller must close the closer.
func (s *sample) open(encoding contract.Encoding) (io.Reader, io.Closer, error) {
	file, err := os.Open(s.File)
	if err != nil {
		return nil, nil, err
	}
	text, err := reader.Open(file, s.compression, encoding)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return text, file, nil
}

// eachRecord calls visit for each record of the sample. It returns the number of
// records. With whole, the file has no more records.
func (s *sample) eachRecord(ctx context.Context, next func() (reader.Record, error), visit func(reader.Record)) (records int64, whole bool, err error) {
	for {
		record, err := next()
		if errors.Is(err, io.EOF) {
			return records, true, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return records, false, err
		}
		if s.Rows > 0 && records == s.Rows {
			return records, false, nil
		}
		records++
		visit(record)
	}
}

func (s *sample) noteUnreadable() {
	for _, rule := range sortedKeys(s.unreadable) {
		s.notef("Records rejected by the rule %s under any contract: %d.", rule, s.unreadable[rule])
	}
}
