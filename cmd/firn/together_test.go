//go:build standin

package main_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// together runs the same command of two persons at the same time. Both must succeed.
func (p *path) together(t *testing.T, arguments ...string) {
	t.Helper()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if got := p.firn(arguments...).run(t); got.code != 0 {
				t.Errorf("firn %v: exit code %d: %s", arguments, got.code, got.stderr)
			}
		})
	}
	both.Wait()
	p.drain(t)
}

// TestTwoPersonsTypeSameCommand: each command of an operator works beside the same command
// of another person, and can be repeated.
func TestTwoPersonsTypeSameCommand(t *testing.T) {
	t.Parallel()
	p := newPath(t, "FIRN_TOGETHER_CLI")
	dataset := p.addDataset(t, "both")
	var objects []object.Object
	for i := range 12 {
		o := p.received(t, fmt.Sprintf("till/both/%02d.csv", i), fmt.Sprintf("code,name\nAA,%d\n", i))
		p.fail(t, o, work.Transform, fault.Crashed)
		objects = append(objects, o)
	}
	check := func(want journal.State, generation int) {
		t.Helper()
		for _, o := range objects {
			if e := p.entry(t, o); e.State != want || e.Generation != generation || e.Unsent {
				t.Errorf("%s is %s of generation %d, unsent %t; want %s of %d", o.Key, e.State, e.Generation, e.Unsent, want, generation)
			}
		}
	}
	for range 2 {
		p.together(t, "redrive", "--dataset", dataset, "--code", "crashed")
		check(journal.Loaded, 0)
	}
	p.together(t, "reload", "--dataset", dataset)
	check(journal.Loaded, 1) // two reloads at the same time add one generation
	for _, o := range objects[:1] {
		p.together(t, "withdraw", o.URI(), "--reason", "wrong file")
		p.checkState(t, o, journal.Withdrawn)
		p.together(t, "withdraw", o.URI(), "--reason", "wrong file")
	}
	o := p.received(t, "till/both/late.csv", otherGoodFile)
	p.fail(t, o, work.Transform, fault.Crashed)
	for range 2 {
		p.together(t, "dismiss", o.URI(), "--reason", "not wanted")
		p.checkState(t, o, journal.Dismissed)
	}
	held := p.addDataset(t, "held", "firn.mode, value: snapshot", `firn.delivery, value: {key: "{delivery}.csv"}`, "firn.holdBelow, value: 0.9")
	p.load(t, "till/held/2026-01-31.csv", goodFile)
	p.load(t, "till/held/2026-02-28.csv", otherGoodFile)
	p.checkHeld(t, held, 1)
	for range 2 {
		p.together(t, "accept", held, "2026-02-28")
		p.checkHeld(t, held, 0)
	}
	p.checkConsistent(t, dataset)
}
