package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/work"
)

// Sweep asks route for a sweep of the whole landing bucket, and returns what was
// asked. Grace is how old a version must be to be missed, stuck how long an
// object must have stood still; both are cut to whole seconds.
func (o *Operator) Sweep(ctx context.Context, now time.Time, grace, stuck time.Duration) (work.Sweep, error) {
	if grace < 0 || stuck < 0 {
		return work.Sweep{}, fmt.Errorf("sweep: neither --grace %s nor --stuck %s may be less than nothing", grace, stuck)
	}
	g, s := work.Seconds(grace), work.Seconds(stuck)
	asked := work.Sweep{At: now.UTC(), All: true, Grace: &g, Stuck: &s}
	return asked, o.send(ctx, string(work.Route), asked.Encode())
}
