package alert

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
)

// Waits finds the objects and the ingestion runs that have no end yet.
type Waits interface {
	EachStuck(ctx context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error
	EachRunWithoutEnd(ctx context.Context, do func(journal.Run) bool) error
}

// waitingStates are the states of objects without an end.
var waitingStates = []journal.State{journal.Received, journal.Transforming, journal.Transformed}

// census has the waiting objects of one moment: counts for the metrics, and the waits
// that last too long, by dataset and code.
type census struct {
	at                  time.Time
	toTransform, toLoad int
	// oldest is the longest wait of an object outside paused datasets.
	oldest time.Duration
	waits  map[waitKey]*wait
}

type waitKey struct {
	// kind is kindWait or kindRun.
	kind    string
	dataset string
	code    fault.Code
}

// wait has the objects, or the ingestion runs, of a dataset that wait for the same cause
// for too long.
type wait struct {
	waitKey

	count int
	// first has the longest wait, last the shortest.
	first, last waiter
	// next is the earliest next try; the zero time if no try is known.
	next time.Time
}

// waiter is a waiting object or a waiting run.
type waiter interface {
	// progressed is the time of the last progress.
	progressed() time.Time
	// delay is the last failed try; nil for none.
	delay() *journal.Delay
	// describe returns the line of a mail.
	describe() string
	// addTo adds the waiter to the JSON part of a mail.
	addTo(m *machineWait)
}

type waitingObject struct{ journal.Entry }

func (w waitingObject) progressed() time.Time { return w.Progressed }
func (w waitingObject) delay() *journal.Delay { return w.Delay }

type waitingRun struct{ journal.Run }

func (w waitingRun) progressed() time.Time { return w.Progressed }
func (w waitingRun) delay() *journal.Delay { return w.Delay }

// takeCensus reads all waiting objects. The memory doesn't grow with the number of
// objects.
func takeCensus(ctx context.Context, waits Waits, at time.Time) (*census, error) {
	c := &census{at: at, waits: make(map[waitKey]*wait)}
	for _, state := range waitingStates {
		err := waits.EachStuck(ctx, state, at, func(e journal.Entry) bool {
			c.add(e)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	err := waits.EachRunWithoutEnd(ctx, func(r journal.Run) bool {
		c.addRun(r)
		return true
	})
	return c, err
}

func (c *census) add(e journal.Entry) {
	if e.State == journal.Transformed {
		c.toLoad++
	} else {
		c.toTransform++
	}
	code := e.WaitCode(c.at)
	age := c.at.Sub(e.Progressed)
	if code != fault.DatasetPaused {
		c.oldest = max(c.oldest, age)
	}
	if !e.WaitsTooLong(c.at) {
		return
	}
	c.group(waitKey{kindWait, e.Dataset, code}).add(waitingObject{e})
}

func (c *census) addRun(r journal.Run) {
	if r.WaitsTooLong(c.at) {
		c.group(waitKey{kindRun, r.Dataset, r.WaitCode(c.at)}).add(waitingRun{r})
	}
}

func (c *census) group(key waitKey) *wait {
	w, found := c.waits[key]
	if !found {
		w = &wait{waitKey: key}
		c.waits[key] = w
	}
	return w
}

func (w *wait) add(one waiter) {
	w.count++
	if w.count == 1 || one.progressed().Before(w.first.progressed()) {
		w.first = one
	}
	if w.count == 1 || one.progressed().After(w.last.progressed()) {
		w.last = one
	}
	if d := one.delay(); d != nil && d.Code == w.code && (w.next.IsZero() || d.Next.Before(w.next)) {
		w.next = d.Next
	}
}

// sorted returns the waits in the order of dataset, kind and code.
func (c *census) sorted() []*wait {
	all := make([]*wait, 0, len(c.waits))
	for _, w := range c.waits {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *wait) int {
		return cmp.Or(strings.Compare(a.dataset, b.dataset), strings.Compare(a.kind, b.kind), strings.Compare(string(a.code), string(b.code)))
	})
	return all
}
