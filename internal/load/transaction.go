package load

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// transaction is the state of one run of the protocol.
type transaction struct {
	loader  *Loader
	dataset string
	loadID  string
	// group are the objects of the transaction: those it began with, and from
	// the lock on those that joined.
	group   []readyObject
	joining joiners

	session   Session
	begun     bool
	committed bool

	lock   Lock
	ledger map[Key]LedgerRow
	// holders are who has which content.
	holders holders
	// duplicateOf are the fresh objects' duplicates that were there first.
	duplicateOf map[object.ID]object.ID

	// fresh are the objects that this transaction loads.
	fresh []readyObject
	// replaced are the ledger rows whose places they take.
	replaced []LedgerRow
	// found are the objects that the ledger has.
	found []foundRow
	// superseded says which object took another's place, by the old one's id.
	superseded map[object.ID]object.ID
	copied     map[string]copiedFile
	// recorded are the fresh objects' ledger rows.
	recorded []LedgerRow
	results  results
}

type foundRow struct {
	object readyObject
	row    LedgerRow
}

type copiedFile struct {
	rows    int64
	queryID string
}

func (l *Loader) newTransaction(dataset string, group []readyObject, joining joiners) *transaction {
	return &transaction{
		loader: l, dataset: dataset, loadID: l.NewID(), group: group, joining: joining,
		ledger:      make(map[Key]LedgerRow),
		holders:     make(holders),
		duplicateOf: make(map[object.ID]object.ID),
		superseded:  make(map[object.ID]object.ID),
		copied:      make(map[string]copiedFile),
		results:     make(results),
	}
}

func (t *transaction) open(ctx context.Context) (err error) {
	t.session, err = t.loader.Warehouse.Open(ctx, t.dataset, t.loadID)
	return err
}

func (t *transaction) begin(ctx context.Context) error {
	t.begun = true // even if the answer is lost
	return t.session.Begin(ctx)
}

func (t *transaction) takeLock(ctx context.Context) error {
	rows, err := t.session.TakeLock(ctx)
	if err != nil {
		return err
	}
	if rows != 1 {
		return t.broken("take lock", "the ledger has %d lock rows", rows)
	}
	return nil
}

// join lets those join the group that wait, as many as fit.
func (t *transaction) join(ctx context.Context) error {
	t.group = t.loader.Limits.split(append(slices.Clone(t.group), t.joining(ctx)...))[0]
	return nil
}

func (t *transaction) readLedger(ctx context.Context) error {
	lock, rows, err := t.session.ReadLedger(ctx, keysOf(t.group), contentsOf(t.group))
	if err != nil {
		return err
	}
	t.lock = lock
	for _, row := range rows {
		t.holders.add(row)
		key := KeyOf(row.Object)
		if other, twice := t.ledger[key]; twice {
			return t.broken("read ledger", "objects %s and %s both stand for s3://%s/%s", other.ID, row.ID, key.Bucket, key.Name)
		}
		t.ledger[key] = row
	}
	return nil
}

// sortOut decides what the group means to the table, by the ledger and under
// the lock.
func (t *transaction) sortOut(ctx context.Context) error {
	if t.lock.Paused {
		return t.named(fault.Dependency("load dataset", fault.DatasetPaused, fmt.Errorf("%s is paused", t.dataset)))
	}
	rivals := make(map[Key][]readyObject)
	for _, o := range t.group {
		rivals[KeyOf(o.Object)] = append(rivals[KeyOf(o.Object)], o)
	}
	for _, key := range keysOf(t.group) {
		if err := t.contest(ctx, key, rivals[key]); err != nil {
			t.results.fail(rivals[key], err) // the other keys needn't wait for this one
		}
	}
	return nil
}

// contest finds which version of one key the table is to hold: the newest of
// those in the group and the one in the ledger. A version that can't be loaded
// now takes no part, so an older one still loads.
func (t *transaction) contest(ctx context.Context, key Key, rivals []readyObject) error {
	standing := t.ledger[key] // the zero row if the key has none
	fit := t.fit(rivals, standing)
	for len(fit) > 0 {
		best, err := t.newest(ctx, fit)
		if err != nil {
			return err
		}
		rest := without(fit, func(o readyObject) bool { return o.id() == best.id() })
		isNewer, err := t.replaces(ctx, best, standing)
		if err != nil {
			return err
		}
		if isNewer {
			if f := t.refuse(best, standing); f != nil {
				t.results[best.id()] = result{err: f}
				fit = rest
				continue
			}
			t.take(best, standing)
		} else {
			t.supersede(best, standing.ID)
		}
		for _, older := range rest {
			t.supersede(older, best.id())
		}
		return nil
	}
	return nil
}

// fit returns the rivals that may take the key's place: neither ahead of the
// table, nor what the ledger has.
func (t *transaction) fit(rivals []readyObject, standing LedgerRow) []readyObject {
	var fit []readyObject
	for _, o := range rivals {
		switch {
		case isAhead(o.Contract, t.lock.Contract):
			t.results[o.id()] = result{err: o.fault(fault.Dependency("load object", fault.TableBehind,
				fmt.Errorf("the receipt's contract is %s, the table's %s", o.Contract, t.lock.Contract)))}
		case standing.ID == o.id() && o.Generation <= standing.Generation:
			t.found = append(t.found, foundRow{object: o, row: standing})
			t.results[o.id()] = result{}
		default:
			fit = append(fit, o)
		}
	}
	return fit
}

// newest returns the newest version of a key that has at least one.
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

// replaces reports whether the object is to take the place of the key's ledger
// row: as a newer version of it, as a newer generation, or since there is none.
func (t *transaction) replaces(ctx context.Context, o readyObject, standing LedgerRow) (bool, error) {
	if standing.ID == "" || standing.ID == o.id() {
		return true, nil
	}
	return t.newer(ctx, o.Object, standing.Object)
}

func (t *transaction) supersede(o readyObject, by object.ID) {
	t.superseded[o.id()] = by
	t.results[o.id()] = result{}
}

// isAhead reports whether a receipt's contract has what the table may lack:
// COPY would drop its new column in silence. An older one is fine.
func isAhead(receipt, table string) bool { return semver.Compare("v"+receipt, "v"+table) > 0 }

// broken is a fault of the ledger itself.
func (t *transaction) broken(op, format string, args ...any) error {
	return t.named(fault.Permanentf(op, fault.LedgerBroken, format, args...))
}

func (t *transaction) named(f *fault.Fault) error {
	f.Dataset = t.dataset
	return f
}

// keysOf returns the group's keys, each once, in the group's order.
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
