//go:build standin

package main_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// badFile is a file with a fault of one code, and the change of the contract under which
// the file loads; without a change no contract loads the file.
type badFile struct {
	code fault.Code
	// end is the end of the key.
	end, body  string
	properties []string
	// before and after are the change of the contract.
	before, after string
}

// manyBadRows has twelve records that break the pattern of the code.
var manyBadRows = "code,name\n" + strings.Repeat("aa,one\n", 12) + "BB,two\n"

const (
	strictPattern = "pattern: '[A-Z]{2}'"
	loosePattern  = "pattern: '[A-Za-z]{2}'"
)

var badFiles = []badFile{
	{code: fault.BadHeader, body: "kode,name\nAA,one\n", before: "- name: code\n", after: "- name: code\n        physicalName: kode\n"},
	{code: fault.BadEncoding, body: "code,n\xe9me\nAA,one\n", before: "schema:", after: "  - {property: firn.encoding, value: latin-1}\nschema:"},
	{code: fault.BadQuoting, body: "code\nAA\n\"BB\",two\n", properties: []string{`firn.delimiter, value: ";"`}, before: `value: ";"`, after: `value: ","`},
	{code: fault.BadCompression, end: ".gz", body: "not compressed"},
	{code: fault.EmptyObject, body: ""},
	{code: fault.TooManyRejects, body: manyBadRows, before: strictPattern, after: loosePattern},
	{code: fault.NoGoodRow, body: "code,name\naa,one\n", before: strictPattern, after: loosePattern},
	{code: fault.NewColumn, body: "code,name,more\nAA,one,1\n", properties: []string{"firn.newColumns, value: refuse"}, before: "refuse", after: "report"},
}

var fileCases = append(casesOfBadFiles(), []wayCase{
	{wayOut{code: fault.Undecodable, kind: help.Wait}, func(t *testing.T, p *path) situation {
		p.purge(t, "dead")
		p.send(t, "route", "hello")
		p.drain(t)
		return situation{ended: func() {
			if n := p.count(t, "route"); n != 0 {
				t.Errorf("the queue has %d messages", n)
			}
			if letters := p.take(t, "dead"); len(letters) != 1 {
				t.Errorf("%d dead letters, want 1", len(letters))
			}
		}}
	}},
	{wayOut{code: fault.NoDataset, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		o := p.put(t, "later/a.csv", goodFile)
		p.mustFail(t, o, fault.NoDataset)
		return situation{subject: one("", o, fault.NoDataset), ended: p.becomes(t, o, journal.Loaded), first: func() {
			p.addDataset(t, "later", "firn.keyPrefix, value: later/")
		}}
	}},
	{wayOut{code: fault.NoDataset, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		o, other := p.put(t, "never/a.csv", goodFile), p.put(t, "never/b.csv", goodFile)
		p.mustFail(t, o, fault.NoDataset)
		return situation{subject: help.Subject{Code: fault.NoDataset, Objects: 2}, ended: func() {
			p.checkState(t, o, journal.Dismissed)
			p.checkState(t, other, journal.Dismissed)
		}}
	}},
	{wayOut{code: fault.ObjectGone, kind: help.Put}, func(t *testing.T, p *path) situation {
		p.addDataset(t, "gone")
		o := p.gone(t, "till/gone/a.csv")
		return situation{subject: one("till.gone", o, fault.ObjectGone), file: goodFile, ended: p.becomes(t, o, journal.Superseded)}
	}},
	{wayOut{code: fault.ObjectGone, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		o := p.gone(t, "till/gone/b.csv")
		return situation{subject: one("till.gone", o, fault.ObjectGone), ended: p.becomes(t, o, journal.Dismissed)}
	}},
	{wayOut{code: fault.RecordTooLong, kind: help.Put}, recorded(work.Transform, fault.RecordTooLong, journal.Superseded)},
	{wayOut{code: fault.RecordTooLong, kind: help.Redrive}, recorded(work.Transform, fault.RecordTooLong, journal.Loaded)},
	{wayOut{code: fault.RecordTooLong, kind: help.Dismiss}, recorded(work.Transform, fault.RecordTooLong, journal.Dismissed)},
	{wayOut{code: fault.UnsupportedFormat, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		o := p.put(t, p.keyIn(t, p.addDataset(t, "format"), "a.ndjson"), goodFile)
		p.mustFail(t, o, fault.UnsupportedFormat)
		return situation{subject: one("till.format", o, fault.UnsupportedFormat), ended: p.becomes(t, o, journal.Dismissed), first: func() {
			p.load(t, "till/format/a.csv", goodFile)
		}}
	}},
	{wayOut{code: fault.UnsupportedFormat, kind: help.Redrive}, func(t *testing.T, p *path) situation {
		o := p.put(t, p.keyIn(t, p.addDataset(t, "lines"), "a.ndjson"), `{"code":"AA","name":"one"}`+"\n")
		p.mustFail(t, o, fault.UnsupportedFormat)
		return situation{subject: one("till.lines", o, fault.UnsupportedFormat), ended: p.becomes(t, o, journal.Loaded), first: func() {
			p.changeContract(t, "till.lines", "value: csv", "value: ndjson")
		}}
	}},
	{wayOut{code: fault.GlueFailed, kind: help.Redrive}, recorded(work.Transform, fault.GlueFailed, journal.Loaded)},
	{wayOut{code: fault.OutOfTime, kind: help.Redrive}, recorded(work.Transform, fault.OutOfTime, journal.Loaded)},
	{wayOut{code: fault.OutOfTime, kind: help.Dismiss}, recorded(work.Transform, fault.OutOfTime, journal.Dismissed)},
	{wayOut{code: fault.Exhausted, kind: help.Redrive}, recorded(work.Transform, fault.Exhausted, journal.Loaded)},
	{wayOut{code: fault.Exhausted, kind: help.Dismiss}, recorded(work.Transform, fault.Exhausted, journal.Dismissed)},
	{wayOut{code: fault.Crashed, kind: help.Redrive}, recorded(work.Transform, fault.Crashed, journal.Loaded)},
	{wayOut{code: fault.Crashed, kind: help.Dismiss}, recorded(work.Transform, fault.Crashed, journal.Dismissed)},
	{wayOut{code: fault.Unexpected, kind: help.Redrive}, recorded(work.Transform, fault.Unexpected, journal.Loaded)},
	{wayOut{code: fault.Unexpected, kind: help.Dismiss}, recorded(work.Transform, fault.Unexpected, journal.Dismissed)},
	{wayOut{code: fault.Stuck, kind: help.Redrive}, recorded(work.Transform, fault.Stuck, journal.Loaded)},
	{wayOut{code: fault.Stuck, kind: help.Dismiss}, recorded(work.Transform, fault.Stuck, journal.Dismissed)},
}...)

