package orders

import (
	"math/rand/v2"
	"strings"
	"time"
)

var (
	statuses  = []string{"new", "paid", "shipped", "delivered", "returned"}
	countries = []string{"DE", "US", "FR", "GB", "PL", "JP", "BR", "IN"}
	words     = strings.Fields("leave at the door ring bell twice fragile gift wrap call before delivery " +
		"neighbour has key no rush urgent spare part")
)

// poolSize is the number of different times and notes. Values repeat, as in real files,
// so that dictionary encoding has an effect.
const poolSize = 1 << 16

type pools struct {
	times, days, notes []string
}

func newPools(random *rand.Rand) pools {
	const days = 730
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	p := pools{times: make([]string, poolSize), days: make([]string, days), notes: make([]string, poolSize)}
	for i := range p.times {
		at := start.Add(time.Duration(random.IntN(days*24*3600*1000)) * time.Millisecond)
		p.times[i] = at.Format("2006-01-02T15:04:05.000Z")
	}
	for i := range p.days {
		p.days[i] = start.AddDate(0, 0, i).Format("2006-01-02")
	}
	for i := range p.notes {
		p.notes[i] = newNote(random)
	}
	return p
}

// newNote returns a note in CSV form. Of 100 notes, 16 are empty, 4 have a comma, 2
// have doubled quotes, 1 has a line end and 2 have other scripts.
func newNote(random *rand.Rand) string {
	word := func() string { return words[random.IntN(len(words))] }
	chosen := make([]string, 2+random.IntN(7))
	for i := range chosen {
		chosen[i] = word()
	}
	text := strings.Join(chosen, " ")
	switch kind := random.IntN(100); {
	case kind < 4:
		return `"` + text + ", " + word() + `"`
	case kind < 6:
		return `"` + text + ` ""` + word() + `"" ` + word() + `"`
	case kind < 7:
		return `"` + text + "\n" + word() + `"`
	case kind < 9:
		return text + " \u00fc\u00df\u65e5\u672c"
	case kind < 25:
		return ""
	default:
		return text
	}
}
