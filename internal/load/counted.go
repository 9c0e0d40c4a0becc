package load

import "context"

// Counter counts committed loads.
type Counter interface {
	CountLoad(ctx context.Context) error
}

// Counted announces a load and then counts it, where it can be seen without
// Snowflake. At least once each, like the news.
type Counted struct {
	Publisher

	Counter Counter
}

// Publish implements Publisher.
func (c Counted) Publish(ctx context.Context, n News) error {
	if err := c.Publisher.Publish(ctx, n); err != nil {
		return err
	}
	return c.Counter.CountLoad(ctx)
}
