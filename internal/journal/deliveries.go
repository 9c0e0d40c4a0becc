package journal

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/firn-data/firn/internal/work"
)

// deliveriesPrefix begins the key of the item with the deliveries of a dataset.
const deliveriesPrefix = "deliveries#"

// maxHeld is the number of held deliveries in an item. DynamoDB allows 400 KB for an
// item (docs.aws.amazon.com, amazondynamodb/latest/developerguide/Constraints).
const maxHeld = 100

// Deliveries is the state of a snapshot dataset's deliveries. The ledger has the same
// state, and decides.
type Deliveries struct {
	// Current is the delivery that the view of the current rows shows; empty for none.
	Current string `json:"current"`
	// Held has the newest held deliveries, at most 100, in the order of the names.
	Held []work.HeldDelivery `json:"held"`
}

// SetDeliveries records the deliveries of a dataset. seq is the number of the
// transaction's lock. After a later transaction's record, the call changes nothing.
func (t *Table) SetDeliveries(ctx context.Context, dataset string, seq int64, d Deliveries) error {
	held := d.Held[max(0, len(d.Held)-maxHeld):]
	body, err := json.Marshal(held)
	if err != nil {
		return fmt.Errorf("encode held deliveries: %w", err)
	}
	_, err = t.write(ctx, deliveriesPrefix+dataset, newChange("").
		set("seq", number(seq)).set("current", text(d.Current)).set("held", text(string(body))).set("at", text(stamp(t.Now()))).
		where("attribute_not_exists(#seq) OR #seq <= :seq"))
	return err
}

// Deliveries returns the recorded deliveries of a dataset. The zero value is the answer
// for a dataset without a record.
func (t *Table) Deliveries(ctx context.Context, dataset string) (Deliveries, error) {
	i, err := t.find(ctx, deliveriesPrefix+dataset)
	if err != nil {
		return Deliveries{}, err
	}
	d := Deliveries{Current: i.text("current")}
	if body := i.text("held"); body != "" {
		if err := json.Unmarshal([]byte(body), &d.Held); err != nil {
			return Deliveries{}, fmt.Errorf("journal: attribute held of %s: %w", dataset, err)
		}
	}
	return d, i.err
}
