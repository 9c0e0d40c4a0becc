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

// Loader is the load stage. It copies the Parquet files of transformed objects to
// Snowflake, and records each object in the ledger of its dataset.
//
// A message is one SQS message of the load queue. Its body is the work for one object:
// the dataset, the object, the generation and the location of the receipt. SQS delivers
// at least once, so several messages can ask for the same object.
//
// Handle returns an error for each message whose object isn't done. Package batch acts
// on the disposition of the error:
// - no error: SQS deletes the message, so the message is acknowledged.
// - retry after a delay: the message comes back, and no attempt is counted. Faults of dependencies have this disposition.
// - retry: the message comes back, and an attempt is counted. The last attempt makes the fault permanent.
// - permanent: the journal records the failure, and the message goes to the dead-letter queue.
//
// An object is done after three steps, in this order:
// - COMMIT: the ledger has the object, or a newer version of its key.
// - The load is announced on the topic Loaded.
// - The journal has the object as loaded or superseded.
//
// A crash between two steps loses nothing. The message comes back, and the next loader
// finds the object in the ledger. The loader announces the load again and writes the
// journal, without a second COPY.
type Loader struct {
	Warehouse Warehouse
	Receipts  Receipts
	Versions  Versions
	Journal   Journal
	Publisher Publisher
	// CuratedBucket is the bucket of the stage. A receipt in any other bucket is
	// refused.
	CuratedBucket string
	// Contracts decide about an object with the bytes of another loaded key: load it,
	// load it with a warning, or refuse it. Without a contract, the object is loaded
	// with a warning.
	Contracts contract.Set
	// NewID makes the id of one load. The id is unique for all time: the ledger names a
	// load by its id.
	NewID func() string
	// Limits bound one transaction: by default 1,000 objects, 1,000 files and 2 GiB of
	// Parquet.
	Limits Limits
	// Margin is the time between the end of the loader's context and the deadline of
	// the invocation. In this time the driver aborts a cancelled statement, with
	// retries, and the loader rolls back. Defaults to 20 seconds.
	Margin time.Duration
}

const margin = 20 * time.Second

// Handle loads the objects of a batch, one dataset after the other. It also loads other
// objects of these datasets that wait in the journal. Handle is a batch.Handler: the
// result has the error of each message that isn't done, by the id of the message.
//
// An undecodable message is a permanent fault of code undecodable_message. An object's
// error goes to all messages for the object.
func (l *Loader) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	ctx, cancel := l.withMargin(ctx)
	defer cancel()
	failed := make(map[string]error)
	for _, asked := range decode(messages, failed) {
		results, err := l.guard(ctx, asked)
		for id, waiting := range asked.messages {
			asked.answer(failed, waiting, results.errorOf(id, err))
		}
	}
	return failed
}

