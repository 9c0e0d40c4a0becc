// Package reads_test measures the reads of firn status, firn audit and the sweep: requests,
// items and memory for journals of several sizes.
package reads_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/operator"
	"github.com/firn-data/firn/internal/operator/audit"
	"github.com/firn-data/firn/internal/route"
	"github.com/firn-data/firn/internal/work"
)

// sizes are the numbers of journal entries.
var sizes = flag.String("items", "1000,5000", "the numbers of journal entries, separated by commas, the smallest first")

var contracts = contract.Set{
	{Source: "shop", Entity: "large", Version: "1.0.0", KeyPrefix: "shop/large/"},
	{Source: "shop", Entity: "small", Version: "1.0.0", KeyPrefix: "shop/small/"},
}

// command is a measured command.
type command struct {
	name string
	run  func(ctx context.Context, s *store) error
	// constant means that the reads don't depend on the size of the journal.
	constant bool
}

var commands = []command{
	{"firn status", showStatus, true},
	{"firn audit --dataset shop.small", func(ctx context.Context, s *store) error { return auditAll(ctx, s, "shop.small") }, true},
	{"firn audit", func(ctx context.Context, s *store) error { return auditAll(ctx, s, "") }, false},
	{"sweep", sweep, false},
}

func showStatus(ctx context.Context, s *store) error {
	o := &operator.Operator{Contracts: contracts, Journal: s.table()}
	summaries, err := o.Summaries(ctx, noon)
	if err != nil {
		return err
	}
	small := summaries[1]
	if small.Waiting != smallWaiting || len(small.FailedByCode) != 1 || small.FailedByCode[0].Objects != smallFailed || !small.Paused {
		return fmt.Errorf("the summary is %+v", small)
	}
	return nil
}

func (s *store) table() *journal.Table {
	return &journal.Table{Client: s, Name: "journal", Now: func() time.Time { return noon }}
}

func auditAll(ctx context.Context, s *store, dataset string) error {
	a := &audit.Auditor{
		Contracts: contracts, Journal: s.table(), Objects: s, LandingBucket: "landing", CuratedBucket: "curated",
		Open: func(context.Context) (audit.Ledger, error) { return s, nil },
		Now:  func() time.Time { return noon }, Stuck: 10_000 * time.Hour,
	}
	result, err := a.Run(ctx, dataset)
	if err != nil {
		return err
	}
	entries := 0
	for _, d := range result.Datasets {
		for _, n := range d.Journal {
			entries += n
		}
	}
	if want := map[string]int{"": s.objects, "shop.small": smallObjects}[dataset]; entries != want || len(result.Differences) > 0 {
		return fmt.Errorf("%d entries, want %d, and %d differences", entries, want, len(result.Differences))
	}
	return nil
}

// sweep handles a sweep and its continuations.
func sweep(ctx context.Context, s *store) error {
	if err := s.table().SetSweptUntil(ctx, noon.Add(-time.Hour)); err != nil {
		return err
	}
	r := &route.Router{
		Contracts: contracts, Journal: s.table(), Lister: s, Sender: s, Now: time.Now,
		LandingBucket: "landing", CuratedBucket: "curated", TransformURL: "transform", LoadURL: "load", RouteURL: "route",
	}
	clock := noon
	r.Now = func() time.Time { return clock }
	for s.sent = []string{work.Sweep{At: noon}.Encode()}; len(s.sent) > 0; {
		body := s.sent[0]
		s.sent = s.sent[1:]
		if err := r.Handle(ctx, []batch.Message{{ID: "m", Body: body, Queue: "route"}})["m"]; err != nil {
			return err
		}
	}
	return nil
}

// measure is the cost of a command.
type measure struct {
	requests, items int
	// peak is the largest heap above the heap before the command, in bytes.
	peak uint64
	// seconds are the CPU seconds of all threads.
	seconds float64
}

func measureCommand(ctx context.Context, c command, objects int) (measure, error) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	s, started := &store{objects: objects}, cpuTime()
	stop := watchHeap()
	err := c.run(ctx, s)
	peak := stop()
	return measure{s.requests, s.items, max(peak, before.HeapAlloc) - before.HeapAlloc, (cpuTime() - started).Seconds()}, err
}

// watchHeap reads the size of the heap every few milliseconds until the call of the
// returned function, which returns the largest size.
func watchHeap() func() uint64 {
	end, peak := make(chan struct{}), make(chan uint64)
	go func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for largest := uint64(0); ; {
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			largest = max(largest, memory.HeapAlloc)
			select {
			case <-end:
				peak <- largest
				return
			case <-ticker.C:
			}
		}
	}()
	return func() uint64 {
		close(end)
		return <-peak
	}
}

// cpuTime is the processor time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// maxPeak is the largest heap of a command on a journal of any size. The collector of
// memory runs at a quarter more than the used memory.
const maxPeak = 96 << 20

// TestReadsGrowWithTheQuestion: the reads of a status and of the audit of a small dataset
// don't depend on the journal. All other reads are linear, with bounded memory.
func TestReadsGrowWithTheQuestion(t *testing.T) { //nolint:paralleltest // the memory of the process is measured
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "command\tentries\trequests\titems\tpeak MiB\tCPU s")
	for _, c := range commands {
		var first measure
		firstSize := 0
		for size := range strings.SplitSeq(*sizes, ",") {
			objects, err := strconv.Atoi(size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := measureCommand(t.Context(), c, objects)
			if err != nil {
				t.Fatalf("%s of %d entries: %v", c.name, objects, err)
			}
			fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%.1f\t%.2f\n", c.name, objects, got.requests, got.items, float64(got.peak)/(1<<20), got.seconds)
			if firstSize == 0 {
				first, firstSize = got, objects
			}
			growth := objects / firstSize
			switch {
			case c.constant && (got.requests > first.requests+maxPagesMore || got.items > first.items+maxItemsMore):
				t.Errorf("%s: %+v of %d entries, and %+v of %d entries", c.name, got, objects, first, firstSize)
			case !c.constant && (got.requests > first.requests*growth || got.items > first.items*growth):
				t.Errorf("%s isn't linear: %+v of %d entries, and %+v of %d entries", c.name, got, objects, first, firstSize)
			case got.peak > maxPeak:
				t.Errorf("%s of %d entries needs %d bytes", c.name, objects, got.peak)
			}
		}
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
}

// The limits of a status: one count of 1,000 objects of a dataset, and the 100 oldest.
const (
	maxPagesMore = 2
	maxItemsMore = 1100
)
