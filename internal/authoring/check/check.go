// Package check holds a file of this machine against a contract by the engine
// that transforms the dataset's objects, and tells what a person needs to mend
// either. Nothing is kept but the report.
package check

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/engine/reader"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/transform"
	"github.com/firn-data/firn/internal/work"
)

// Check is one file that is held against a contract.
type Check struct {
	// File is the path of the file; the end of its name says how it is packed.
	File     string
	Contract *contract.Contract
	// Rejects is how many rejected rows the report shows; 0 shows none.
	Rejects int
	Now     func() time.Time
}

// Report is what the engine made of the file. It holds content of the file: it
// is for the eyes of who has the file, not for logs.
type Report struct {
	File     string `json:"file"`
	Contract string `json:"contract"`
	Dataset  string `json:"dataset"`
	Version  string `json:"version"`
	// Format is the contract's; values of NDJSON are JSON.
	Format contract.Format `json:"format"`
	// Outcome tells whether the file would be loaded; Code, Cause and Hint say
	// why it would not.
	Outcome work.Outcome `json:"outcome"`
	Code    string       `json:"code,omitempty"`
	Cause   string       `json:"cause,omitempty"`
	Hint    string       `json:"hint,omitempty"`
	// RowsRead = RowsGood + RowsRejected. Of a file that was refused before its
	// end, they count the rows before that.
	RowsRead     int64 `json:"rows_read"`
	RowsGood     int64 `json:"rows_good"`
	RowsRejected int64 `json:"rows_rejected"`
	// Rules are the broken ones, the most often broken first.
	Rules []Rule `json:"rules"`
	// Rejects are the first rejected rows.
	Rejects []Reject `json:"rejects"`
	// ExtraColumns are what the file has and the contract hasn't.
	ExtraColumns []string `json:"extra_columns"`
	// Unchecked are rules that the file is too long for.
	Unchecked []string `json:"unchecked"`
}

// Rule is a rule of the contract, and how many rows broke it first.
type Rule struct {
	Rule     string `json:"rule"`
	Rows     int64  `json:"rows"`
	Expected string `json:"expected"`
}

// Clean reports whether the file would be loaded with every row.
func (r Report) Clean() bool { return r.Outcome == work.Accepted && r.RowsRejected == 0 }

// attemptName names the only attempt of a check.
const attemptName = "check"

// Run returns the report. It fails only if the file can't be read from the disk.
func (c *Check) Run(ctx context.Context) (Report, error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return Report{}, fmt.Errorf("check: %w", err)
	}
	if info.IsDir() {
		return Report{}, fmt.Errorf("check: %s is a folder; name a file", c.File)
	}
	rejects := &rejects{check: c, byRule: make(map[string]int64)}
	engine := transform.Engine{Store: localStore{}, Now: c.Now}
	receipt, err := engine.Transform(ctx, transform.Job{
		Work: work.Work{
			Stage: work.Transform, Dataset: c.Contract.Dataset(),
			Object: object.Object{Key: filepath.ToSlash(c.File), Size: info.Size()},
		},
		Contract: c.Contract, Attempt: attemptName, Rejected: rejects.add,
	})
	if err == nil {
		err = rejects.err
	}
	if err != nil {
		return Report{}, fmt.Errorf("check %s: %w", c.File, err)
	}
	return c.report(receipt, rejects), nil
}

func (c *Check) report(receipt work.Receipt, found *rejects) Report {
	return Report{
		File: c.File, Contract: c.Contract.File, Dataset: c.Contract.Dataset(), Version: c.Contract.Version,
		Format:  c.Contract.Format,
		Outcome: receipt.Outcome, Code: receipt.Code, Cause: receipt.Cause, Hint: receipt.Hint,
		RowsRead: receipt.RowsRead, RowsGood: receipt.RowsRead - receipt.RowsRejected, RowsRejected: receipt.RowsRejected,
		Rules: found.rules(), Rejects: append([]Reject{}, found.first...),
		ExtraColumns: append([]string{}, receipt.ExtraColumns...), Unchecked: append([]string{}, receipt.Unchecked...),
	}
}

// rejects collects what the engine rejects.
type rejects struct {
	check  *Check
	values values
	byRule map[string]int64
	first  []Reject
	// err is why a value couldn't be found.
	err error
}

// add is told by the engine of each rejected record.
func (r *rejects) add(record reader.Record, rule string) {
	r.byRule[rule]++
	if len(r.first) >= r.check.Rejects || r.err != nil {
		return
	}
	if r.values == nil {
		if r.values, r.err = valuesOf(r.check); r.err != nil {
			return
		}
	}
	r.first = append(r.first, r.describe(record, rule))
}

func (r *rejects) rules() []Rule {
	found := make([]Rule, 0, len(r.byRule))
	for rule, rows := range r.byRule {
		found = append(found, Rule{Rule: rule, Rows: rows, Expected: expectedBy(r.check.Contract, rule)})
	}
	slices.SortFunc(found, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Rule, b.Rule))
	})
	return found
}
