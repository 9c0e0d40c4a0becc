//go:build standin

package main_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/help"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// wayOut is one way of the table in internal/help: the state of a fault code or of a
// difference of the audit, and one kind of help.
type wayOut struct {
	code       fault.Code
	difference string
	kind       help.Kind
}

func (w wayOut) String() string {
	if w.code != "" {
		return fmt.Sprintf("%s %s", w.code, w.kind)
	}
	return fmt.Sprintf("%s %s", w.difference, w.kind)
}

// help returns the ways of the state.
func (w wayOut) help() help.Help {
	if w.code != "" {
		return help.ForCode(w.code)
	}
	return help.ForDifference(w.difference)
}

// situation is a state, made by a wayCase.
type situation struct {
	// subject is the subject of the command.
	subject help.Subject
	// first does the work outside of firn's commands. May be nil.
	first func()
	// file is the content for FILE in the command.
	file string
	// flags are further flags, for a command that by default leaves recent changes alone.
	flags string
	// ended checks that the state ended.
	ended func()
}

// wayCase makes a state and describes its end.
type wayCase struct {
	wayOut

	provoke func(t *testing.T, p *path) situation
}

// commandOf returns the command of the table for the way.
func (c wayCase) commandOf(t *testing.T, s help.Subject) string {
	t.Helper()
	for _, way := range c.help().Ways {
		if way.Kind != c.kind {
			continue
		}
		command := way.Command(s)
		if command == nil && c.kind != help.Wait {
			t.Fatalf("the way %s has no command for %+v", c, s)
		}
		return command.String()
	}
	t.Fatalf("the table has no way %s", c)
	return ""
}

// run makes the state, types the command of the table and checks that the state ended.
func (c wayCase) run(t *testing.T, p *path) {
	s := c.provoke(t, p)
	command := c.commandOf(t, s.subject)
	if s.first != nil {
		s.first()
	}
	if command != "" {
		p.typeCommand(t, command+s.flags, s.file)
	}
	p.drain(t)
	s.ended()
}

// typeCommand runs a command of the table in a shell, with values for the placeholders.
func (p *path) typeCommand(t *testing.T, command, file string) {
	t.Helper()
	if strings.HasSuffix(command, " FILE") {
		name := filepath.Join(t.TempDir(), "file.csv")
		write(t, name, file)
		command = strings.TrimSuffix(command, "FILE") + "--wait 0 " + name
	}
	p.shell(t, strings.Replace(command, "--reason TEXT", "--reason 'the file is not needed'", 1))
}

// one returns the subject of a single object.
func one(dataset string, o object.Object, code fault.Code) help.Subject {
	return help.Subject{Dataset: dataset, Code: code, Objects: 1, Name: o.URI(), ID: o.ID(), Key: o.Key, InJournal: true}
}

// becomes checks the state of an object at the end.
func (p *path) becomes(t *testing.T, o object.Object, want journal.State) func() {
	return func() {
		t.Helper()
		p.checkState(t, o, want)
	}
}

// mustFail checks the code of a failed object, and that `firn status` names the table's
// commands.
func (p *path) mustFail(t *testing.T, o object.Object, code fault.Code) {
	t.Helper()
	e := p.entry(t, o)
	if e.State != journal.Failed || e.Code != string(code) {
		t.Fatalf("%s is %s (%s: %s), want failed with %s", o.Key, e.State, e.Code, e.Cause, code)
	}
	status := p.firn("status", o.URI()).succeed(t)
	subject := one(e.Dataset, o, code)
	for _, way := range help.ForCode(code).Ways {
		if command := way.Command(subject); command != nil && !strings.Contains(status, "  "+command.String()+"\n") && !strings.Contains(status, "  "+command.String()+"  # first: ") {
			t.Errorf("the status of %s doesn't name %q:\n%s", o.Key, command, status)
		}
	}
}

// TestEveryWayEndsItsState makes the state of each fault code and of each difference of
// the audit, types the command that the table names for the state, and checks that the
// state ended. A way of the table without a case fails the test.
func TestEveryWayEndsItsState(t *testing.T) {
	t.Parallel()
	groups := map[string][]wayCase{"files": fileCases, "loads": slices.Concat(loadCases, reportCases), "runs": runCases, "waits": waitCases, "tables": auditCases[:len(auditCases)/2], "states": auditCases[len(auditCases)/2:]}
	var ran atomic.Int64
	var cases []wayCase
	t.Run("ways", func(t *testing.T) {
		for name, group := range groups {
			cases = append(cases, group...)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var p *path
				for _, c := range group {
					t.Run(c.String(), func(s *testing.T) {
						ran.Add(1)
						if p == nil {
							p = newPath(t, "FIRN_WAYS_"+strings.ToUpper(name)) // until the end of the group
						}
						c.run(s, p)
					})
				}
			})
		}
	})
	if int(ran.Load()) < len(cases) {
		return // -run selected some of the cases
	}
	for _, way := range waysOfTable() {
		if !slices.ContainsFunc(cases, func(c wayCase) bool { return c.wayOut == way }) {
			t.Errorf("no case has the way %s", way)
		}
	}
}

// waysOfTable returns all ways of the table.
func waysOfTable() []wayOut {
	var all []wayOut
	for _, code := range help.Codes() {
		for _, way := range help.ForCode(code).Ways {
			all = append(all, wayOut{code: code, kind: way.Kind})
		}
	}
	for _, kind := range help.Differences() {
		for _, way := range help.ForDifference(kind).Ways {
			all = append(all, wayOut{difference: kind, kind: way.Kind})
		}
	}
	return all
}