// casesOfBadFiles has the ways of each bad file: a good file under the same key, a
// redrive under another contract, and a dismissal.
func casesOfBadFiles() []wayCase {
	var cases []wayCase
	for _, bad := range badFiles {
		name := strings.ReplaceAll(string(bad.code), "_", "")
		key := func(n int) string { return fmt.Sprintf("till/%s/%d.csv%s", name, n, bad.end) }
		cases = append(cases,
			wayCase{wayOut{code: bad.code, kind: help.Put}, func(t *testing.T, p *path) situation {
				dataset := p.addDataset(t, name, bad.properties...)
				o := p.put(t, key(1), bad.body)
				p.mustFail(t, o, bad.code)
				return situation{subject: one(dataset, o, bad.code), file: bad.good(), ended: p.becomes(t, o, journal.Superseded)}
			}},
			wayCase{wayOut{code: bad.code, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
				o := p.put(t, key(2), bad.body)
				p.mustFail(t, o, bad.code)
				return situation{subject: one("till."+name, o, bad.code), ended: p.becomes(t, o, journal.Dismissed)}
			}})
		if bad.before == "" {
			continue
		}
		cases = append(cases, wayCase{wayOut{code: bad.code, kind: help.Redrive}, func(t *testing.T, p *path) situation {
			o, other := p.put(t, key(3), bad.body), p.put(t, key(4), bad.body)
			p.mustFail(t, o, bad.code)
			return situation{
				subject: help.Subject{Dataset: "till." + name, Code: bad.code, Objects: 2},
				first:   func() { p.changeContract(t, "till."+name, bad.before, bad.after) },
				ended: func() {
					p.checkState(t, o, journal.Loaded)
					p.checkState(t, other, journal.Loaded)
				},
			}
		}})
	}
	return cases
}

// good returns a file that the contract loads.
func (b badFile) good() string {
	if b.end == ".gz" {
		return compressed(goodFile)
	}
	if len(b.properties) > 0 && strings.Contains(b.properties[0], "delimiter") {
		return strings.ReplaceAll(goodFile, ",", ";")
	}
	return goodFile
}

// recorded returns a case with a good file whose failure is only recorded: the state
// after the failure of a function can't be made otherwise. A failure of a load has a
// receipt.
func recorded(stage work.Stage, code fault.Code, end journal.State) func(*testing.T, *path) situation {
	return func(t *testing.T, p *path) situation {
		dataset := p.plain(t)
		key := fmt.Sprintf("till/plain/%s %s.csv", code, end)
		var o object.Object
		if stage == work.Load {
			o = p.transformed(t, key, goodFile)
		} else {
			o = p.received(t, key, goodFile)
		}
		p.fail(t, o, stage, code)
		return situation{subject: one(dataset, o, code), file: otherGoodFile, ended: p.becomes(t, o, end)}
	}
}

// plain returns the dataset of cases without a contract of their own.
func (p *path) plain(t *testing.T) string {
	t.Helper()
	if !p.hasPlain {
		p.hasPlain = true
		p.addDataset(t, "plain")
	}
	return "till.plain"
}

// compressed returns a text as gzip.
func compressed(text string) string {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write([]byte(text))
	if err = errors.Join(err, writer.Close()); err != nil {
		panic(err)
	}
	return out.String()
}

// keyIn returns a key of the dataset.
func (p *path) keyIn(t *testing.T, dataset, name string) string {
	t.Helper()
	return strings.ReplaceAll(dataset, ".", "/") + "/" + name
}

// gone uploads a file and deletes the version before the transform.
func (p *path) gone(t *testing.T, key string) object.Object {
	t.Helper()
	o := p.upload(t, key, goodFile)
	p.announce(t)
	if _, err := p.store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: &o.Version}); err != nil {
		t.Fatal(err)
	}
	p.drain(t)
	p.mustFail(t, o, fault.ObjectGone)
	return o
}
