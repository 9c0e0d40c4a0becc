package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
)

// Loader is the load stage.
type Loader struct {
	Warehouse Warehouse
	Receipts  Receipts
	Versions  Versions
	Journal   Journal
	Publisher Publisher
	// CuratedBucket is the bucket behind the stage: receipts anywhere else are
	// refused.
	CuratedBucket string
	// Contracts say what is done about duplicate content.
	Contracts contract.Set
	// NewID makes load ids, unique for ever.
	NewID func() string
	// Limits bound one transaction. The zero value takes the defaults.
	Limits Limits
	// Margin is the time before the invocation's deadline that is kept for
	// giving up in order: a cancelled statement sends an abort request with
	// retries of its own. Defaults to 20 seconds.
	Margin time.Duration
}

const margin = 20 * time.Second

// Handle loads the batch, and whatever waits of the same datasets. It is a
// batch.Handler.
func (l *Loader) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	ctx, cancel := l.withMargin(ctx)
	defer cancel()
	failed := make(map[string]error)
	for _, asked := range decode(messages, failed) {
		results, err := l.guard(ctx, asked)
		for id, waiting := range asked.messages {
			asked.answer(failed, waiting, results.verdict(id, err))
		}
	}
	return failed
}

// guard keeps one dataset's panic from the others.
func (l *Loader) guard(ctx context.Context, asked *request) (results results, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Retried("load dataset", fault.Crashed, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	return l.dataset(ctx, asked), nil
}

// dataset loads what was asked for of one dataset.
func (l *Loader) dataset(ctx context.Context, asked *request) results {
	results := make(results)
	wanted := l.unfinished(ctx, asked, results)
	if len(wanted) == 0 {
		return results
	}
	objects := l.open(ctx, asked.dataset, wanted, results)
	maps.Copy(results, l.loadAll(ctx, asked, objects))
	return results
}

// loadAll loads the objects in as few transactions as the limits and the poisoned
// objects allow. Other waiting objects of the dataset join the last transaction.
func (l *Loader) loadAll(ctx context.Context, asked *request, objects []readyObject) results {
	all := make(results)
	pending := l.Limits.split(objects)
	waiting := func(ctx context.Context) []readyObject { return l.waiting(ctx, asked) }
	for len(pending) > 0 {
		joining := nobody
		if len(pending) == 1 {
			joining, waiting = waiting, nobody // once
		}
		group, got, err := l.loadOnce(ctx, asked.dataset, pending[0], joining)
		maps.Copy(all, got)
		if err == nil {
			pending = pending[1:]
			continue
		}
		log := telemetry.Logger(ctx)
		log.WarnContext(ctx, "group rolled back", append(telemetry.Fault(fault.As(err)), telemetry.KeyCount, len(group))...)
		parts, isolated := isolate(group, err, all)
		if !isolated { // the dataset's fault, or Snowflake's: the others would meet it too
			for _, g := range pending {
				l.leave(ctx, g, err, all)
			}
			return all
		}
		pending = append(parts, pending[1:]...)
	}
	return all
}

// leave gives a group up for a fault that is none of its objects'. Whoever held
// the lock that was waited for may have loaded the same objects: what the
// journal calls done by now needn't come back to learn that.
func (l *Loader) leave(ctx context.Context, group []readyObject, err error, into results) {
	into.fail(group, err)
	if !fault.Is(err, fault.LockBusy) {
		return
	}
	asked := slices.DeleteFunc(slices.Clone(group), func(o readyObject) bool { return !o.asked })
	done, _ := l.finals(ctx, len(asked), func(i int) (object.ID, int) { return asked[i].id(), asked[i].Generation }) // no answer is no
	for i, o := range asked {
		if done[i] {
			into[o.id()] = result{}
		}
	}
}

// joiners finds the objects that may join a group once its transaction has the
// lock. An earlier search would find objects that the lock's holder still loads.
type joiners func(ctx context.Context) []readyObject

func nobody(context.Context) []readyObject { return nil }

// loadOnce runs the protocol if the invocation's time allows. It returns the
// group with those that joined it.
func (l *Loader) loadOnce(ctx context.Context, dataset string, group []readyObject, joining joiners) ([]readyObject, results, error) {
	if err := ctx.Err(); err != nil {
		return group, nil, fault.Dependency("start load", fault.SnowflakeAway, fmt.Errorf("the invocation's time is over: %w", err))
	}
	t := l.newTransaction(dataset, group, joining)
	results, err := t.load(ctx)
	return t.group, results, err
}

func (l *Loader) withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	kept := l.Margin
	if kept <= 0 {
		kept = margin
	}
	return context.WithDeadline(ctx, deadline.Add(-kept))
}

// result is what became of one object.
type result struct {
	// err is nil if the object is done: loaded, loaded before, or superseded.
	err error
}

type results map[object.ID]result

// verdict returns an object's error. An object that nobody judged isn't done.
func (r results) verdict(id object.ID, err error) error {
	judged, found := r[id]
	switch {
	case err != nil:
		return err
	case !found:
		return fault.Retried("load object", fault.Unexpected, fmt.Errorf("object %s was left out", id))
	}
	return judged.err
}

func (r results) fail(group []readyObject, err error) {
	for _, o := range group {
		r[o.id()] = result{err: o.fault(err)}
	}
}

// isolate finds what of a failed group can go on without the rest. Objects
// that are certainly at fault fail; suspects are tried alone, so that a
// message which names the wrong file accuses nobody; a group of which none is
// suspected is halved. It returns false for an error that is no object's.
func isolate(group []readyObject, err error, into results) (parts [][]readyObject, isolated bool) {
	var blamed *blame
	if !errors.As(err, &blamed) {
		return nil, false
	}
	if len(blamed.certain) > 0 {
		rest := without(group, func(o readyObject) bool { return blamed.certain[o.id()] != nil })
		for id, f := range blamed.certain {
			into[id] = result{err: f}
		}
		return nonEmpty(rest), true
	}
	if len(group) == 1 {
		into.fail(group, blamed.err)
		return nil, true
	}
	rest := without(group, func(o readyObject) bool { return blamed.suspects[o.id()] })
	if len(rest) == 0 || len(rest) == len(group) {
		return nonEmpty(group[:len(group)/2], group[len(group)/2:]), true
	}
	parts = nonEmpty(rest)
	for _, o := range group {
		if blamed.suspects[o.id()] {
			parts = append(parts, []readyObject{o})
		}
	}
	return parts, true
}

func without(group []readyObject, drop func(readyObject) bool) []readyObject {
	var rest []readyObject
	for _, o := range group {
		if !drop(o) {
			rest = append(rest, o)
		}
	}
	return rest
}

func nonEmpty(groups ...[]readyObject) [][]readyObject {
	var kept [][]readyObject
	for _, g := range groups {
		if len(g) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}
