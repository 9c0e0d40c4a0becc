package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/telemetry"
)

// Loader is the load stage. The loader copies the Parquet files of transformed objects
// to Snowflake, and records each object in the ledger of its dataset.
//
// An SQS message of the load queue asks for the load of one object. The body has the
// dataset, the object, the generation and the location of the receipt. SQS delivers at
// least once, so several messages can ask for the same object. A message can also ask
// for the withdrawal of an object.
//
// Handle returns an error for each message whose object isn't done. Package batch then
// acts on the error's disposition:
//   - No error: the message is acknowledged, so SQS deletes the message.
//   - Retry after a delay: the message comes back, and no attempt is counted. The faults
//     of dependencies have this disposition, and so do a busy lock, a paused dataset and
//     an unknown result of COMMIT.
//   - Retry: the message comes back, and an attempt is counted. A failure of the last
//     allowed attempt is permanent.
//   - Permanent: the journal records the failure, and the message goes to the dead-letter queue.
//
// An object is done after three steps, in this order:
//   - The ledger has the object, or a newer version of the object's key. In most cases
//     this invocation's COMMIT wrote the row.
//   - The load is announced on the topic Loaded.
//   - The journal has the object as loaded, superseded or withdrawn.
//
// A crash or a fault after the first step loses nothing: the message comes back. The
// next loader finds the object in the ledger, announces the load again and writes the
// journal, without a second COPY. So a load can be announced more than once.
type Loader struct {
	// Warehouse opens sessions of Snowflake. In production a breaker is in front of
	// Snowflake (GuardedWarehouse): the breaker refuses logins during an outage.
	Warehouse Warehouse
	// Receipts reads the receipts of the transform.
	Receipts Receipts
	// Versions lists the versions of a key, newest first. The loader asks only if the
	// sequencers of two objects don't decide which object is newer.
	Versions Versions
	// Journal has the state of each object.
	Journal Journal
	// Volumes keeps the sizes of the loads for alert's comparison; nil keeps none.
	Volumes Volumes
	// Publisher announces committed loads.
	Publisher Publisher
	// Notices reports held deliveries and new columns to people.
	Notices Notices
	// Files deletes the curated files of withdrawn objects. Nil keeps the files.
	Files Files
	// CuratedBucket is the bucket of the stage. A receipt in any other bucket is
	// refused.
	CuratedBucket string
	// Contracts are the contracts of the datasets. Another key can have loaded the same
	// bytes as an object. For this case the contract has one of three rules: load the
	// object, load the object with a warning, or refuse the object. Without a contract,
	// the rule is a warning.
	Contracts contract.Set
	// NewID makes the id of a load. No two loads ever have the same id: ledger and
	// announcements name a load by the id.
	NewID func() string
	// Limits bound a transaction: by default 1,000 objects, 1,000 files and 2 GiB of
	// Parquet.
	Limits Limits
	// Margin is the time between the end of the loader's context and the deadline of
	// the invocation. In this time the driver aborts a cancelled statement, and repeats
	// the abort if necessary. Then the loader rolls back. Defaults to 20 seconds.
	Margin time.Duration
}

// defaultMargin is the default of Loader.Margin.
const defaultMargin = 20 * time.Second

// Handle loads the objects of a batch, dataset after dataset. Other transformed objects
// of these datasets wait in the journal for a load, and Handle loads these objects too.
// Handle is a batch.Handler: the result maps the ids of messages to errors, for each
// message whose object isn't done.
//
// All messages for an object get the object's result. If the messages ask for several
// generations, only the highest generation is loaded, and the messages for lower
// generations get its result too. An undecodable message gets a permanent fault of code
// undecodable_message.
func (l *Loader) Handle(ctx context.Context, messages []batch.Message) map[string]error {
	ctx, cancel := l.withMargin(ctx)
	defer cancel()
	failed := make(map[string]error)
	for _, req := range decode(messages, failed) {
		results, err := l.recoverPanic(ctx, req)
		for id, messageIDs := range req.messages {
			req.answer(failed, messageIDs, results.errorOf(id, err))
		}
	}
	return failed
}

