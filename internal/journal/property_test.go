//go:build standin

package journal_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// model is the expected entry of one object in the simplest form: without index,
// expression and concurrency.
type model struct {
	state        journal.State
	attempts     int
	redrives     int
	reloads      int
	owner        string
	claimedUntil time.Time
	proof        string
	stage        work.Stage
	isSound      bool
	isUnsent     bool
	mark         string
	sweepCount   int
	sweeper      string
	lastSweepAt  time.Time
}

func (m *model) in(states ...journal.State) bool { return slices.Contains(states, m.state) }

// clearClaim removes the claim, the fault and the mark of an unsent message.
func (m *model) clearClaim(to journal.State) {
	m.state, m.owner, m.claimedUntil, m.stage, m.isUnsent = to, "", time.Time{}, "", false
}

// clearSweeps removes the claims of sweeps.
func (m *model) clearSweeps() { m.sweepCount, m.sweeper, m.lastSweepAt = 0, "", time.Time{} }

// modelRun runs each method on the table and on the model. proved means that the last
// method was an operator's, or had a receipt or a load as proof.
type modelRun struct {
	*fixture
	model

	object object.Object
	proved bool
}

func (m *modelRun) do(ctx context.Context, r *rapid.T, method string) {
	m.proved = false
	switch method {
	case "receive":
		_, err := m.Receive(ctx, m.object, m.dataset)
		m.check(r, err)
	case "ignore":
		m.check(r, m.Ignore(ctx, m.object, "r"))
	case "start":
		m.doStart(ctx, r)
	case "release":
		owner := rapid.SampledFrom([]string{"m1", "m2"}).Draw(r, "owner")
		m.check(r, m.Release(ctx, m.object.ID(), owner))
		if m.in(journal.Transforming) && m.owner == owner {
			m.attempts--
			m.clearClaim(journal.Received)
		}
	case "transformed":
		m.doTransformed(ctx, r)
	case "loaded":
		generation := m.generation(r)
		m.check(r, m.Loaded(ctx, m.object.ID(), journal.Load{LoadID: "l", Generation: generation}))
		if m.proved = true; generation == m.reloads && m.in(journal.Received, journal.Transforming, journal.Transformed, journal.Failed, journal.Dismissed) {
			m.clearClaim(journal.Loaded)
		}
	case "superseded":
		m.check(r, m.Superseded(ctx, m.object.ID(), "newer"))
		if m.proved = true; !m.in(journal.Superseded, journal.Withdrawn, journal.Ignored) {
			m.clearClaim(journal.Superseded)
		}
	case "withdrawn":
		m.check(r, m.Withdrawn(ctx, m.object.ID(), journal.Withdrawal{By: "ann", LoadID: "w"}))
		if m.proved = true; !m.in(journal.Ignored) {
			m.clearClaim(journal.Withdrawn)
		}
	case "fail":
		m.doFail(ctx, r)
	case "dismiss":
		m.doDismiss(ctx, r)
	case "redrive":
		m.doRedrive(ctx, r)
	case "sent":
		m.check(r, m.Sent(ctx, m.object.ID(), m.mark))
		m.isUnsent = false
	case "reload":
		m.doReload(ctx, r)
	case "sweep":
		m.doClaimForSweep(ctx, r)
	case "advance":
		m.advance(time.Duration(rapid.IntRange(1, 15).Draw(r, "minutes")) * time.Minute)
	}
}

func (m *modelRun) check(r *rapid.T, err error) {
	if err != nil {
		r.Fatal(err)
	}
}

func (m *modelRun) doStart(ctx context.Context, r *rapid.T) {
	owner := rapid.SampledFrom([]string{"m1", "m2"}).Draw(r, "owner")
	w := m.transformWork(m.object)
	w.Generation = m.generation(r)
	_, got, err := m.Start(ctx, w, owner, m.clock().Add(claimTime))
	m.check(r, err)
	allowed := m.owner == "" || m.owner == owner || m.claimedUntil.Before(m.clock())
	want := m.in(journal.Received, journal.Transforming) && allowed && w.Generation == m.reloads
	if got != want {
		r.Fatalf("Start by %s = %t, want %t: %+v", owner, got, want, m.model)
	}
	if want {
		m.state, m.owner, m.claimedUntil, m.isUnsent = journal.Transforming, owner, m.clock().Add(claimTime), false
		m.attempts++
	}
}

func (m *modelRun) doTransformed(ctx context.Context, r *rapid.T) {
	attempt := rapid.SampledFrom([]string{"first", "second"}).Draw(r, "receipt")
	receipt, at := m.receipt(m.object, attempt)
	receipt.Generation = m.generation(r)
	_, err := m.Transformed(ctx, receipt, at)
	m.check(r, err)
	if receipt.Generation < m.reloads {
		return
	}
	if m.in(journal.Received, journal.Transforming) || m.in(journal.Failed) && m.proof != attempt {
		m.proved = true
		m.clearClaim(journal.Transformed)
		m.clearSweeps()
		m.proof = attempt
	}
}

func (m *modelRun) doFail(ctx context.Context, r *rapid.T) {
	stage := rapid.SampledFrom([]work.Stage{work.Transform, work.Load}).Draw(r, "stage")
	code := rapid.SampledFrom([]fault.Code{fault.Exhausted, fault.CopyRefused}).Draw(r, "code")
	generation := m.generation(r)
	got, err := m.failGeneration(ctx, m.object, generation, stage, code)
	m.check(r, err)
	if want := !m.state.Final() && generation == m.reloads; got != want {
		r.Fatalf("Fail of generation %d = %t, want %t: %+v", generation, got, want, m.model)
	}
	if got {
		m.clearClaim(journal.Failed)
		m.stage, m.isSound = stage, code == fault.Exhausted
	}
}

