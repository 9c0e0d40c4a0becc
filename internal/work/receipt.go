package work

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/object"
)

// Outcome is what a transform made of an object.
type Outcome string

const (
	// Accepted means that the files named by the receipt hold every row.
	Accepted Outcome = "accepted"
	// Refused means that the object breaks its contract as a whole: nothing of
	// it is loaded, and Code and Cause say why.
	Refused Outcome = "refused"
)

// Receipt is what a transform says that it made of one object. It is written
// last, so that it exists only when all files that it names do.
type Receipt struct {
	// Object and Dataset are those of the work that asked for the transform.
	Object  object.Object `json:"object"`
	Dataset string        `json:"dataset"`
	// ObjectID is Object.ID(), repeated for people who read the file.
	ObjectID object.ID `json:"object_id"`
	// Contract is the version of the contract that was applied.
	Contract string `json:"contract"`
	// Generation is the work's generation.
	Generation int `json:"generation"`
	// Attempt is the name of the attempt, a part of every key below.
	Attempt string `json:"attempt"`
	// Engine is "lambda" or "glue".
	Engine string `json:"engine"`
	// Outcome tells whether the files below may be loaded.
	Outcome Outcome `json:"outcome"`
	// Code, Cause and Hint explain a refusal; empty otherwise.
	Code  string `json:"code,omitempty"`
	Cause string `json:"cause,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// RowsRead = RowsWritten + RowsRejected, always, for an accepted object.
	RowsRead     int64 `json:"rows_read"`
	RowsWritten  int64 `json:"rows_written"`
	RowsRejected int64 `json:"rows_rejected"`
	// Data and Rejects are the Parquet files in the curated bucket.
	Data    []File `json:"data"`
	Rejects []File `json:"rejects"`
	// FirstRejects are the first few, for the mail: no row's content.
	FirstRejects []Reject `json:"first_rejects,omitempty"`
	// ExtraColumns are columns that the file has and the contract hasn't.
	ExtraColumns []string `json:"extra_columns,omitempty"`
	// Unchecked are rules that the engine gave up on, in words: a unique column
	// of an object with more records than the contract bounds.
	Unchecked []string `json:"unchecked,omitempty"`
	// ContentHash is "sha256:" and hex over the object's bytes as stored.
	ContentHash string    `json:"content_hash"`
	StartedAt   time.Time `json:"started_at"`
	FinishedAt  time.Time `json:"finished_at"`
}

// File is one Parquet file that a transform wrote.
type File struct {
	Key   string `json:"key"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Reject says where a row broke which rule of the contract. The row's text is
// in the rejects file only.
type Reject struct {
	// Record is the number of the record in the object, from 1, without header.
	Record int64 `json:"record"`
	// Line is the line on which the record begins, from 1; 0 if unknown.
	Line int64 `json:"line,omitempty"`
	// Rule is "<column>:<rule>", or "_row:<rule>" for a whole record.
	Rule string `json:"rule"`
}

// DecodeReceipt reads a receipt and checks that it is consistent in itself.
func DecodeReceipt(body []byte) (Receipt, error) {
	var r Receipt
	if err := json.Unmarshal(body, &r); err != nil {
		return Receipt{}, fmt.Errorf("decode receipt: %w", err)
	}
	return r, r.check()
}

func (r Receipt) check() error {
	switch {
	case r.ObjectID != r.Object.ID():
		return fmt.Errorf("receipt: object id %q isn't that of %s", r.ObjectID, r.Object.URI())
	case r.Outcome == Refused:
		return nil
	case r.Outcome != Accepted:
		return fmt.Errorf("receipt: outcome %q is unknown", r.Outcome)
	case r.RowsRead != r.RowsWritten+r.RowsRejected:
		return fmt.Errorf("receipt: %d rows read, but %d written and %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	case sumRows(r.Data) != r.RowsWritten:
		return fmt.Errorf("receipt: %d rows written, but its files hold %d", r.RowsWritten, sumRows(r.Data))
	case sumRows(r.Rejects) != r.RowsRejected:
		return fmt.Errorf("receipt: %d rows rejected, but its files hold %d", r.RowsRejected, sumRows(r.Rejects))
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
