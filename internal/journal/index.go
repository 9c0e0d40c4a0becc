package journal

import (
	"time"

	"github.com/firn-data/firn/internal/object"
)

// The names of the sparse indexes. In "stuck" the first digit of the id divides the
// objects of a state among sixteen partitions, so no partition gets all requests.
const (
	indexStuck = "stuck"
	indexWork  = "work"
)

// noDataset is the dataset in the index for a key without a contract.
const noDataset = "-"

// index sets the index attributes of the new state, and removes the attributes of
// indexes without this state.
func (c *change) index(id object.ID, dataset string, now time.Time) {
	if dataset == "" {
		dataset = noDataset
	}
	timeAndID := stamp(now) + "#" + string(id)
	switch c.to {
	case Received, Transforming, Transformed:
		c.stuck(id, timeAndID)
		c.moving(dataset, timeAndID)
	case Failed:
		code := valueOf(c.values[":code"])
		c.clear("stuck_pk", "stuck_sk").
			set("work_pk", text("failed#"+dataset)).
			set("work_sk", text(code+"#"+timeAndID))
	case Loaded, Superseded, Withdrawn, Dismissed, Ignored:
		c.clear("stuck_pk", "stuck_sk", "work_pk", "work_sk")
	}
}

// moving sets the attributes of the index "work" for an object on its way. An object
// with an unsent message is in the partition of the unsent messages only.
func (c *change) moving(dataset, timeAndID string) {
	switch {
	case c.marksUnsent():
		c.set("work_pk", text("unsent#"+dataset)).set("work_sk", text(c.unsentCode+"#"+timeAndID))
	case c.to == Transformed:
		c.set("work_pk", text("waiting#"+dataset)).set("work_sk", text(timeAndID))
	default:
		c.clear("work_pk", "work_sk")
	}
}

// byDataset reports whether an index has the objects in this state by dataset.
func (s State) byDataset() bool { return s == Transformed || s == Failed }

// stuck puts the object into the index "stuck", in the order of the last progress.
func (c *change) stuck(id object.ID, timeAndID string) *change {
	c.set("stuck_pk", text(string(c.to)+"#"+string(id)[:1]))
	if c.retry { // the order stays the order of the last progress
		return c
	}
	return c.set("stuck_sk", text(timeAndID))
}
