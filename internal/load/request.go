package load

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// request is what one batch asks for of one dataset.
type request struct {
	dataset string
	// wanted is the work for each object: of several messages for one object,
	// that of the highest generation, then the first.
	wanted map[object.ID]work.Work
	// order is the objects as the batch has them.
	order []object.ID
	// messages are those that ask for each object.
	messages map[object.ID][]string
}

// datasetName is what may become the name of a table.
var datasetName = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// decode sorts a batch by dataset, in the order of the messages.
func decode(messages []batch.Message, failed map[string]error) []*request {
	var requests []*request
	byDataset := make(map[string]*request)
	for _, m := range messages {
		w, err := work.Decode(m.Body, work.Load)
		if err == nil && !datasetName.MatchString(w.Dataset) {
			err = fmt.Errorf("decode work: %q is no dataset", w.Dataset)
		}
		if err != nil {
			failed[m.ID] = &fault.Fault{Op: "decode work", Code: fault.Undecodable, Disposition: fault.Permanent, Err: err}
			continue
		}
		asked := byDataset[w.Dataset]
		if asked == nil {
			asked = &request{dataset: w.Dataset, wanted: make(map[object.ID]work.Work), messages: make(map[object.ID][]string)}
			byDataset[w.Dataset] = asked
			requests = append(requests, asked)
		}
		asked.add(m.ID, w)
	}
	return requests
}

func (r *request) add(message string, w work.Work) {
	id := w.Object.ID()
	r.messages[id] = append(r.messages[id], message)
	had, found := r.wanted[id]
	if !found {
		r.order = append(r.order, id)
	}
	if !found || w.Generation > had.Generation {
		r.wanted[id] = w
	}
}

// answer writes an object's error to each of its messages.
func (r *request) answer(failed map[string]error, messages []string, err error) {
	if err == nil {
		return
	}
	for _, m := range messages {
		failed[m] = err
	}
}

// unfinished returns the work whose objects the journal doesn't call done.
func (l *Loader) unfinished(ctx context.Context, asked *request, into results) []work.Work {
	done, faults := l.finals(ctx, len(asked.order), func(i int) (object.ID, int) {
		return asked.order[i], asked.wanted[asked.order[i]].Generation
	})
	var wanted []work.Work
	for i, id := range asked.order {
		w := asked.wanted[id]
		switch {
		case faults[i] != nil:
			into[id] = result{err: fault.On(faults[i], string(id), w.Dataset, w.Object.URI())}
		case done[i]:
			into[id] = result{}
		default:
			wanted = append(wanted, w)
		}
	}
	return wanted
}

// finals asks final of n objects with their generations at once.
func (l *Loader) finals(ctx context.Context, n int, of func(i int) (object.ID, int)) (done []bool, faults []error) {
	done, faults = make([]bool, n), make([]error, n)
	atOnce(n, func(i int) {
		id, generation := of(i)
		done[i], faults[i] = l.final(ctx, id, generation)
	})
	return done, faults
}

// final reports whether the journal calls a generation of an object done. A
// journal that lost the entry mustn't lose the object: the ledger decides.
func (l *Loader) final(ctx context.Context, id object.ID, generation int) (bool, error) {
	entry, err := l.Journal.Get(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return entry.Done(generation), nil
}

// receiptsAtATime bounds the receipts that are read in vain, and so the memory,
// where a few objects have so many files that they fill a transaction.
const receiptsAtATime = 100

// waiting opens the objects that wait in the journal besides those asked for.
// One that can't be opened is left to its own message, which will fail with a
// dead letter; here it is only noted.
func (l *Loader) waiting(ctx context.Context, asked *request) []readyObject {
	log := telemetry.Logger(ctx)
	entries, err := l.Journal.Waiting(ctx, asked.dataset, l.Limits.objects())
	if err != nil {
		log.WarnContext(ctx, "waiting objects not read", telemetry.Fault(fault.As(err))...)
		return nil
	}
	var others []work.Work
	for _, e := range entries {
		if _, found := asked.wanted[e.ID]; found || e.Receipt == nil {
			continue
		}
		others = append(others, work.Work{
			Stage: work.Load, Dataset: asked.dataset, Object: e.Object, Generation: e.Generation, Receipt: e.Receipt,
		})
	}
	var objects []readyObject
	unopened := make(results)
	for some := range slices.Chunk(others, receiptsAtATime) {
		objects = append(objects, l.open(ctx, asked.dataset, some, unopened)...)
		if len(l.Limits.split(objects)) > 1 { // no transaction takes more
			break
		}
	}
	for _, r := range unopened {
		log.WarnContext(ctx, "waiting object left out", telemetry.Fault(fault.As(r.err))...)
	}
	for i := range objects {
		objects[i].asked = false
	}
	return objects
}
