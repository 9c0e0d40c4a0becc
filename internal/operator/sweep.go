package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/firn-data/firn/internal/work"
)

// Sweep sends route a request to sweep the whole landing bucket, and returns the
// request. Grace is the shortest age of a version without an event. Stuck is the
// shortest time without progress of an object. Fractions of a second are dropped.
func (o *Operator) Sweep(ctx context.Context, now time.Time, grace, stuck time.Duration) (work.Sweep, error) {
	if grace < 0 || stuck < 0 {
		return work.Sweep{}, fmt.Errorf("sweep: --grace %s and --stuck %s must not be negative", grace, stuck)
	}
	g, s := work.Seconds(grace), work.Seconds(stuck)
	asked := work.Sweep{At: now.UTC(), All: true, Grace: &g, Stuck: &s}
	return asked, o.send(ctx, string(work.Route), asked.Encode())
}
