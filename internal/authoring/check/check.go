// Package check checks a local file against a contract with the Lambda engine. The
// report helps a person to fix the file or the contract. The engine's output is
// discarded.
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

// Check is the check of one file against one contract.
type Check struct {
	// File is the path of the file. The ending of the name gives the compression.
	File     string
	Contract *contract.Contract
	// Rejects is the largest number of rejects in the report; 0 means none.
	Rejects int
	Now     func() time.Time
}

// Report is the result of a check. It has values of the file, so the report doesn't
// belong in logs.
type Report struct {
	File     string `json:"file"`
	Contract string `json:"contract"`
	Dataset  string `json:"dataset"`
	Version  string `json:"version"`
	// Format is the contract's format. In NDJSON, the values of rejects are JSON.
	Format contract.Format `json:"format"`
	// Outcome is the outcome of a transform of the file. Code, Cause and Hint are empty
	// for an accepted file.
	Outcome work.Outcome `json:"outcome"`
	Code    string       `json:"code,omitempty"`
	Cause   string       `json:"cause,omitempty"`
	Hint    string       `json:"hint,omitempty"`
	// RowsRead is RowsGood + RowsRejected. In a file refused before its end, the counts
	// cover the rows before the refusal.
	RowsRead     int64 `json:"rows_read"`
	RowsGood     int64 `json:"rows_good"`
	RowsRejected int64 `json:"rows_rejected"`
	// Rules are the broken rules. The most frequent rule comes first.
	Rules []Rule `json:"rules"`
	// Rejects are the first rejects of the file.
	Rejects []Reject `json:"rejects"`
	// ExtraColumns are the columns of the file without a column in the contract.
	ExtraColumns []string `json:"extra_columns"`
	// AbsentColumns are the contract's columns without a column in the CSV file: null in
	// every row.
	AbsentColumns []string `json:"absent_columns"`
	// Unchecked are the rules not checked for all rows, because the file is too long.
	Unchecked []string `json:"unchecked"`
}

// Rule is a rule of the contract. Rows is the number of rows with this rule as the
// first broken rule.
type Rule struct {
	Rule     string `json:"rule"`
	Rows     int64  `json:"rows"`
	Expected string `json:"expected"`
}

// Clean reports whether the file would be loaded without rejects.
func (r Report) Clean() bool { return r.Outcome == work.Accepted && r.RowsRejected == 0 }

// attemptName is the name of a check's only attempt.
const attemptName = "check"

// Run checks the file and returns the report. It returns an error only for an
// unreadable file.
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
		ExtraColumns: append([]string{}, receipt.ExtraColumns...), AbsentColumns: append([]string{}, receipt.AbsentColumns...),
		Unchecked: append([]string{}, receipt.Unchecked...),
	}
}

// rejects collects the engine's rejects.
type rejects struct {
	check  *Check
	values values
	byRule map[string]int64
	first  []Reject
	// err is the first error of a search for a value.
	err error
}

// add counts a reject. The engine calls add for each rejected record.
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
