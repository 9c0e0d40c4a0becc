//go:build standin

package main_test

import (
	"strings"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/work"
)

// reportCases has the ways of codes about reads of S3 and about reports of alert.
var reportCases = []wayCase{
	{wayOut{code: fault.ObjectDenied, kind: help.Redrive}, recorded(work.Transform, fault.ObjectDenied, journal.Loaded)},
	{wayOut{code: fault.ObjectDenied, kind: help.Dismiss}, recorded(work.Transform, fault.ObjectDenied, journal.Dismissed)},
	{wayOut{code: fault.ObjectArchived, kind: help.Redrive}, recorded(work.Transform, fault.ObjectArchived, journal.Loaded)},
	{wayOut{code: fault.ObjectArchived, kind: help.Dismiss}, recorded(work.Transform, fault.ObjectArchived, journal.Dismissed)},
	{wayOut{code: fault.KeyRefused, kind: help.Redrive}, recorded(work.Transform, fault.KeyRefused, journal.Loaded)},
	{wayOut{code: fault.KeyRefused, kind: help.Dismiss}, recorded(work.Transform, fault.KeyRefused, journal.Dismissed)},
	{wayOut{code: fault.SourceUnknownHost, kind: help.Ingest}, recordedRun(fault.SourceUnknownHost, 7)},
	{wayOut{code: fault.SourceUntrusted, kind: help.Ingest}, recordedRun(fault.SourceUntrusted, 8)},
	{wayOut{code: fault.NotTried, kind: help.Sweep}, func(t *testing.T, p *path) situation {
		o := p.received(t, p.keyIn(t, p.plain(t), "not tried.csv"), goodFile)
		return situation{subject: one("till.plain", o, fault.NotTried), flags: sweepFlags(help.Sweep), ended: p.becomes(t, o, journal.Loaded)}
	}},
	{wayOut{code: fault.NotTried, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		o := p.received(t, p.keyIn(t, p.plain(t), "never tried.csv"), goodFile)
		return situation{subject: one("till.plain", o, fault.NotTried), ended: p.becomes(t, o, journal.Dismissed)}
	}},
	{wayOut{code: fault.ColumnNotLoaded, kind: help.Migrate}, func(t *testing.T, p *path) situation {
		const file = "code,name,more\nAA,one,1\n"
		dataset := p.addDataset(t, "columns")
		p.load(t, p.keyIn(t, dataset, "a.csv"), file)
		return situation{
			subject: help.Subject{Dataset: dataset},
			first: func() {
				p.changeContract(t, dataset, "version: 1.0.0", "version: 1.1.0")
				p.changeContract(t, dataset, "description: The name.\n", "description: The name.\n      - name: more\n        logicalType: string\n        description: More.\n")
			},
			ended: func() {
				p.load(t, p.keyIn(t, dataset, "b.csv"), strings.Replace(file, "AA,one,1", "BB,two,2", 1))
				if got := p.firn("query", "select more from raw.till_columns where code = 'BB'").succeed(t); !strings.Contains(got, "2") {
					t.Errorf("after the migration the table has %q", got)
				}
			},
		}
	}},
	{wayOut{code: fault.FewRows, kind: help.Put}, func(t *testing.T, p *path) situation {
		o := p.load(t, p.keyIn(t, p.plain(t), "few rows.csv"), otherGoodFile)
		return situation{subject: one("till.plain", o, fault.FewRows), file: goodFile, ended: p.becomes(t, o, journal.Superseded)}
	}},
	{wayOut{code: fault.ManyRejects, kind: help.Put}, func(t *testing.T, p *path) situation {
		o := p.load(t, p.keyIn(t, p.plain(t), "rejects.csv"), "code,name\nAA,one\nbb,two\n")
		return situation{subject: one("till.plain", o, fault.ManyRejects), file: goodFile, ended: p.becomes(t, o, journal.Superseded)}
	}},
	{wayOut{code: fault.ManyRejects, kind: help.Reload}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "loose")
		o := p.load(t, p.keyIn(t, dataset, "rejects.csv"), "code,name\nAA,one\nbb,two\n")
		return situation{
			subject: one(dataset, o, fault.ManyRejects),
			first:   func() { p.changeContract(t, dataset, strictPattern, loosePattern) },
			ended: func() {
				if e := p.entry(t, o); e.State != journal.Loaded || e.RowsRejected != 0 || e.RowsLoaded != 2 {
					t.Errorf("after the reload: %s, %d rows, %d rejects", e.State, e.RowsLoaded, e.RowsRejected)
				}
			},
		}
	}},
}
