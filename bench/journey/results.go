package journey

import (
	"slices"
	"time"

	"github.com/firn-data/firn/internal/journal"
)

// StateTimes has the times from the answer to an object's upload to each of the
// object's states. All times come from the machine's clock. A writer takes the time of
// a state directly before the write to the journal.
type StateTimes struct{ Received, Transforming, Transformed, Loaded time.Duration }

func stateTimesOf(e journal.Entry, put time.Time) StateTimes {
	since := func(s journal.State) time.Duration { return e.Times[s].Sub(put) }
	return StateTimes{since(journal.Received), since(journal.Transforming), since(journal.Transformed), since(journal.Loaded)}
}

func (t StateTimes) total() time.Duration { return t.Loaded }

// interval is one part of the path.
type interval struct {
	name string
	// of returns the interval's duration.
	of func(StateTimes) time.Duration
}

var intervals = []interval{
	{"from upload to `received`", func(t StateTimes) time.Duration { return t.Received }},
	{"from `received` to `transforming`", func(t StateTimes) time.Duration { return t.Transforming - t.Received }},
	{"from `transforming` to `transformed`", func(t StateTimes) time.Duration { return t.Transformed - t.Transforming }},
	{"from `transformed` to `loaded`", func(t StateTimes) time.Duration { return t.Loaded - t.Transformed }},
	{"**from upload to `loaded`**", StateTimes.total},
}

// Burst holds the times of files that are uploaded at once.
type Burst struct {
	Times []StateTimes
	// Uploaded, Transformed and Last start with the first upload. Uploaded ends with
	// the answer to the last upload, and Transformed with the last receipt in the
	// journal. Last ends with the load of the last object.
	Uploaded, Transformed, Last time.Duration
	// Transactions is the number of transactions that loaded the objects, from the
	// ledger.
	Transactions int64
}

// Round is one measurement of single files and of a burst.
type Round struct {
	Single              []StateTimes
	Burst               Burst
	SingleCPU, BurstCPU CPU
}

// Results holds the results of all rounds.
type Results struct {
	Plan                  Plan
	Machine               []string
	LoadBefore, LoadAfter string
	Began, Ended          time.Time
	// Cold is the result of the first file. Before this file, no function has a
	// process.
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

func durations(times []StateTimes, of func(StateTimes) time.Duration) []time.Duration {
	all := make([]time.Duration, len(times))
	for i, t := range times {
		all[i] = of(t)
	}
	return all
}

// percentile returns the nearest rank. The percentile of an empty list is 0.
func percentile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

func median(all []time.Duration) time.Duration { return percentile(all, 50) }
