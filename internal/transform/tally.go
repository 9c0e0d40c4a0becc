package transform

import (
	"fmt"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/work"
)

// maxFirstRejects is the maximum number of rejects in a receipt.
const maxFirstRejects = 10

// rowCounts counts the rows: read = written + rejected.
type rowCounts struct {
	read, written, rejected int64
	first                   []work.Reject
	byRule                  map[string]int64
}

func (t *rowCounts) reject(r work.Reject) {
	t.rejected++
	t.byRule[r.Rule]++
	if len(t.first) < maxFirstRejects {
		t.first = append(t.first, r)
	}
}

// check refuses an object with records but without a good record, and an object with
// more rejects than allowed by the contract, both by number and by ratio.
func (t *rowCounts) check(c *contract.Contract) error {
	share := float64(t.rejected) / float64(max(t.read, 1))
	if t.read > 0 && t.rejected == t.read {
		return fault.Permanentf("check rejects", fault.NoGoodRow,
			"none of the %d records fits the contract; %s", t.read, t.describeMostBroken())
	}
	if t.rejected <= c.AllowedRejects() || share <= c.MaxRejectRatio {
		return nil
	}
	return fault.Permanentf("check rejects", fault.TooManyRejects,
		"%d of %d records (%.1f %%) break the contract, above %s; %s",
		t.rejected, t.read, 100*share, describeLimits(c), t.describeMostBroken())
}

// describeLimits names the limits of rejects. A contract that allows no number of
// rejects has only the limit of the share.
func describeLimits(c *contract.Contract) string {
	if c.AllowedRejects() == 0 {
		return fmt.Sprintf("the limit of %.1f %%", 100*c.MaxRejectRatio)
	}
	return fmt.Sprintf("both limits of %d records and %.1f %%", c.AllowedRejects(), 100*c.MaxRejectRatio)
}

// describeMostBroken names the rule with the most rejects. There must be a reject.
func (t *rowCounts) describeMostBroken() string {
	most := work.MostBroken(t.byRule, 1)[0]
	return fmt.Sprintf("%d break %s", most.Rejects, most.Rule)
}
