package transform

import (
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

// check refuses an object with more rejects than allowed by the contract, both by
// number and by ratio.
func (t *rowCounts) check(c *contract.Contract) error {
	share := float64(t.rejected) / float64(max(t.read, 1))
	if t.rejected <= c.MaxRejects || share <= c.MaxRejectRatio {
		return nil
	}
	rule, count := t.mostBrokenRule()
	return fault.Permanentf("check rejects", fault.TooManyRejects,
		"%d of %d records (%.1f %%) break the contract, above both limits of %d records and %.1f %%; %d break %s",
		t.rejected, t.read, 100*share, c.MaxRejects, 100*c.MaxRejectRatio, count, rule)
}

// mostBrokenRule returns the rule with the most rejects. Of rules with equal counts,
// the first by name is returned.
func (t *rowCounts) mostBrokenRule() (rule string, count int64) {
	for r, n := range t.byRule {
		if n > count || n == count && r < rule {
			rule, count = r, n
		}
	}
	return rule, count
}
