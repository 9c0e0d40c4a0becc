//go:build endtoend

package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/demo"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/operator/audit"
)

const (
	// maxSweeps bounds the sweeps until firn is quiet.
	maxSweeps = 10
	// waitLimit is the longest wait for an effect, also on a busy machine.
	waitLimit = 6 * time.Minute
	// queueLimit is the longest wait for the end of all messages. A message that failed
	// many times comes back after 15 minutes (internal/batch).
	queueLimit = 17 * time.Minute
)

// busyQueues are the queues of the path, in the order of the path, and the dead-letter
// queues.
var busyQueues = []string{
	"RouteQueue", "TransformQueue", "ReceiptsQueue", "LoadQueue",
	"RouteDeadLetters", "TransformDeadLetters", "ReceiptsDeadLetters", "LoadDeadLetters", "GlueDeadLetters", "IngestDeadLetters",
}

// settle ends the faults, sweeps until firn is quiet and completes the owed commands.
func (w *world) settle() {
	for _, service := range slices.Sorted(maps.Keys(stack.proxy.stop())) {
		w.t.Logf("%d requests to %s were throttled", stack.proxy.throttled[service], service)
	}
	if !w.receiptEvents {
		switchReceiptEvents(w)
	}
	for _, name := range slices.Sorted(maps.Keys(w.paused)) {
		w.runAfterLock(command{arguments: []string{"resume", name}})
	}
	w.sweepUntilQuiet()
	for _, c := range w.owed {
		w.runAfterLock(c)
	}
	if len(w.owed) > 0 {
		w.sweepUntilQuiet()
	}
}

// sweepUntilQuiet sweeps until a sweep changes no object and leaves none on its way.
func (w *world) sweepUntilQuiet() {
	var before map[object.ID]journal.State
	for range maxSweeps {
		w.must("sweep", "--grace", "0s", "--stuck", "0s")
		states := w.awaitQueues()
		moving := slices.ContainsFunc(slices.Collect(maps.Values(states)), isMoving)
		if !moving && maps.Equal(before, states) {
			return
		}
		before = states
	}
	w.t.Fatalf("firn isn't quiet after %d sweeps: %s", maxSweeps, w.describeMoving())
}

func isMoving(s journal.State) bool { return !s.Final() && s != journal.Failed }

// awaitQueues waits until the queues are empty and no Glue run has an object. It returns
// the states of all objects.
func (w *world) awaitQueues() (states map[object.ID]journal.State) {
	ctx, cancel := context.WithTimeout(w.t.Context(), queueLimit)
	defer cancel()
	last := ""
	if err := poll(ctx, func() bool {
		for _, queue := range busyQueues {
			if waiting, inFlight := w.counts(queue); waiting+inFlight > 0 {
				last = fmt.Sprintf("%s has %d messages and %d in flight", queue, waiting, inFlight)
				return false
			}
		}
		states = make(map[object.ID]journal.State)
		inGlue := 0
		w.eachEntry(func(e journal.Entry) {
			states[e.ID] = e.State
			if e.State == journal.Transforming && e.Manifest != "" {
				inGlue++
			}
		})
		last = fmt.Sprintf("%d objects are in a Glue run", inGlue)
		return inGlue == 0
	}); err != nil {
		w.t.Fatalf("the queues aren't empty after %s: %s; %s", queueLimit, last, w.describeMoving())
	}
	return states
}

func (w *world) eachEntry(do func(journal.Entry)) {
	w.check("read the journal", stack.operator.Journal.Each(w.t.Context(), do))
}

// describeMoving returns the objects on their way, at most 20.
func (w *world) describeMoving() string {
	var moving []string
	w.eachEntry(func(e journal.Entry) {
		if isMoving(e.State) {
			moving = append(moving, fmt.Sprintf("%s %s is %s (%+v)", e.ID, e.Object.Key, e.State, e.Delay))
		}
	})
	return strings.Join(moving[:min(len(moving), 20)], "; ")
}

// cause is a dataset and a code.
type cause struct{ dataset, code string }

