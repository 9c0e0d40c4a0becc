package load

import (
	"context"
	"fmt"
	"slices"

	"github.com/firn-data/firn/internal/contract"
)

// Accepted is the result of Accept.
type Accepted struct {
	// Delivery is the accepted delivery.
	Delivery Delivery
	// WasHeld reports whether the delivery was held before.
	WasHeld bool
	// Seq is the number of the transaction's lock.
	Seq int64
	// Deliveries is the state after the acceptance.
	Deliveries Deliveries
}

// Accept records that a person accepts a delivery of a snapshot dataset, and releases
// the delivery, in one transaction under the dataset's lock. The delivery must be
// complete. A repeated call records the person again. by names the person.
//
// Accept holds no other delivery: a smaller accepted delivery only lowers the number of
// rows that later deliveries need.
func Accept(ctx context.Context, session Session, c *contract.Contract, delivery, by string) (accepted Accepted, err error) {
	if err := session.Begin(ctx); err != nil {
		return Accepted{}, err
	}
	defer func() {
		if err != nil {
			_ = session.Rollback(ctx) // the first error counts, and Close ends the transaction too
		}
	}()
	if accepted.Seq, err = takeLock(ctx, session); err != nil {
		return Accepted{}, err
	}
	all, err := session.Deliveries(ctx, c)
	if err != nil {
		return Accepted{}, err
	}
	i := slices.IndexFunc(all, func(d Delivery) bool { return d.Name == delivery })
	switch {
	case i < 0:
		return Accepted{}, fmt.Errorf("%s has no delivery %s: `firn status --dataset %s` lists the held deliveries", c.Dataset(), delivery, c.Dataset())
	case !all[i].Complete:
		return Accepted{}, fmt.Errorf("delivery %s of %s isn't complete: only %d files are loaded", delivery, c.Dataset(), all[i].Files)
	}
	accepted.Delivery, accepted.WasHeld = all[i], all[i].Held > 0
	if _, err = session.Accept(ctx, c, delivery, by); err != nil {
		return Accepted{}, err
	}
	if accepted.Deliveries, err = HoldDeliveries(ctx, session, c); err != nil {
		return Accepted{}, err
	}
	return accepted, session.Commit(ctx)
}

// takeLock takes the dataset's lock and returns the number of the lock.
func takeLock(ctx context.Context, session Session) (seq int64, err error) {
	rows, err := session.TakeLock(ctx)
	if err != nil {
		return 0, err
	}
	if rows != 1 {
		return 0, fmt.Errorf("take lock: the ledger has %d lock rows", rows)
	}
	lock, _, err := session.ReadLedger(ctx, []Key{{}}, nil) // no object has the empty key
	return lock.Seq, err
}
