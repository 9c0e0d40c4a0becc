package journey

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// The targets of the report.
const (
	singleTarget = 500 * time.Millisecond
	burstTarget  = 4 * time.Second
)

// Write writes the section of bench/README.md.
func (r Results) Write(out io.Writer) error {
	var text strings.Builder
	r.writeHeader(&text)
	r.writeSingle(&text)
	r.writeBurst(&text)
	r.writeCPU(&text)
	_, err := io.WriteString(out, text.String())
	return err
}

func (r Results) writeHeader(out io.Writer) {
	const stamp = "2006-01-02 15:04 MST"
	fmt.Fprintf(out, "Measured %s to %s: %d rounds, each with %d files one by one and %d files at once by %d clients.\n\n",
		r.Began.UTC().Format(stamp), r.Ended.UTC().Format(stamp), r.Plan.Rounds, r.Plan.Single, r.Plan.Burst, r.Plan.Writers)
	fmt.Fprintf(out, "| machine | |\n| --- | --- |\n%s\n| load before, after | %s; %s |\n\n", strings.Join(r.Machine, "\n"), r.LoadBefore, r.LoadAfter)
}

func (r Results) writeSingle(out io.Writer) {
	fmt.Fprint(out, "### One small file\n\n| seconds | p50 | p95 | most | the first file |\n| --- | --- | --- | --- | --- |\n")
	for _, part := range intervals {
		all := durations(r.singles(), part.of)
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", part.name,
			seconds(median(all)), seconds(percentile(all, 95)), seconds(percentile(all, 100)), seconds(part.of(r.Cold)))
	}
	p50 := median(durations(r.singles(), StateTimes.total))
	fmt.Fprintf(out, "\np50 %s s; target at most %s s: %s.\n\n", seconds(p50), seconds(singleTarget), verdict(p50, singleTarget))
}

func (r Results) writeBurst(out io.Writer) {
	fmt.Fprintf(out, "### %d files at once\n\n| round | uploaded, s | last transformed, s | last loaded, s | p50, s | p95, s | transactions |\n| --- | --- | --- | --- | --- | --- | --- |\n", r.Plan.Burst)
	var lasts []time.Duration
	for i, round := range r.Rounds {
		b := round.Burst
		all := durations(b.Times, StateTimes.total)
		lasts = append(lasts, b.Last)
		fmt.Fprintf(out, "| %d | %s | %s | %s | %s | %s | %d |\n", i+1, seconds(b.Uploaded), seconds(b.Transformed), seconds(b.Last),
			seconds(median(all)), seconds(percentile(all, 95)), b.Transactions)
	}
	last := median(lasts)
	fmt.Fprintf(out, "\nThe last file is loaded %s s after the start of the first upload, median of %d; target at most %s s: %s.\n\n",
		seconds(last), len(lasts), seconds(burstTarget), verdict(last, burstTarget))
}

func (r Results) writeCPU(out io.Writer) {
	one := r.milliseconds(func(round Round) (CPU, int) { return round.SingleCPU, len(round.Single) })
	many := r.milliseconds(func(round Round) (CPU, int) { return round.BurstCPU, len(round.Burst.Times) })
	if len(one) == 0 {
		return
	}
	fmt.Fprint(out, "### Processor time per object\n\n| ms | one by one | at once |\n| --- | --- | --- |\n")
	var sumOne, sumMany float64
	for _, name := range slices.Sorted(maps.Keys(one)) {
		fmt.Fprintf(out, "| %s | %.1f | %.1f |\n", name, one[name], many[name])
		sumOne, sumMany = sumOne+one[name], sumMany+many[name]
	}
	fmt.Fprintf(out, "| all | %.1f | %.1f |\n", sumOne, sumMany)
}

// milliseconds returns each process's time per object, over all rounds.
func (r Results) milliseconds(of func(Round) (CPU, int)) map[string]float64 {
	sums, objects := make(map[string]float64), 0
	for _, round := range r.Rounds {
		taken, n := of(round)
		objects += n
		for name, spent := range taken {
			sums[name] += float64(spent.Microseconds()) / 1000
		}
	}
	for name := range sums {
		sums[name] /= float64(objects)
	}
	return sums
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func verdict(got, limit time.Duration) string {
	if got <= limit {
		return "reached"
	}
	return "**missed**"
}