// mailPart is the part for machines of a mail about failures.
type mailPart struct {
	Schema  string `json:"schema"`
	Dataset string `json:"dataset"`
	Code    string `json:"code"`
	State   string `json:"state"`
	Count   int    `json:"count"`
	Objects []struct {
		ID object.ID `json:"object_id"`
	} `json:"objects"`
}

// awaitMails waits until the mails report each failed object: by its id, or in the
// number of the objects that a digest counts but doesn't list.
func (w *world) awaitMails() {
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	var silent []string
	if err := poll(ctx, func() bool {
		waiting, inFlight := w.counts("AlertQueue")
		if waiting+inFlight > 0 {
			return false
		}
		if silent = w.silentFailures(); len(silent) == 0 {
			return true
		}
		w.send("AlertQueue", fmt.Sprintf(`{"tick":%q}`, time.Now().UTC().Format(time.RFC3339)))
		return false
	}); err != nil {
		w.t.Errorf("no mail reports %d failures: %s", len(silent), strings.Join(silent[:min(len(silent), 20)], "; "))
	}
}

// silentFailures returns the failures that no mail reports.
func (w *world) silentFailures() []string {
	mails, err := demo.ReadMails(stack.cloud.MailDirectory())
	w.check("read the mails", err)
	named, unlisted := make(map[object.ID]bool), make(map[cause]int)
	for _, m := range mails {
		_, text, _ := strings.Cut(m.Body, "---- for machines ----")
		var part mailPart
		if json.Unmarshal([]byte(text), &part) != nil || part.State != "failed" {
			continue
		}
		for _, o := range part.Objects {
			named[o.ID] = true
		}
		unlisted[cause{part.Dataset, part.Code}] += part.Count - len(part.Objects)
	}
	var silent []string
	w.eachEntry(func(e journal.Entry) {
		c := cause{e.Dataset, e.Code}
		switch {
		case e.State != journal.Failed, named[e.ID]:
		case e.Code != "" && unlisted[c] > 0:
			unlisted[c]--
		default:
			silent = append(silent, fmt.Sprintf("%s %s: code %q, %s", e.ID, e.Object.Key, e.Code, e.Cause))
		}
	})
	return silent
}

// redriveSound redrives the failures of sound files, as an operator does after a mail.
func (w *world) redriveSound() {
	sound := make(map[object.ID]bool)
	for _, v := range w.versionsOf(func(v *version) bool { return v.sound }) {
		sound[v.object.ID()] = true
	}
	failures := make(map[cause]int)
	w.eachEntry(func(e journal.Entry) {
		if e.State == journal.Failed && sound[e.ID] {
			failures[cause{e.Dataset, e.Code}]++
			w.t.Logf("a sound file failed: %s: %s, %s", e.Object.Key, e.Code, e.Cause)
		}
	})
	for c, n := range failures {
		w.t.Logf("%d sound files of %s failed with %s", n, c.dataset, c.code)
		w.must("redrive", "--dataset", c.dataset, "--code", c.code)
	}
	if len(failures) > 0 {
		w.sweepUntilQuiet()
	}
}

// checkAudit compares the audit's differences with the deletions of the run. All other
// differences are faults.
func (w *world) checkAudit(expected judgement) {
	w.t.Helper()
	text, err := exec.CommandContext(w.t.Context(), stack.cloud.Program, "audit", "--grace", "0s", "--stuck", "0s", "--json").Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		w.t.Fatalf("firn audit: %v: %s", err, text)
	}
	var result audit.Result
	w.check("decode the audit", json.Unmarshal(text, &result))
	explained := make(map[string]int)
	for _, d := range result.Differences {
		if reason := expected.explain(d); reason != "" {
			explained[reason]++
			continue
		}
		w.t.Errorf("firn audit: %s %s %s %s: %s, %s", d.Dataset, d.Kind, d.Object, d.ID, d.One, d.Other)
	}
	for _, reason := range slices.Sorted(maps.Keys(explained)) {
		w.t.Logf("firn audit: %d differences, because %s", explained[reason], reason)
	}
}
