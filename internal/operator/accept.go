package operator

import (
	"context"
	"fmt"
	"strings"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
)

// CheckSnapshot returns an error for a dataset without a contract of mode snapshot.
func (o *Operator) CheckSnapshot(dataset string) error {
	switch c := o.Contracts.ByDataset(dataset); {
	case c == nil:
		return fmt.Errorf("no contract for dataset %q: name one of %s", dataset, strings.Join(o.datasets(), ", "))
	case c.Mode != contract.Snapshot:
		return fmt.Errorf("%s has the mode %s: only snapshots have deliveries", dataset, c.Mode)
	}
	return nil
}

// Accept accepts a delivery of a snapshot dataset for the person by, and records the
// new state of the deliveries in the journal. Accept waits while a load or another
// command holds the lock of the dataset. After an error of the journal the delivery is
// accepted, and the same call completes the record.
func (o *Operator) Accept(ctx context.Context, session load.Session, dataset, delivery, by string) (load.Accepted, error) {
	if err := o.CheckSnapshot(dataset); err != nil {
		return load.Accepted{}, err
	}
	accepted, err := waitForLock(func() (load.Accepted, error) {
		return load.Accept(ctx, session, o.Contracts.ByDataset(dataset), delivery, by)
	})
	if err != nil {
		return load.Accepted{}, err
	}
	state := journal.Deliveries{Current: accepted.Deliveries.Current, Held: accepted.Deliveries.Held}
	if err := o.Journal.SetDeliveries(ctx, dataset, accepted.Seq, state); err != nil {
		return accepted, fmt.Errorf("the delivery is accepted, but `firn status` may still list it as held: %w (run the command again)", err)
	}
	return accepted, nil
}

// DeliveryOf describes the delivery of a loaded object: its name, and whether the view
// of the current rows shows it. Empty for other states and other modes.
func (o *Operator) DeliveryOf(ctx context.Context, e journal.Entry) (string, error) {
	c := o.Contracts.ByDataset(e.Dataset)
	if c == nil || e.State != journal.Loaded || !c.InDelivery(e.Object.Key) {
		return "", nil
	}
	name := c.DeliveryOf(e.Object.Key)
	deliveries, err := o.Journal.Deliveries(ctx, e.Dataset)
	if err != nil {
		return "", err
	}
	for _, h := range deliveries.Held {
		if h.Name == name {
			return name + ", held: " + h.Cause(), nil
		}
	}
	switch current := deliveries.Current; {
	case name == current:
		return name + ", current", nil
	case name < current:
		return name + ", older than the current delivery " + current, nil
	}
	return name + ", not complete", nil
}
