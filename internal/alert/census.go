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

// Waits finds the objects that have no end yet.
type Waits interface {
	EachStuck(ctx context.Context, state journal.State, before time.Time, do func(journal.Entry) bool) error
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
	dataset string
	code    fault.Code
}

// wait has the objects of a dataset that wait for the same cause for too long.
type wait struct {
	waitKey

	objects int
	// first is the object with the longest wait, last the object with the shortest.
	first, last journal.Entry
	// next is the earliest next try; the zero time if no try is known.
	next time.Time
}

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
	return c, nil
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
	c.group(waitKey{e.Dataset, code}).add(e)
}

func (c *census) group(key waitKey) *wait {
	w, found := c.waits[key]
	if !found {
		w = &wait{waitKey: key}
		c.waits[key] = w
	}
	return w
}

func (w *wait) add(e journal.Entry) {
	w.objects++
	if w.first.ID == "" || e.Progressed.Before(w.first.Progressed) {
		w.first = e
	}
	if w.last.ID == "" || e.Progressed.After(w.last.Progressed) {
		w.last = e
	}
	if e.Delay != nil && e.Delay.Code == w.code && (w.next.IsZero() || e.Delay.Next.Before(w.next)) {
		w.next = e.Delay.Next
	}
}

// sorted returns the waits in the order of dataset and code.
func (c *census) sorted() []*wait {
	all := make([]*wait, 0, len(c.waits))
	for _, w := range c.waits {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *wait) int {
		return cmp.Or(strings.Compare(a.dataset, b.dataset), strings.Compare(string(a.code), string(b.code)))
	})
	return all
}
