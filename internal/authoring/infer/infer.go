// Package infer writes a first contract of a dataset from a file of it. Every
// value is judged by the engine's own columns, so that what the contract says
// of a value is what the engine will find; the rest is for a person to review.
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

// DefaultRows is how many records are read unless a person says otherwise.
const DefaultRows = 100_000

// Infer is one file of a dataset that has no contract yet.
type Infer struct {
	// File is the path of the file. The end of its name says its format and how
	// it is packed, as an object's key does.
	File string
	// Source and Entity name the dataset: one word each, lower case.
	Source, Entity string
	// Rows is how many records are read; 0 reads all.
	Rows int64
}

// Draft is a contract that a person must review.
type Draft struct {
	// Text is the contract's file, and Contract what firn reads in it.
	Text     []byte
	Contract *contract.Contract
	// Records are those that were read; Whole says that there are no others.
	Records int64
	Whole   bool
	// Notes are what was found and decided, a sentence each.
	Notes []string
}

// Run reads the file and returns the draft. An error is either the disk's or the
// fault that refuses the file whatever its contract says.
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
		return Draft{}, fmt.Errorf("infer a contract of %s: %w", i.File, err)
	}
	s.noteUnreadable()
	text, err := s.render()
	if err != nil {
		return Draft{}, err
	}
	c, err := contract.Read(contract.FileName, text)
	if err != nil {
		return Draft{}, fmt.Errorf("the contract inferred of %s isn't valid, which is a fault of firn: %w", i.File, err)
	}
	return Draft{Text: text, Contract: c, Records: s.records, Whole: s.whole, Notes: s.notes}, nil
}

// sample is what is known of the file.
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
	// unreadable are the records that break a rule of the whole record, whatever
	// the contract says.
	unreadable map[string]int64
	notes      []string
}

// notef says something to the person who reviews the contract.
func (s *sample) notef(format string, arguments ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, arguments...))
}

func (s *sample) name() string { return filepath.Base(s.File) }

// describeSample says how much was read, in words.
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
	refused := fault.Permanentf("infer a contract", fault.UnsupportedFormat, "the name of %s says no format", s.File)
	refused.Hint = "Name the file .csv, .tsv, .txt, .ndjson or .jsonl, with or without .gz or .zst: a landing key must end so, too."
	return refused
}

// open returns the file's text from its beginning, and what closes it.
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

// eachRecord gives the sample's records, and tells how many there were and whether
// the file has no others.
func (s *sample) eachRecord(ctx context.Context, next func() (reader.Record, error), see func(reader.Record)) (records int64, whole bool, err error) {
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
		see(record)
	}
}

func (s *sample) noteUnreadable() {
	for _, rule := range sortedKeys(s.unreadable) {
		s.notef("Records that break %s whatever a contract says, and would be rejected: %d.", rule, s.unreadable[rule])
	}
}
