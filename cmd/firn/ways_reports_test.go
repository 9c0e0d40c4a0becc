//go:build standin

package main_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// reportCases has the ways of codes about reads of S3 and about reports of alert.
var reportCases = []wayCase{
	{wayOut{code: "object_denied", kind: help.Redrive}, recorded(work.Transform, "object_denied", journal.Loaded)},
	{wayOut{code: "object_denied", kind: help.Dismiss}, recorded(work.Transform, "object_denied", journal.Dismissed)},
	{wayOut{code: "object_archived", kind: help.Redrive}, recorded(work.Transform, "object_archived", journal.Loaded)},
	{wayOut{code: "object_archived", kind: help.Dismiss}, recorded(work.Transform, "object_archived", journal.Dismissed)},
	{wayOut{code: "key_refused", kind: help.Redrive}, recorded(work.Transform, "key_refused", journal.Loaded)},
	{wayOut{code: "key_refused", kind: help.Dismiss}, recorded(work.Transform, "key_refused", journal.Dismissed)},
	{wayOut{code: "source_unknown_host", kind: help.Ingest}, recordedRun("source_unknown_host", 7)},
	{wayOut{code: "source_untrusted", kind: help.Ingest}, recordedRun("source_untrusted", 8)},
	{wayOut{code: "not_tried", kind: help.Sweep}, func(t *testing.T, p *path) situation {
		o := p.received(t, p.keyIn(t, p.plain(t), "not tried.csv"), goodFile)
		return situation{subject: one("till.plain", o, "not_tried"), flags: sweepFlags(help.Sweep), ended: p.becomes(t, o, journal.Loaded)}
	}},
	{wayOut{code: "not_tried", kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		o := p.received(t, p.keyIn(t, p.plain(t), "never tried.csv"), goodFile)
		return situation{subject: one("till.plain", o, "not_tried"), ended: p.becomes(t, o, journal.Dismissed)}
	}},
	{wayOut{code: "column_not_loaded", kind: help.Migrate}, func(t *testing.T, p *path) situation {
		const file = "code,name,more\nAA,one,1\n"
		dataset := p.addDataset(t, "columns")
		p.checkState(t, p.put(t, p.keyIn(t, dataset, "a.csv"), file), journal.Loaded)
		return situation{
			subject: help.Subject{Dataset: dataset},
			first: func() {
				p.changeContract(t, dataset, "version: 1.0.0", "version: 1.1.0")
				p.changeContract(t, dataset, "description: The name.\n", "description: The name.\n      - name: more\n        logicalType: string\n        description: More.\n")
			},
			ended: func() {
				p.checkState(t, p.put(t, p.keyIn(t, dataset, "b.csv"), strings.Replace(file, "AA,one,1", "BB,two,2", 1)), journal.Loaded)
				if got := p.firn("query", "select more from raw.till_columns where code = 'BB'").succeed(t); !strings.Contains(got, "2") {
					t.Errorf("after the migration the table has %q", got)
				}
			},
		}
	}},
	{wayOut{code: "few_rows", kind: help.Put}, func(t *testing.T, p *path) situation {
		o := p.put(t, p.keyIn(t, p.plain(t), "few rows.csv"), otherGoodFile)
		return situation{subject: one("till.plain", o, "few_rows"), file: goodFile, ended: p.becomes(t, o, journal.Superseded)}
	}},
	{wayOut{code: "many_rejects", kind: help.Put}, func(t *testing.T, p *path) situation {
		o := p.put(t, p.keyIn(t, p.plain(t), "rejects.csv"), "code,name\nAA,one\nbb,two\n")
		return situation{subject: one("till.plain", o, "many_rejects"), file: goodFile, ended: p.becomes(t, o, journal.Superseded)}
	}},
	{wayOut{code: "many_rejects", kind: help.Reload}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "loose")
		o := p.put(t, p.keyIn(t, dataset, "rejects.csv"), "code,name\nAA,one\nbb,two\n")
		return situation{
			subject: one(dataset, o, "many_rejects"),
			first:   func() { p.changeContract(t, dataset, strictPattern, loosePattern) },
			ended: func() {
				if e := p.entry(t, o); e.State != journal.Loaded || e.RowsRejected != 0 || e.RowsLoaded != 2 {
					t.Errorf("after the reload: %s, %d rows, %d rejects", e.State, e.RowsLoaded, e.RowsRejected)
				}
			},
		}
	}},
}

// casesOfKnownCodes returns the cases whose code is in the table.
func casesOfKnownCodes(cases []wayCase) []wayCase {
	return slices.DeleteFunc(slices.Clone(cases), func(c wayCase) bool { return !slices.Contains(help.Codes(), c.code) })
}
