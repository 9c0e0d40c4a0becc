//go:build endtoend

package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// maxBacklog is the largest number of files that wait for their transform. So commands
// and faults meet objects in all states.
const maxBacklog = 25

// TestChaosLeavesExactRows runs all actions in a drawn order. Afterwards the tables have
// exactly the rows of the newest sound versions that aren't withdrawn.
func TestChaosLeavesExactRows(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = uint64(time.Now().Unix())
	}
	fmt.Printf("SEED=%d replays this run\n", first)
	w := newWorld(t, rand.New(rand.NewPCG(first, 0)))
	w.configure()
	w.setNotifications(stack.operator.Stack.LandingBucket, false)
	began := time.Now()
	done := make(map[string]int)
	for i, a := range planOf(w.r, *objects) {
		t.Logf("%4d %s", i, a.name)
		a.do(w)
		done[a.name]++
		w.awaitBacklog()
	}
	t.Logf("the actions took %s", time.Since(began).Round(time.Second))
	for _, step := range []struct {
		name string
		do   func()
	}{{"the queues were empty", w.settle}, {"all failures had a mail", w.awaitMails}, {"firn was quiet", w.redriveSound}} {
		step.do()
		t.Logf("%s after %s", step.name, time.Since(began).Round(time.Second))
	}
	expected := w.judge()
	w.checkTables(expected)
	w.checkStates(expected)
	w.checkAudit(expected)
	w.report(done)
}

// awaitBacklog waits while too many files wait for their transform.
func (w *world) awaitBacklog() {
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLimit)
	defer cancel()
	if err := poll(ctx, func() bool {
		routed, routing := w.counts("RouteQueue")
		transformed, transforming := w.counts("TransformQueue")
		return routed+routing+transformed+transforming <= maxBacklog
	}); err != nil {
		w.t.Fatalf("more than %d files wait for their transform after %s", maxBacklog, waitLimit)
	}
}

// report prints the numbers of the actions and of their effects.
func (w *world) report(done map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(done)) {
		w.t.Logf("%5d x %s", done[name], name)
	}
	w.t.Logf("%d processes of functions were killed, %d commands had to run again at the end, refused commands: %v",
		w.killed, len(w.owed), w.refused)
}
