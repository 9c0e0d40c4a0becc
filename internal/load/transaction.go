package load

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// transaction is the state of a transaction of the load protocol.
type transaction struct {
	loader  *Loader
	dataset string
	loadID  string
	// group has the objects of the transaction: the objects from the start, and the
	// waiting objects after the lock.
	group       []readyObject
	findWaiting findWaitingFunc

	session   Session
	begun     bool
	committed bool

	lock   Lock
	ledger map[Key]LedgerRow
	// contentHolders has the ledger rows of the objects with each content.
	contentHolders contentHolders
	// duplicateOf maps an object of toLoad to an earlier object with the same content.
	duplicateOf map[object.ID]object.ID

	// toLoad are the objects to load in this transaction.
	toLoad []readyObject
	// replaced are the ledger rows of the objects replaced by toLoad.
	replaced []LedgerRow
	// alreadyLoaded are the group's objects with a ledger row from an earlier load.
	alreadyLoaded []loadedRow
	// superseded maps a superseded object to the newer object of the same key.
	superseded map[object.ID]object.ID
	copied     map[string]copiedFile
	// newRows are the ledger rows of toLoad.
	newRows []LedgerRow
	// withdrawals has the withdrawals of toLoad and of the ledger, by the withdrawn
	// object.
	withdrawals map[object.ID]withdrawal
	// endedBefore has the objects whose rows an earlier transaction ended, by the
	// withdrawn object.
	endedBefore map[object.ID][]object.ID
	// deliveries are the deliveries of a snapshot dataset after the load.
	deliveries Deliveries
	results    results
}

type loadedRow struct {
	object readyObject
	row    LedgerRow
}

type copiedFile struct {
	rows    int64
	queryID string
}

func (l *Loader) newTransaction(dataset string, group []readyObject, findWaiting findWaitingFunc) *transaction {
	return &transaction{
		loader: l, dataset: dataset, loadID: l.NewID(), group: group, findWaiting: findWaiting,
		ledger:         make(map[Key]LedgerRow),
		contentHolders: make(contentHolders),
		duplicateOf:    make(map[object.ID]object.ID),
		superseded:     make(map[object.ID]object.ID),
		withdrawals:    make(map[object.ID]withdrawal),
		endedBefore:    make(map[object.ID][]object.ID),
		copied:         make(map[string]copiedFile),
		results:        make(results),
	}
}

func (t *transaction) open(ctx context.Context) (err error) {
	t.session, err = t.loader.Warehouse.Open(ctx, t.dataset, t.loadID)
	return err
}

func (t *transaction) begin(ctx context.Context) error {
	t.begun = true // also if the answer of BEGIN is lost
	return t.session.Begin(ctx)
}

func (t *transaction) takeLock(ctx context.Context) error {
	rows, err := t.session.TakeLock(ctx)
	if err != nil {
		return err
	}
	if rows != 1 {
		return t.ledgerFault("take lock", "the ledger has %d lock rows", rows)
	}
	return nil
}

// addWaiting adds waiting objects to the group, up to the limits.
func (t *transaction) addWaiting(ctx context.Context) error {
	t.group = t.loader.Limits.split(append(slices.Clone(t.group), t.findWaiting(ctx)...))[0]
	return nil
}

func (t *transaction) readLedger(ctx context.Context) error {
	lock, rows, err := t.session.ReadLedger(ctx, keysOf(t.group), contentsOf(t.group))
	if err != nil {
		return err
	}
	t.lock = lock
	for _, row := range rows {
		t.contentHolders.add(row)
		key := KeyOf(row.Object)
		if other, found := t.ledger[key]; found {
			return t.ledgerFault("read ledger", "objects %s and %s both have a ledger row for s3://%s/%s", other.ID, row.ID, key.Bucket, key.Name)
		}
		t.ledger[key] = row
		if row.IsWithdrawn() {
			t.withdrawals[row.ID] = withdrawalOf(row)
		}
	}
	return nil
}

