package work

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// Outcome is the result of an object's transform.
type Outcome string

const (
	// Accepted means that the receipt's files hold every row.
	Accepted Outcome = "accepted"
	// Refused means that the object as a whole breaks its contract. No row is loaded.
	// Code and Cause give the reason.
	Refused Outcome = "refused"
)

// Receipt is the result of the transform of one object. A receipt is written last, so
// all files in the receipt exist.
type Receipt struct {
	// Object and Dataset come from the work for the transform.
	Object  object.Object `json:"object"`
	Dataset string        `json:"dataset"`
	// ObjectID is Object.ID(), repeated for readers of the file.
	ObjectID object.ID `json:"object_id"`
	// Contract is the version of the contract.
	Contract string `json:"contract"`
	// Generation is the generation in the work.
	Generation int `json:"generation"`
	// Attempt is the name of the attempt, a part of every key below.
	Attempt string `json:"attempt"`
	// Engine is "lambda" or "glue".
	Engine string `json:"engine"`
	// Outcome decides whether the files below may be loaded.
	Outcome Outcome `json:"outcome"`
	// Code, Cause and Hint explain a refusal; empty for an accepted object.
	Code  string `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// RowsRead = RowsWritten + RowsRejected for every accepted object.
	RowsRead     int64 `json:"rows_read"`
	RowsWritten  int64 `json:"rows_written"`
	RowsRejected int64 `json:"rows_rejected"`
	// Data and Rejects are the Parquet files in the curated bucket. A refused object has
	// no Data, and at most one file of Rejects with the first rejects: MaxKeptRejects.
	Data    []File `json:"data"`
	Rejects []File `json:"rejects"`
	// RejectsByRule has the number of rejects of each broken rule.
	RejectsByRule map[string]int64 `json:"rejects_by_rule,omitempty"`
	// FirstRejects are the first few rejects, for the mail, without the content of
	// rows.
	FirstRejects []Reject `json:"first_rejects,omitempty"`
	// ExtraColumns are columns of the file that aren't in the contract.
	ExtraColumns []string `json:"extra_columns,omitempty"`
	// AbsentColumns are the contract's columns that the header of a CSV file lacks. All
	// their values are null.
	AbsentColumns []string `json:"absent_columns,omitempty"`
	// Unchecked describes the rules that the engine stopped checking: a unique column
	// of an object with more records than MaxUnique.
	Unchecked []string `json:"unchecked,omitempty"`
	// ContentHash is "sha256:" and hex over the object's stored bytes.
	ContentHash string    `json:"content_hash"`
	StartedAt   time.Time `json:"started_at"`
	FinishedAt  time.Time `json:"finished_at"`
}

// The bounds of the rejects that a refused object keeps: the number of rejects, and the
// bytes of their raw texts. The first reject is kept at any size.
const (
	MaxKeptRejects     = 1000
	MaxKeptRejectBytes = 8 << 20
)

// File is one Parquet file that a transform wrote.
type File struct {
	Key   string `json:"key"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Reject names the record and the broken rule. Only the rejects file has the text of
// the record.
type Reject struct {
	// Record is the number of the record in the object, from 1, without the header.
	Record int64 `json:"record"`
	// Line is the first line of the record, from 1; 0 if unknown.
	Line int64 `json:"line,omitempty"`
	// Rule is "<column>:<rule>", or "_row:<rule>" for a whole record.
	Rule string `json:"rule"`
}

// DecodeReceipt reads the receipt at a place in the curated bucket, and validates the
// receipt.
func DecodeReceipt(body []byte, at Location) (Receipt, error) {
	var r Receipt
	if err := json.Unmarshal(body, &r); err != nil {
		return Receipt{}, fmt.Errorf("decode receipt: %w", err)
	}
	return r, r.Validate(at)
}

// Validate returns an error if the receipt contradicts itself or its place. Files have
// no bucket of their own: all files are in the bucket of the receipt.
//
// A receipt is in the folder of its attempt, and the name of the attempt has the
// generation. Every file is in the same folder, and has a name of its own. No count is
// negative. The counts of an accepted receipt are the sums of its files. A refused
// receipt has no data file, and at most as many rejects in files as rejected rows.
func (r Receipt) Validate(at Location) error {
	for _, check := range []func() error{
		func() error { return r.checkPlace(at) }, r.checkFiles, r.checkCounts,
	} {
		if err := check(); err != nil {
			return fmt.Errorf("receipt s3://%s/%s: %w", at.Bucket, at.Key, err)
		}
	}
	return nil
}

// place returns the place of the receipt's attempt in the curated bucket.
func (r Receipt) place() object.Attempt {
	return object.Attempt{Dataset: r.Dataset, Object: r.ObjectID, Name: r.Attempt}
}

func (r Receipt) checkPlace(at Location) error {
	switch place := r.place(); {
	case r.ObjectID != r.Object.ID():
		return fmt.Errorf("object id %q doesn't belong to %s", r.ObjectID, r.Object.URI())
	case place.Receipt() != at.Key:
		return fmt.Errorf("the receipt is for object %s of %s, attempt %q, and this attempt's receipt has the key %s",
			r.ObjectID, r.Dataset, r.Attempt, place.Receipt())
	case place.Generation() != r.Generation:
		return fmt.Errorf("the generation is %d, and attempt %q is of generation %d", r.Generation, r.Attempt, place.Generation())
	}
	return nil
}

func (r Receipt) checkFiles() error {
	folder, known := r.place().Prefix(), make(map[string]bool)
	for _, f := range slices.Concat(r.Data, r.Rejects) {
		switch {
		case !strings.HasPrefix(f.Key, folder) || f.Key == folder:
			return fmt.Errorf("file %q isn't in the attempt's folder %s", f.Key, folder)
		case known[f.Key]:
			return fmt.Errorf("file %q is named twice", f.Key)
		case f.Rows < 0 || f.Bytes < 0:
			return fmt.Errorf("file %q has %d rows and %d bytes", f.Key, f.Rows, f.Bytes)
		}
		known[f.Key] = true
	}
	return nil
}

func (r Receipt) checkCounts() error {
	switch {
	case r.RowsRead < 0 || r.RowsWritten < 0 || r.RowsRejected < 0:
		return fmt.Errorf("a count is negative: %d rows read, %d written, %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	case r.Outcome == Refused:
		return r.checkRefused()
	case r.Outcome != Accepted:
		return fmt.Errorf("outcome %q is unknown", r.Outcome)
	case r.RowsRead != r.RowsWritten+r.RowsRejected:
		return fmt.Errorf("%d rows read, but %d written and %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	case sumRows(r.Data) != r.RowsWritten:
		return fmt.Errorf("%d rows written, but the files hold %d", r.RowsWritten, sumRows(r.Data))
	case sumRows(r.Rejects) != r.RowsRejected:
		return fmt.Errorf("%d rows rejected, but the files hold %d", r.RowsRejected, sumRows(r.Rejects))
	}
	return nil
}

func (r Receipt) checkRefused() error {
	switch {
	case len(r.Data) > 0:
		return fmt.Errorf("the object is refused, but the receipt has %d files with rows", len(r.Data))
	case sumRows(r.Rejects) > r.RowsRejected:
		return fmt.Errorf("%d rows rejected, but the files hold %d", r.RowsRejected, sumRows(r.Rejects))
	}
	return nil
}

func sumRows(files []File) int64 {
	var rows int64
	for _, f := range files {
		rows += f.Rows
	}
	return rows
}