func (m *modelRun) doDismiss(ctx context.Context, r *rapid.T) {
	_, got, err := m.Dismiss(ctx, m.object.ID(), journal.Dismissal{By: "ann", Reason: "not wanted"})
	m.check(r, err)
	if want := !m.state.Final(); got != want {
		r.Fatalf("Dismiss = %t, want %t: %+v", got, want, m.model)
	}
	if got {
		m.proved = true
		stage := m.stage
		m.clearClaim(journal.Dismissed)
		m.stage = stage
	}
}

func (m *modelRun) doRedrive(ctx context.Context, r *rapid.T) {
	redrive, err := m.Redrive(ctx, m.object.ID())
	m.check(r, err)
	moves := m.in(journal.Failed, journal.Dismissed)
	if want := moves || m.isUnsent; (redrive.Body != "") != want || (redrive.Mark != "") != want {
		r.Fatalf("Redrive has the message %q, want one %t: %+v", redrive.Body, want, m.model)
	}
	if !moves {
		return
	}
	m.proved = true
	state := journal.Received
	if m.stage == work.Load && m.isSound && m.proof != "" {
		state = journal.Transformed
	}
	m.clearClaim(state)
	m.clearSweeps()
	m.attempts, m.isUnsent, m.mark = 0, true, redrive.Mark
	m.redrives++
}

func (m *modelRun) doClaimForSweep(ctx context.Context, r *rapid.T) {
	const gap = 10 * time.Minute
	claimant := rapid.SampledFrom([]string{"s1", "s2"}).Draw(r, "claimant")
	entry, err := m.Get(ctx, m.object.ID())
	m.check(r, err)
	_, got, err := m.ClaimForSweep(ctx, entry, claimant, m.clock().Add(-gap))
	m.check(r, err)
	first := m.sweepCount == 0 || !m.lastSweepAt.After(m.clock().Add(-gap))
	if want := first || m.sweeper == claimant; got != want {
		r.Fatalf("ClaimForSweep by %s = %t, want %t: %+v", claimant, got, want, m.model)
	}
	if first {
		m.sweepCount++
	}
	if got {
		m.sweeper, m.lastSweepAt = claimant, m.clock()
	}
}

// generation draws the object's generation or the generation before.
func (m *modelRun) generation(r *rapid.T) int {
	return max(0, m.reloads-rapid.SampledFrom([]int{0, 0, 1}).Draw(r, "generations ago"))
}

func (m *modelRun) doReload(ctx context.Context, r *rapid.T) {
	reload, err := m.Reload(ctx, m.object.ID())
	m.check(r, err)
	moves := m.in(journal.Loaded, journal.Failed, journal.Dismissed)
	underWay := m.in(journal.Received, journal.Transforming, journal.Transformed) && m.reloads > 0
	sends := moves || underWay && m.isUnsent && m.in(journal.Received)
	if reload.UnderWay != underWay || (reload.Work != nil) != sends || (reload.Mark != "") != sends {
		r.Fatalf("Reload: %+v: %+v", reload, m.model)
	}
	if moves {
		m.proved = true
		m.clearClaim(journal.Received)
		m.clearSweeps()
		m.attempts, m.proof, m.isUnsent, m.mark = 0, "", true, reload.Mark
		m.reloads++
	}
}

// TestMethodsInAnyOrderMatchModel runs methods in any order. A method that a message
// causes can be of an earlier generation than the object: then only Superseded and
// Withdrawn, which hold for all generations, change the object. Two rules apply in
// addition to the model. An object leaves a final state only through a reload, or for
// Superseded or Withdrawn, and Dismissed also through a redrive or a load. An object
// leaves Failed only through a proof or an operator.
func TestMethodsInAnyOrderMatchModel(t *testing.T) {
	t.Parallel()
	// rapid draws earlier methods more often, so the last methods are those that end the
	// object's life.
	methods := []string{"fail", "reload", "transformed", "loaded", "start", "fail", "reload", "redrive", "start", "redrive", "sent", "sweep", "sweep", "release", "advance", "receive", "ignore", "dismiss", "superseded", "withdrawn"}
	rapid.Check(t, func(r *rapid.T) {
		b := newFixture(t)
		m := &modelRun{fixture: b, model: model{state: journal.Received}, object: b.receivedObject(t)}
		for range rapid.IntRange(4, 24).Draw(r, "steps") {
			before := m.state
			method := rapid.SampledFrom(methods).Draw(r, "method")
			m.do(t.Context(), r, method)
			entry, err := b.Get(t.Context(), m.object.ID())
			m.check(r, err)
			if entry.State != m.state || entry.Attempts != m.attempts || entry.Redrives != m.redrives || entry.Reloads != m.reloads || entry.Generation != m.reloads || entry.SweepCount != m.sweepCount || entry.Unsent != m.isUnsent {
				r.Fatalf("after %s: %s, %d attempts, %d redrives, generation %d after %d reloads, %d sweeps, unsent %t; want %+v",
					method, entry.State, entry.Attempts, entry.Redrives, entry.Generation, entry.Reloads, entry.SweepCount, entry.Unsent, m.model)
			}
			replaced := entry.State == journal.Superseded && before == journal.Loaded || entry.State == journal.Withdrawn ||
				before == journal.Dismissed && m.proved
			if before.Final() && entry.State != before && method != "reload" && !replaced {
				r.Fatalf("%s moved the object from %s to %s", method, before, entry.State)
			}
			if before == journal.Failed && entry.State != journal.Failed && !m.proved {
				r.Fatalf("%s moved a failed object to %s without proof", method, entry.State)
			}
		}
	})
}