// decide chooses the objects to load, by the ledger as it was read under the lock. If
// the order of two versions is unknown, only the objects of their key get a fault.
func (t *transaction) decide(ctx context.Context) error {
	if t.lock.Paused {
		return t.withDataset(fault.Dependency("load dataset", fault.DatasetPaused, fmt.Errorf("%s is paused", t.dataset)))
	}
	versions := make(map[Key][]readyObject)
	for _, o := range t.group {
		versions[KeyOf(o.Object)] = append(versions[KeyOf(o.Object)], o)
	}
	for _, key := range keysOf(t.group) {
		if err := t.decideKey(ctx, key, versions[key]); err != nil {
			t.results.fail(versions[key], err) // the other keys are loaded nevertheless
		}
	}
	return nil
}

// decideKey chooses the version of a key for the table: the newest among the group's
// versions and the ledger's version. The older versions are superseded. If the newest
// version can't be loaded now, an older version is still loaded.
func (t *transaction) decideKey(ctx context.Context, key Key, versions []readyObject) error {
	current := t.ledger[key] // the zero row if the ledger has none for the key
	candidates := t.loadable(versions, current)
	for len(candidates) > 0 {
		best, err := t.newest(ctx, candidates)
		if err != nil {
			return err
		}
		rest := without(candidates, func(o readyObject) bool { return o.id() == best.id() })
		isNewer, err := t.replaces(ctx, best, current)
		if err != nil {
			return err
		}
		if isNewer {
			if f := t.checkDuplicate(best, current); f != nil { // never for a withdrawal
				t.results[best.id()] = result{err: f}
				candidates = rest
				continue
			}
			t.accept(best, current)
		} else {
			t.supersede(best, current.ID)
		}
		for _, older := range rest {
			t.supersede(older, best.id())
		}
		return nil
	}
	return nil
}

// loadable returns the versions of a key without the versions ahead of the table and
// the versions with a ledger row. Both kinds get their result here.
func (t *transaction) loadable(versions []readyObject, current LedgerRow) []readyObject {
	var candidates []readyObject
	for _, o := range versions {
		switch {
		case isAhead(o.Contract, t.lock.Contract):
			t.results[o.id()] = result{err: o.fault(fault.Dependency("load object", fault.TableBehind,
				fmt.Errorf("the receipt's contract version is %s, the table's contract version is %s", o.Contract, t.lock.Contract)))}
		case current.ID == o.id() && (current.IsWithdrawn() || o.withdrawal == nil && o.Generation <= current.Generation):
			t.alreadyLoaded = append(t.alreadyLoaded, loadedRow{object: o, row: current})
			t.results[o.id()] = result{}
		default:
			candidates = append(candidates, o)
		}
	}
	return candidates
}

// newest returns the newest version; versions isn't empty.
func (t *transaction) newest(ctx context.Context, versions []readyObject) (readyObject, error) {
	best := versions[0]
	for _, o := range versions[1:] {
		isNewer, err := t.newer(ctx, o.Object, best.Object)
		if err != nil {
			return readyObject{}, err
		}
		if isNewer {
			best = o
		}
	}
	return best, nil
}

// replaces reports whether the object replaces the ledger row of the key: as a newer
// version or as a newer generation. The answer is also true if the key has no ledger
// row.
func (t *transaction) replaces(ctx context.Context, o readyObject, current LedgerRow) (bool, error) {
	if current.ID == "" || current.ID == o.id() {
		return true, nil
	}
	return t.newer(ctx, o.Object, current.Object)
}

func (t *transaction) supersede(o readyObject, by object.ID) {
	t.noteWithdrawal(o)
	t.superseded[o.id()] = by
	t.results[o.id()] = result{}
}

// isAhead reports whether the contract of a receipt is newer than the contract of the
// table. COPY would silently drop a new column. An older contract fits.
func isAhead(receipt, table string) bool { return semver.Compare("v"+receipt, "v"+table) > 0 }

// ledgerFault returns a permanent fault of the ledger itself.
func (t *transaction) ledgerFault(op, format string, args ...any) error {
	return t.withDataset(fault.Permanentf(op, fault.LedgerBroken, format, args...))
}

func (t *transaction) withDataset(f *fault.Fault) error {
	f.Dataset = t.dataset
	return f
}

// keysOf returns the group's keys in the group's order, each key once.
func keysOf(group []readyObject) []Key {
	var keys []Key
	seen := make(map[Key]bool)
	for _, o := range group {
		if key := KeyOf(o.Object); !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}
