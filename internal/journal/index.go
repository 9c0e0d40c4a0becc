package journal

import (
	"time"

	"github.com/firn-data/firn/internal/object"
)

// The sparse indexes. "stuck" finds objects that stand still, by state and the
// first digit of the id, so that no partition is hot; "work" finds what waits
// for a load and what failed, by dataset.
const (
	indexStuck = "stuck"
	indexWork  = "work"
)

// unclaimed stands for the dataset of a key that no contract claims.
const unclaimed = "-"

// index sets the attributes that put the entry into the indexes, and clears
// those that its new state doesn't have.
func (c *change) index(id object.ID, dataset string, now time.Time) {
	if dataset == "" {
		dataset = unclaimed
	}
	since := stamp(now) + "#" + string(id)
	switch c.to {
	case Received, Transforming:
		c.stuck(id, since).clear("work_pk", "work_sk")
	case Transformed:
		c.stuck(id, since).set("work_pk", text("waiting#"+dataset)).set("work_sk", text(since))
	case Failed:
		code := valueOf(c.values[":code"])
		c.clear("stuck_pk", "stuck_sk").
			set("work_pk", text("failed#"+dataset)).
			set("work_sk", text(code+"#"+since))
	case Loaded, Superseded, Ignored:
		c.clear("stuck_pk", "stuck_sk", "work_pk", "work_sk")
	}
}

// byDataset reports whether an index has the objects in this state by their
// dataset.
func (s State) byDataset() bool { return s == Transformed || s == Failed }

func (c *change) stuck(id object.ID, since string) *change {
	return c.set("stuck_pk", text(string(c.to)+"#"+string(id)[:1])).set("stuck_sk", text(since))
}
