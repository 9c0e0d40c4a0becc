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

// request is the work of a batch for a dataset.
type request struct {
	dataset string
	// wanted is the work for each object. Of several messages for an object, the first
	// withdrawal counts. Without a withdrawal, the first message with the highest
	// generation counts.
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
			err = fmt.Errorf("decode work: %q isn't the name of a dataset", w.Dataset)
		}
		if err != nil {
			failed[m.ID] = &fault.Fault{Op: "decode work", Code: fault.Undecodable, Disposition: fault.Permanent, Err: err}
			continue
		}
		req := byDataset[w.Dataset]
		if req == nil {
			req = &request{dataset: w.Dataset, wanted: make(map[object.ID]work.Work), messages: make(map[object.ID][]string)}
			byDataset[w.Dataset] = req
			requests = append(requests, req)
		}
		req.add(m.ID, w)
	}
	return requests
}

func (r *request) add(message string, w work.Work) {
	id := w.Object.ID()
	r.messages[id] = append(r.messages[id], message)
	known, found := r.wanted[id]
	if !found {
		r.order = append(r.order, id)
	}
	if !found || outranks(w, known) {
		r.wanted[id] = w
	}
}

// outranks reports whether w counts instead of known, work for the same object. A
// withdrawal outranks every load: afterwards no load of the object has an effect.
func outranks(w, known work.Work) bool {
	return known.Withdraw == nil && (w.Withdraw != nil || w.Generation > known.Generation)
}

// answer stores an object's error for each message of the object; nil stores nothing.
func (r *request) answer(failed map[string]error, messages []string, err error) {
	if err == nil {
		return
	}
	for _, m := range messages {
		failed[m] = err
	}
}

// unfinished returns the work of all objects that aren't done according to the journal.
// The results of the done objects, and of objects with an unreadable journal entry, are
// in into.
func (l *Loader) unfinished(ctx context.Context, req *request, into results) []work.Work {
	done, faults := l.areDone(ctx, len(req.order), func(i int) goal { return goalOf(req.wanted[req.order[i]]) })
	var wanted []work.Work
	for i, id := range req.order {
		w := req.wanted[id]
		switch {
		case faults[i] != nil:
			into[id] = result{err: faultOf(w, faults[i])}
		case done[i]:
			into[id] = result{}
		default:
			wanted = append(wanted, w)
		}
	}
	return wanted
}

// goal is the wanted state of an object: the load of a generation, or a withdrawal.
type goal struct {
	id         object.ID
	generation int
	withdrawal bool
}

func goalOf(w work.Work) goal {
	return goal{id: w.Object.ID(), generation: w.Generation, withdrawal: w.Withdraw != nil}
}

// isReached reports whether the work for the goal is done according to the journal.
func (g goal) isReached(e journal.Entry) bool {
	if g.withdrawal {
		return e.State == journal.Withdrawn
	}
	return e.Done(g.generation)
}

// areDone calls isDone for n objects in parallel. The function of returns the goal of
// object i.
func (l *Loader) areDone(ctx context.Context, n int, of func(i int) goal) (done []bool, faults []error) {
	done, faults = make([]bool, n), make([]error, n)
	inParallel(n, func(i int) { done[i], faults[i] = l.isDone(ctx, of(i)) })
	return done, faults
}

// isDone reports whether the goal is reached according to the journal. Without a journal
// entry the answer is false, and the ledger decides: a lost entry must not lose the
// object.
func (l *Loader) isDone(ctx context.Context, g goal) (bool, error) {
	entry, err := l.Journal.Get(ctx, g.id)
	if errors.Is(err, journal.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return g.isReached(entry), nil
}

// receiptsPerRound is the number of receipts of waiting objects to read before the next
// check of the limits. Few objects with many files can fill a transaction, so the
// number bounds unused receipts and memory.
const receiptsPerRound = 100

// waiting opens other objects of the dataset that wait in the journal, at most
// Limits.Objects. If an object can't be opened, the fault is only logged here: the
// object's own message will report the fault.
func (l *Loader) waiting(ctx context.Context, req *request) []readyObject {
	log := telemetry.Logger(ctx)
	entries, err := l.Journal.Waiting(ctx, req.dataset, l.Limits.objects())
	if err != nil {
		log.WarnContext(ctx, "waiting objects not read", telemetry.Fault(fault.As(err))...)
		return nil
	}
	var others []work.Work
	for _, e := range entries {
		if _, found := req.wanted[e.ID]; found || e.Receipt == nil {
			continue
		}
		others = append(others, work.Work{
			Stage: work.Load, Dataset: req.dataset, Object: e.Object, Generation: e.Generation, Receipt: e.Receipt,
		})
	}
	var objects []readyObject
	failed := make(results)
	for chunk := range slices.Chunk(others, receiptsPerRound) {
		objects = append(objects, l.open(ctx, req.dataset, chunk, failed)...)
		if len(l.Limits.split(objects)) > 1 { // a transaction takes no more
			break
		}
	}
	for _, r := range failed {
		log.WarnContext(ctx, "waiting object left out", telemetry.Fault(fault.As(r.err))...)
	}
	for i := range objects {
		objects[i].requested = false
	}
	return objects
}
