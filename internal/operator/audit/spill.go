package audit

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/snowflake/ledger"
)

const (
	// partitions is the number of files of a spill.
	partitions = 256
	// maxGroup is the number of records of small partitions that are in memory at once.
	maxGroup = 10_000
)

// record is one fact about an object, from one of the sources. A record has exactly one
// of Version, Marker, Entry, Count and Receipt, or only an ID. No record has a row's
// content.
type record struct {
	// Dataset is empty for keys without a contract.
	Dataset string
	// ID is the object's id; empty for a marker.
	ID object.ID
	// Version is a version in the landing bucket, and Marker the newest delete marker of a
	// key.
	Version *version
	Marker  *marker
	// Entry is the journal entry without the texts of its fault.
	Entry *journal.Entry
	// Count has the ledger row and the numbers of rows.
	Count *ledger.Count
	// Receipt is the key of a receipt in the curated bucket.
	Receipt string
	// Known means that the journal has an entry of the object, in any dataset.
	Known bool
	// HasReceipt means that the curated bucket has the receipt of the entry.
	HasReceipt bool
}

// version is one version of a landing key.
type version struct {
	Object   object.Object
	Modified time.Time
	// Current means that the version is the newest one of the key.
	Current bool
}

// marker is the current delete marker of a key.
type marker struct {
	Key       string
	DeletedAt time.Time
}

// spill keeps records in files, so that only a part of the records is in memory. Records
// with the same text of put are in the same partition.
type spill struct {
	folder string
	files  [partitions]*partition
}

// partition is a file with a part of the records.
type partition struct {
	file    *os.File
	buffer  *bufio.Writer
	encoder *gob.Encoder
	records int
}

// newSpill makes a spill in a folder that exists. Only the user may read the files.
func newSpill(folder, name string) *spill { return &spill{folder: filepath.Join(folder, name)} }

// put adds a record to the partition of a text.
func (s *spill) put(text string, r record) error {
	hash := fnv.New32a()
	_, _ = io.WriteString(hash, text) // a hash returns no error
	n := hash.Sum32() % partitions
	if s.files[n] == nil {
		file, err := os.OpenFile(s.folder+"-"+strconv.Itoa(int(n)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("make temporary file: %w", err)
		}
		buffer := bufio.NewWriter(file)
		s.files[n] = &partition{file: file, buffer: buffer, encoder: gob.NewEncoder(buffer)}
	}
	s.files[n].records++
	if err := s.files[n].encoder.Encode(r); err != nil {
		return fmt.Errorf("write temporary file: %w", err)
	}
	return nil
}

// eachGroup calls do with the records of whole partitions: one large partition, or
// several small ones.
func (s *spill) eachGroup(do func([]record) error) error {
	var group []record
	for i, p := range s.files {
		if p == nil {
			continue
		}
		if len(group) > 0 && len(group)+p.records > maxGroup {
			if err := do(group); err != nil {
				return err
			}
			group = nil
		}
		records, err := p.read()
		if err != nil {
			return fmt.Errorf("read temporary file: %w", err)
		}
		s.files[i] = nil
		group = append(group, records...)
	}
	return do(group)
}

// read returns the records of the partition and closes the file.
func (p *partition) read() ([]record, error) {
	defer p.file.Close()
	if err := p.buffer.Flush(); err != nil {
		return nil, err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	records := make([]record, 0, p.records)
	for decoder := gob.NewDecoder(bufio.NewReader(p.file)); ; {
		var r record
		switch err := decoder.Decode(&r); {
		case errors.Is(err, io.EOF):
			return records, nil
		case err != nil:
			return nil, err
		}
		records = append(records, r)
	}
}

// close closes the files that nothing has read.
func (s *spill) close() {
	for _, p := range s.files {
		if p != nil {
			_ = p.file.Close() // the file is removed
		}
	}
}
