package journey

import (
	"slices"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// StateTimes is how long an object took to each of its states, each from the answer
// to its upload. The clock is the machine's own; a state's time is taken by
// who writes it, right before the journal's write.
type StateTimes struct{ Received, Transforming, Transformed, Loaded time.Duration }

func stateTimesOf(e journal.Entry, put time.Time) StateTimes {
	since := func(s journal.State) time.Duration { return e.Times[s].Sub(put) }
	return StateTimes{since(journal.Received), since(journal.Transforming), since(journal.Transformed), since(journal.Loaded)}
}

func (w StateTimes) total() time.Duration { return w.Loaded }

// interval is one part of the way.
type interval struct {
	name string
	// of is how long it took.
	of func(StateTimes) time.Duration
}

var intervals = []interval{
	{"upload answered to `received`", func(w StateTimes) time.Duration { return w.Received }},
	{"to `transforming`", func(w StateTimes) time.Duration { return w.Transforming - w.Received }},
	{"to `transformed`", func(w StateTimes) time.Duration { return w.Transformed - w.Transforming }},
	{"to `loaded`", func(w StateTimes) time.Duration { return w.Loaded - w.Transformed }},
	{"**upload answered to `loaded`**", StateTimes.total},
}

// Burst is what many files at once took, from the first upload's begin.
type Burst struct {
	Times []StateTimes
	// Uploaded is when the last upload was answered, Transformed when the last
	// receipt was in the journal, Last when the last object was loaded.
	Uploaded, Transformed, Last time.Duration
	// Transactions are those that loaded them, by the ledger.
	Transactions int64
}

// Round is everything once.
type Round struct {
	Single              []StateTimes
	Burst               Burst
	SingleCPU, BurstCPU CPU
}

// Results is what was measured.
type Results struct {
	Plan                  Plan
	Machine               []string
	LoadBefore, LoadAfter string
	Began, Ended          time.Time
	// Cold is the first file ever: no function has a process yet.
	Cold   StateTimes
	Rounds []Round
}

func (r Results) singles() []StateTimes {
	var all []StateTimes
	for _, round := range r.Rounds {
		all = append(all, round.Single...)
	}
	return all
}

func durations(ways []StateTimes, of func(StateTimes) time.Duration) []time.Duration {
	all := make([]time.Duration, len(ways))
	for i, w := range ways {
		all[i] = of(w)
	}
	return all
}

// percentile is by the nearest rank; 0 of none.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

func median(all []time.Duration) time.Duration { return percentile(all, 50) }
