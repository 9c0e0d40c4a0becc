//go:build standin

package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/firn-data/firn/internal/app/function"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

var waitCases = append(casesOfWaits(), []wayCase{
	{wayOut{code: fault.TableBehind, kind: help.Migrate}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "behind")
		p.changeContract(t, dataset, "version: 1.0.0", "version: 1.1.0")
		return p.waits(t, dataset, fault.TableBehind)
	}},
	{wayOut{code: fault.TableMissing, kind: help.Migrate}, func(t *testing.T, p *path) situation {
		dataset := p.addContract(t, "fresh")
		p.writeScript(t, dataset)
		return p.waits(t, dataset, fault.TableMissing)
	}},
	{wayOut{code: fault.TableMissing, kind: help.Dismiss}, func(t *testing.T, p *path) situation {
		s := p.waits(t, p.addContract(t, "hidden"), fault.TableMissing)
		s.ended = func() {
			p.checkState(t, object.Object{Bucket: p.landing, Key: s.subject.Key, Version: p.version(t, s.subject.Key)}, journal.Dismissed)
			if n := p.count(t, "load"); n != 0 {
				t.Errorf("the load queue has %d messages of a dismissed object", n)
			}
		}
		return s
	}},
	{wayOut{code: fault.DatasetPaused, kind: help.Resume}, func(t *testing.T, p *path) situation {
		dataset := p.addDataset(t, "paused")
		p.firn("pause", dataset).succeed(t)
		return p.waits(t, dataset, fault.DatasetPaused)
	}},
}...)

// casesOfWaits has a case for each code that needs no command. The functions refuse the
// load with the code as long as the cause lasts; afterwards the object is loaded without
// a command.
func casesOfWaits() []wayCase {
	var cases []wayCase
	for _, code := range help.Codes() {
		if code == fault.Undecodable || !help.ForCode(code).Has(help.Wait) {
			continue
		}
		cases = append(cases, wayCase{wayOut{code: code, kind: help.Wait}, func(t *testing.T, p *path) situation {
			dataset := p.plain(t)
			p.functions[p.queues["load"]] = p.refuseAll(code)
			s := p.waits(t, dataset, code)
			s.first = func() { p.deploy(t) }
			return s
		}})
	}
	return cases
}

// refuseAll is a function whose dependency doesn't answer.
func (p *path) refuseAll(code fault.Code) function.Handler {
	consumer := &batch.Consumer{
		Stage: "load", Queues: []batch.Queue{{URL: p.queues["load"], DeadLetterURL: p.queues["dead"]}}, SQS: p.sqs, Journal: p.stages,
		Attempts: 3, Log: telemetry.NewLogger(io.Discard, "load"),
		Handler: batch.Each(func(_ context.Context, m batch.Message) error {
			w, err := work.Decode(m.Body, work.Load)
			if err != nil {
				return err
			}
			return fault.ForObject(fault.Dependency("load", code, errors.New("no answer")), string(w.Object.ID()), w.Generation, w.Dataset, w.Object.URI())
		}),
	}
	return consumer.Consume
}

// waits puts a file whose load waits, at each delivery of the message.
func (p *path) waits(t *testing.T, dataset string, code fault.Code) situation {
	t.Helper()
	p.purge(t, "dead")
	key := p.keyIn(t, dataset, fmt.Sprintf("%s.csv", code))
	o := p.put(t, key, goodFile) // with more deliveries than attempts
	p.checkState(t, o, journal.Transformed)
	if n := p.count(t, "dead"); n != 0 {
		t.Errorf("%d dead letters during the wait", n)
	}
	return situation{subject: one(dataset, o, code), ended: p.becomes(t, o, journal.Loaded)}
}
