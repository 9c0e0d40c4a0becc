package work

import (
	"encoding/json"
	"fmt"
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
	// Data and Rejects are the Parquet files in the curated bucket.
	Data    []File `json:"data"`
	Rejects []File `json:"rejects"`
	// FirstRejects are the first few rejects, for the mail, without the content of
	// rows.
	FirstRejects []Reject `json:"first_rejects,omitempty"`
	// ExtraColumns are columns of the file that aren't in the contract.
	ExtraColumns []string `json:"extra_columns,omitempty"`
	// Unchecked describes the rules that the engine stopped checking: a unique column
	// of an object with more records than MaxUnique.
	Unchecked []string `json:"unchecked,omitempty"`
	// ContentHash is "sha256:" and hex over the object's stored bytes.
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

// DecodeReceipt reads a receipt and checks the ids and the counts.
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
		return fmt.Errorf("receipt: object id %q doesn't belong to %s", r.ObjectID, r.Object.URI())
	case r.Outcome == Refused:
		return nil
	case r.Outcome != Accepted:
		return fmt.Errorf("receipt: outcome %q is unknown", r.Outcome)
	case r.RowsRead != r.RowsWritten+r.RowsRejected:
		return fmt.Errorf("receipt: %d rows read, but %d written and %d rejected", r.RowsRead, r.RowsWritten, r.RowsRejected)
	case sumRows(r.Data) != r.RowsWritten:
		return fmt.Errorf("receipt: %d rows written, but the files hold %d", r.RowsWritten, sumRows(r.Data))
	case sumRows(r.Rejects) != r.RowsRejected:
		return fmt.Errorf("receipt: %d rows rejected, but the files hold %d", r.RowsRejected, sumRows(r.Rejects))
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