// guard turns a panic into a fault for all messages of one dataset: a retry of code
// crashed. The other datasets of the batch continue.
func (l *Loader) guard(ctx context.Context, asked *request) (results results, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Retryable("load dataset", fault.Crashed, fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	return l.dataset(ctx, asked), nil
}

// dataset loads the requested objects of one dataset. An object is done at once if the
// journal has it as loaded or superseded. An object without a readable receipt fails
// alone.
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

// loadAll loads the objects in groups, one transaction for each group, one group after
// the other. Limits.split makes the groups, in the order of the batch: a new group
// begins where a limit would be exceeded. An object above a limit is a group of its
// own.
//
// The last group also gets other objects of the dataset that wait in the journal, up to
// the limits. No message of this invocation asks for these objects, so their results
// change no message.
//
// After a fault the group's transaction is rolled back. There are two kinds of faults:
// - An object of the group caused the fault. isolate cuts the group into smaller groups, and these are the next groups.
// - Snowflake or the dataset caused the fault: Snowflake is away, the lock is busy, the dataset is paused, the result of COMMIT is unknown, or the time is over. All remaining objects of the dataset get the fault, and no further group is tried.
func (l *Loader) loadAll(ctx context.Context, asked *request, objects []readyObject) results {
	all := make(results)
	pending := l.Limits.split(objects)
	waiting := func(ctx context.Context) []readyObject { return l.waiting(ctx, asked) }
	for len(pending) > 0 {
		joining := noneWaiting
		if len(pending) == 1 {
			joining, waiting = waiting, noneWaiting // only once
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
		if !isolated { // Snowflake or the dataset caused the fault, so the other groups would fail too
			for _, g := range pending {
				l.giveUp(ctx, g, err, all)
			}
			return all
		}
		pending = append(parts, pending[1:]...)
	}
	return all
}

// giveUp gives a group up for a fault that is none of its objects'. Whoever held
// the lock that was waited for may have loaded the same objects: what the
// journal calls done by now needn't come back to learn that.
func (l *Loader) giveUp(ctx context.Context, group []readyObject, err error, into results) {
	into.fail(group, err)
	if !fault.Is(err, fault.LockBusy) {
		return
	}
	asked := slices.DeleteFunc(slices.Clone(group), func(o readyObject) bool { return !o.asked })
	done, _ := l.areDone(ctx, len(asked), func(i int) (object.ID, int) { return asked[i].id(), asked[i].Generation }) // without an answer, an object counts as not done
	for i, o := range asked {
		if done[i] {
			into[o.id()] = result{}
		}
	}
}

// findWaitingFunc finds the objects that may join a group once its transaction has the
// lock. An earlier search would find objects that the lock's holder still loads.
type findWaitingFunc func(ctx context.Context) []readyObject

func noneWaiting(context.Context) []readyObject { return nil }

// loadOnce runs one transaction with the group, by the load protocol in protocol.go. It
// returns the group with the added waiting objects.
//
// If Snowflake is away, the fault is snowflake_away, snowflake_login_refused or
// warehouse_away. Each of them is retried after a delay and counts no attempt. During
// an outage the breaker refuses further logins.
//
// If the context has ended, loadOnce starts nothing. If the context ends during a
// transaction, the current statement is cancelled and the transaction is rolled back.
// In both cases the fault is snowflake_away, retried after a delay. The time ends at
// the invocation's deadline minus Margin.
//
// An error of COMMIT leaves the result unknown. Then a new session counts the ledger
// rows of this load id, within 15 seconds. If all rows are there, the load is
// committed. Otherwise the fault is commit_unknown, retried after a delay. The next
// attempt waits for the lock and reads the ledger, so no row is lost or loaded twice.
func (l *Loader) loadOnce(ctx context.Context, dataset string, group []readyObject, joining findWaitingFunc) ([]readyObject, results, error) {
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

// result is the outcome for one object.
type result struct {
	// err is nil if the object is done: loaded now, loaded before, or superseded by a
	// newer version of its key.
	err error
}

type results map[object.ID]result

// errorOf returns an object's error. An object that nobody judged isn't done.
func (r results) errorOf(id object.ID, err error) error {
	judged, found := r[id]
	switch {
	case err != nil:
		return err
	case !found:
		return fault.Retryable("load object", fault.Unexpected, fmt.Errorf("object %s was left out", id))
	}
	return judged.err
}

func (r results) fail(group []readyObject, err error) {
	for _, o := range group {
		r[o.id()] = result{err: o.fault(err)}
	}
}

// isolate cuts a failed group into the groups to try next:
// - Row counts prove that objects are bad: these objects get a permanent fault, and the others are one group.
// - The group has a single object: the object gets the group's fault, and no group is left.
// - Snowflake's message names files: each named object is a group of its own, and the others are one group. So a message with a wrong file name fails no good object.
// - Snowflake's message names no file, or a file of every object: the two halves of the group. A COPY above its time limit is an example.
//
// isolate returns false for a fault that no object of the group caused.
func isolate(group []readyObject, err error, into results) (parts [][]readyObject, isolated bool) {
	var blamed *groupError
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