// recoverPanic turns a panic into a fault for all messages of the dataset: disposition
// Retry, code crashed. The other datasets of the batch continue.
func (l *Loader) recoverPanic(ctx context.Context, req *request) (results results, err error) {
	defer fault.Recover("load dataset", &err)
	return l.dataset(ctx, req), nil
}

// dataset loads the requested objects of a dataset. An object is done without a load in
// two cases: the journal has the object's generation as loaded or superseded, or the
// journal has a later generation. All other objects are loaded, and the ledger decides
// whether an object is new. An object with an unreadable receipt fails alone.
func (l *Loader) dataset(ctx context.Context, req *request) results {
	results := make(results)
	wanted := l.unfinished(ctx, req, results)
	if len(wanted) == 0 {
		return results
	}
	objects := l.open(ctx, req.dataset, wanted, results)
	maps.Copy(results, l.loadAll(ctx, req, objects))
	return results
}

// loadAll loads the objects in groups: one transaction for each group, and group after
// group. Limits.split makes the groups, in the order of the batch. A new group begins
// where the next object would exceed a limit. An object above a limit is a group
// without other objects.
//
// The last group also gets other objects of the dataset that wait in the journal,
// oldest first, up to the limits. No message of this invocation asks for these objects,
// so their results change no message.
//
// A fault rolls back the group's transaction. The next step depends on the fault:
//   - A fault that an object of the group can have caused, for example a refused or slow
//     COPY: isolate cuts the group into smaller groups, and loadAll tries these groups
//     next.
//   - Any other fault, for example Snowflake is away, the lock is busy, the dataset is
//     paused, the time is over, or the result of COMMIT is unknown: all remaining objects
//     of the dataset get the fault, and loadAll tries no further group.
func (l *Loader) loadAll(ctx context.Context, req *request, objects []readyObject) results {
	all := make(results)
	pending := l.Limits.split(objects)
	waiting := func(ctx context.Context) []readyObject { return l.waiting(ctx, req) }
	for len(pending) > 0 {
		findWaiting := noneWaiting
		if len(pending) == 1 {
			findWaiting, waiting = waiting, noneWaiting // only once
		}
		group, loaded, err := l.loadOnce(ctx, req.dataset, pending[0], findWaiting)
		maps.Copy(all, loaded)
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

// giveUp gives the fault err to all objects of a group. No object of the group caused
// the fault. Handle returns the fault for each message of these objects.
//
// If the lock was busy, the holder of the lock may have loaded the same objects. So
// giveUp reads the journal again. An object that is done by now gets no fault, and its
// messages are acknowledged. The messages of the other objects come back after a delay,
// and no attempt is counted.
func (l *Loader) giveUp(ctx context.Context, group []readyObject, err error, into results) {
	into.fail(group, err)
	if !fault.Is(err, fault.LockBusy) {
		return
	}
	requested := slices.DeleteFunc(slices.Clone(group), func(o readyObject) bool { return !o.requested })
	done, _ := l.areDone(ctx, len(requested), func(i int) goal { return requested[i].goal() }) // an entry that can't be read counts as not done
	for i, o := range requested {
		if done[i] {
			into[o.id()] = result{}
		}
	}
}

// findWaitingFunc finds the waiting objects for a group, after the transaction has the
// lock. An earlier search would also find the objects of the lock's current holder.
type findWaitingFunc func(ctx context.Context) []readyObject

// noneWaiting is a findWaitingFunc without objects.
func noneWaiting(context.Context) []readyObject { return nil }

// loadOnce runs a transaction with the group, by the load protocol in protocol.go. The
// returned group includes the added waiting objects. Without an error, each object has
// a result, and the transaction is committed. A result can have a fault of one object
// that the transaction left out, for example an object whose contract is newer than the
// table.
//
// If Snowflake is away, the code of the fault is snowflake_away,
// snowflake_login_refused or warehouse_away. The fault is retried after a delay, and no
// attempt is counted. During an outage the breaker in Warehouse refuses further logins
// with the code of the outage.
//
// If the time is over, loadOnce starts nothing. The time ends at the invocation's
// deadline minus Margin. If the time ends during a transaction, the current statement
// is cancelled and the transaction is rolled back. In both cases the fault is
// snowflake_away, retried after a delay.
//
// After an error of COMMIT the result is unknown. Then a new session counts the ledger
// rows with this load's id. The count may take 15 seconds. If all rows are there, the
// load is committed. Otherwise the fault is commit_unknown, retried after a delay. The
// next attempt waits for the lock and reads the ledger, so no row is lost or loaded
// twice.
func (l *Loader) loadOnce(ctx context.Context, dataset string, group []readyObject, findWaiting findWaitingFunc) ([]readyObject, results, error) {
	if err := ctx.Err(); err != nil {
		return group, nil, fault.Dependency("start load", fault.SnowflakeAway, fmt.Errorf("the invocation's time is over: %w", err))
	}
	t := l.newTransaction(dataset, group, findWaiting)
	results, err := t.load(ctx)
	return t.group, results, err
}

// withMargin returns a context that ends earlier than the invocation's deadline, by
// Margin. Without a deadline, the context has no end.
func (l *Loader) withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	before := l.Margin
	if before <= 0 {
		before = defaultMargin
	}
	return context.WithDeadline(ctx, deadline.Add(-before))
}

// result is the outcome for an object.
type result struct {
	// err is nil if the object is done: loaded now, loaded before, or superseded by a
	// newer version of the key.
	err error
}

// results has the outcomes by object id.
type results map[object.ID]result

// errorOf returns the error for an object's messages. A fault err of the whole dataset
// comes first, then the object's own fault. An object without a result isn't done: the
// error has disposition Retry and code unexpected.
func (r results) errorOf(id object.ID, err error) error {
	own, found := r[id]
	switch {
	case err != nil:
		return err
	case !found:
		return fault.Retryable("load object", fault.Unexpected, fmt.Errorf("object %s has no result", id))
	}
	return own.err
}

// fail gives all objects of the group the fault err.
func (r results) fail(group []readyObject, err error) {
	for _, o := range group {
		r[o.id()] = result{err: o.fault(err)}
	}
}

// isolate cuts a failed group into the groups to try next. There are four cases:
//   - Row counts prove that objects are bad: the rows of a file differ from the receipt,
//     or the table already had rows of an object before the load, and the ledger has no
//     row for the object. These objects get a permanent fault, and the rest is a group.
//   - The group has a single object. The object gets the group's fault, and no group is left.
//   - The error text of Snowflake names files of some objects. Each of these objects is a
//     group without other objects, and the rest is a group before them. So an error text
//     with a wrong file name fails no good object.
//   - The error text names no file, for example after a COPY that took too long, or names
//     files of all objects. The group is cut into two halves.
//
// isolate returns false for an error other than a groupError: no object of the group
// caused the fault.
func isolate(group []readyObject, err error, into results) (parts [][]readyObject, isolated bool) {
	var groupErr *groupError
	if !errors.As(err, &groupErr) {
		return nil, false
	}
	if len(groupErr.proven) > 0 {
		rest := without(group, func(o readyObject) bool { return groupErr.proven[o.id()] != nil })
		for id, f := range groupErr.proven {
			into[id] = result{err: f}
		}
		return nonEmpty(rest), true
	}
	if len(group) == 1 {
		into.fail(group, groupErr.err)
		return nil, true
	}
	rest := without(group, func(o readyObject) bool { return groupErr.suspects[o.id()] })
	if len(rest) == 0 || len(rest) == len(group) {
		return nonEmpty(group[:len(group)/2], group[len(group)/2:]), true
	}
	parts = nonEmpty(rest)
	for _, o := range group {
		if groupErr.suspects[o.id()] {
			parts = append(parts, []readyObject{o})
		}
	}
	return parts, true
}

// without returns the group without the objects for which drop is true.
func without(group []readyObject, drop func(readyObject) bool) []readyObject {
	var rest []readyObject
	for _, o := range group {
		if !drop(o) {
			rest = append(rest, o)
		}
	}
	return rest
}

// nonEmpty returns the groups that have objects.
func nonEmpty(groups ...[]readyObject) [][]readyObject {
	var kept [][]readyObject
	for _, g := range groups {
		if len(g) > 0 {
			kept = append(kept, g)
		}
	}
	return kept
}
