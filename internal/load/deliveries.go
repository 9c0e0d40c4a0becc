package load

import (
	"cmp"
	"context"
	"slices"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/internal/work"
)

// Delivery is a delivery of a snapshot dataset, as the ledger has it.
type Delivery struct {
	// Name is the text at {delivery} in the keys of the files.
	Name string
	// Files and Rows are the numbers of loaded files and rows.
	Files, Rows int64
	// Complete reports whether all files of the delivery are loaded.
	Complete bool
	// Held and Accepted are the numbers of files with the mark "held", and of files that
	// a person accepted. A new version of a file has neither. A reload keeps both.
	Held, Accepted int64
}

// isAccepted reports whether a person accepted every file of the delivery.
func (d Delivery) isAccepted() bool { return d.Accepted == d.Files }

// Deliveries is the state of a snapshot dataset's deliveries.
type Deliveries struct {
	// Current is the delivery that the view shows: the newest complete delivery that
	// isn't held. Empty without one.
	Current string
	// Held has the held deliveries, in the order of the names.
	Held []work.HeldDelivery
	// New has the names of the deliveries that weren't held before, or that have a new
	// file.
	New []string
}

// foldDeliveries decides about each complete delivery, in the order of the names. A
// delivery is accepted if it is the first, if a person accepted it, or if it has at
// least the share HoldBelow of the rows of the accepted delivery before it. All other
// complete deliveries are held. The result depends on the ledger only, so the order of
// loads doesn't matter.
func foldDeliveries(all []Delivery, c *contract.Contract) Deliveries {
	all = slices.SortedFunc(slices.Values(all), func(a, b Delivery) int { return cmp.Compare(a.Name, b.Name) })
	var result Deliveries
	var before *Delivery
	for i, d := range all {
		switch {
		case !d.Complete:
		case before == nil, d.isAccepted(), float64(d.Rows) >= c.HoldBelow*float64(before.Rows):
			before, result.Current = &all[i], d.Name
		default:
			result.Held = append(result.Held, work.HeldDelivery{Dataset: c.Dataset(), Name: d.Name, Rows: d.Rows, Before: before.Name, RowsBefore: before.Rows})
			if d.Held < d.Files {
				result.New = append(result.New, d.Name)
			}
		}
	}
	return result
}

// HoldDeliveries decides about the deliveries of a snapshot dataset by the ledger as the
// transaction sees it, and corrects the marks in the ledger. Call HoldDeliveries in each
// transaction that changes the ledger of a snapshot dataset: under the lock, after the
// last change.
func HoldDeliveries(ctx context.Context, session Session, c *contract.Contract) (Deliveries, error) {
	all, err := session.Deliveries(ctx, c)
	if err != nil {
		return Deliveries{}, err
	}
	result := foldDeliveries(all, c)
	isHeld := make(map[string]bool)
	for _, h := range result.Held {
		isHeld[h.Name] = true
	}
	var hold, release []string
	for _, d := range all {
		switch held := isHeld[d.Name]; {
		case held && d.Held < d.Files:
			hold = append(hold, d.Name)
		case !held && d.Held > 0:
			release = append(release, d.Name)
		}
	}
	if len(hold) > 0 {
		err = session.Hold(ctx, c, hold, true)
	}
	if err == nil && len(release) > 0 {
		err = session.Hold(ctx, c, release, false)
	}
	return result, err
}

// snapshot returns the contract of a snapshot dataset, or nil for other modes.
func (t *transaction) snapshot() *contract.Contract {
	c := t.loader.Contracts.ByDataset(t.dataset)
	if c == nil || c.Delivery == nil {
		return nil
	}
	return c
}

// holdDeliveries holds and releases the deliveries of a snapshot dataset.
func (t *transaction) holdDeliveries(ctx context.Context) (err error) {
	if c := t.snapshot(); c != nil {
		t.deliveries, err = HoldDeliveries(ctx, t.session, c)
	}
	return err
}

// readDeliveries reads the deliveries for the news about earlier loads.
func (t *transaction) readDeliveries(ctx context.Context) error {
	c := t.snapshot()
	if c == nil || len(t.alreadyLoaded) == 0 {
		return nil
	}
	all, err := t.session.Deliveries(ctx, c)
	if err != nil {
		return err
	}
	t.deliveries = foldDeliveries(all, c)
	return nil
}

// deliveriesToReport returns the names of the held deliveries in this transaction's
// news. The loader of an earlier load may have crashed before its news, so news about an
// earlier load name every held delivery.
func (t *transaction) deliveriesToReport() []string {
	if len(t.alreadyLoaded) == 0 {
		return t.deliveries.New
	}
	var names []string
	for _, h := range t.deliveries.Held {
		names = append(names, h.Name)
	}
	return names
}

// announceDeliveries reports the deliveries of a snapshot dataset: held deliveries to
// people, and the state of all deliveries to the journal.
func (t *transaction) announceDeliveries(ctx context.Context) error {
	if t.snapshot() == nil {
		return nil
	}
	report := t.deliveriesToReport()
	for _, h := range t.deliveries.Held {
		if !slices.Contains(report, h.Name) {
			continue
		}
		telemetry.Logger(ctx).WarnContext(ctx, "delivery held", telemetry.KeyDataset, t.dataset, telemetry.KeyLoadID, t.loadID,
			telemetry.KeyDelivery, h.Name, telemetry.KeyRows, h.Rows, telemetry.KeyBefore, h.Before, telemetry.KeyRowsBefore, h.RowsBefore)
		if err := t.loader.Notices.Held(ctx, h); err != nil {
			return err
		}
	}
	return t.loader.Journal.SetDeliveries(ctx, t.dataset, t.lock.Seq, journal.Deliveries{Current: t.deliveries.Current, Held: t.deliveries.Held})
}

// addDeliveries adds the deliveries of a snapshot dataset to an announcement of a load
// with the given keys. A delivery that is older than the current one is also logged,
// because no row of it is in the view.
func (t *transaction) addDeliveries(ctx context.Context, n *Announcement, keys []string) {
	c := t.snapshot()
	if c == nil {
		return
	}
	n.CurrentDelivery, n.HeldDeliveries = t.deliveries.Current, t.deliveriesToReport()
	var older []string
	for _, key := range keys {
		if name := c.DeliveryOf(key); name != "" && name < t.deliveries.Current {
			older = append(older, name)
		}
	}
	slices.Sort(older)
	n.OlderDeliveries = slices.Compact(older)
	for _, name := range n.OlderDeliveries {
		telemetry.Logger(ctx).WarnContext(ctx, "older delivery loaded", telemetry.KeyDataset, t.dataset, telemetry.KeyLoadID, n.LoadID,
			telemetry.KeyDelivery, name, telemetry.KeyCurrent, t.deliveries.Current)
	}
}
