package journey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firn-data/firn/bench/journey"
	"github.com/firn-data/firn/internal/journal"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	var twenty []time.Duration
	for i := range 20 {
		twenty = append(twenty, time.Duration(20-i))
	}
	tests := []struct {
		all     []time.Duration
		percent int
		want    time.Duration
	}{
		{nil, 50, 0},
		{twenty[:1], 95, 20},
		{twenty, 50, 10},
		{twenty, 95, 19},
		{twenty, 100, 20},
		{twenty, 0, 1},
	}
	for _, test := range tests {
		if got := journey.Percentile(test.all, test.percent); got != test.want {
			t.Errorf("%d %% of %d = %d, want %d", test.percent, len(test.all), got, test.want)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	line := "4711 (a (strange) name) S 12 4711 4711 0 -1 4194560 100 0 0 0 150 50 7 8 20 0 5 0 100\n"
	pid, parent, spent := journey.ParseStat([]byte(line))
	if pid != 4711 || parent != 12 || spent != 2*time.Second {
		t.Errorf("process %d with parent %d took %s, want 4711, 12 and 2 s", pid, parent, spent)
	}
	for _, broken := range []string{"", "1 (x", "1 (x) S 2"} {
		if pid, parent, spent := journey.ParseStat([]byte(broken)); pid != 0 || parent != 0 || spent != 0 {
			t.Errorf("%q gives %d, %d, %s, want zero values", broken, pid, parent, spent)
		}
	}
}

func TestShortName(t *testing.T) {
	t.Parallel()
	if got := journey.ShortName("Firn-LoadFunction6E553CA4-AF6B6244223F7"); got != "load" {
		t.Errorf("the function has the name %q, want load", got)
	}
}

// TestReportMatchesFigures checks the report of one object and one burst.
func TestReportMatchesFigures(t *testing.T) {
	t.Parallel()
	put := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return put.Add(time.Duration(ms) * time.Millisecond) }
	times := journey.StateTimesOf(journal.Entry{Times: map[journal.State]time.Time{
		journal.Received: at(40), journal.Transforming: at(100), journal.Transformed: at(180), journal.Loaded: at(430),
	}}, put)
	results := journey.Results{
		Plan: journey.Plan{Rounds: 1, Single: 1, Burst: 2, Writers: 16}, Began: put, Ended: at(60000), Cold: times,
		Rounds: []journey.Round{{
			Single:    []journey.StateTimes{times},
			Burst:     journey.Burst{Times: []journey.StateTimes{times, times}, Uploaded: time.Second, Transformed: 3 * time.Second, Last: 5 * time.Second, Transactions: 2},
			SingleCPU: journey.CPU{"aws stand-in": 70 * time.Millisecond, "function load": 20 * time.Millisecond},
			BurstCPU:  journey.CPU{"aws stand-in": 80 * time.Millisecond},
		}},
	}
	var text strings.Builder
	if err := results.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| from upload to `received` | 0.04 | 0.04 | 0.04 | 0.04 |",
		"| from `received` to `transforming` | 0.06 |", "| from `transforming` to `transformed` | 0.08 |", "| from `transformed` to `loaded` | 0.25 |",
		"p50 0.43 s; target at most 0.50 s: reached.",
		"| 1 | 1.00 | 3.00 | 5.00 | 0.43 | 0.43 | 2 |",
		"loaded 5.00 s after the start of the first upload, median of 1; target at most 4.00 s: **missed**.",
		"| aws stand-in | 70.0 | 40.0 |", "| function load | 20.0 | 0.0 |", "| all | 90.0 | 40.0 |",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}
