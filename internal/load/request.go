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

// request is the work of one batch for one dataset.
type request struct {
	dataset string
	// wanted is the work for each object: of several messages for one object,
	// that of the highest generation, then the first.
	wanted map[object.ID]work.Work
	// order has the objects in the order of the batch, each object once.
	order []object.ID
	// messages has the ids of each object's messages.
	messages map[object.ID][]string
}

// datasetName matches the dataset names that can become table names.
var datasetName = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// decode groups the messages of a batch by dataset, in the order of the batch. An
// undecodable message gets a permanent fault in failed.
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

// answer stores an object's error for each of its messages; nil stores nothing.
func (r *request) answer(failed map[string]error, messages []string, err error) {
	if err == nil {
		return
	}
	for _, m := range messages {
		failed[m] = err
	}
}

// unfinished returns the work of all objects that aren't done according to the journal.
// The done objects, and those with an unreadable journal entry, have their results in
// into.
func (l *Loader) unfinished(ctx context.Context, asked *request, into results) []work.Work {
	done, faults := l.areDone(ctx, len(asked.order), func(i int) (object.ID, int) {
		return asked.order[i], asked.wanted[asked.order[i]].Generation
	})
	var wanted []work.Work
	for i, id := range asked.order {
		w := asked.wanted[id]
		switch {
		case faults[i] != nil:
			into[id] = result{err: fault.ForObject(faults[i], string(id), w.Dataset, w.Object.URI())}
		case done[i]:
			into[id] = result{}
		default:
			wanted = append(wanted, w)
		}
	}
	return wanted
}

// areDone asks final of n objects with their generations at once.
func (l *Loader) areDone(ctx context.Context, n int, of func(i int) (object.ID, int)) (done []bool, faults []error) {
	done, faults = make([]bool, n), make([]error, n)
	inParallel(n, func(i int) {
		id, generation := of(i)
		done[i], faults[i] = l.isDone(ctx, id, generation)
	})
	return done, faults
}

// isDone reports whether the journal calls a generation of an object done. A
// journal that lost the entry mustn't lose the object: the ledger decides.
func (l *Loader) isDone(ctx context.Context, id object.ID, generation int) (bool, error) {
	entry, err := l.Journal.Get(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return entry.Done(generation), nil
}

// receiptsAtATime is the number of receipts of waiting objects to read before the next
// check of the limits. Few objects with many files can fill a transaction, so the
// number bounds unused receipts and memory.
const receiptsAtATime = 100

// waiting opens other objects of the dataset that wait in the journal, at most
// Limits.Objects. If an object can't be opened, the fault is only logged here: the
// object's own message fails with a dead letter.
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
		if len(l.Limits.split(objects)) > 1 { // a transaction takes no more
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
