package load

import "context"

// Counter counts committed loads.
type Counter interface {
	CountLoad(ctx context.Context) error
}

// CountingPublisher announces a load and then counts it in a store other than
// Snowflake. Like the announcement, the count happens at least once.
type CountingPublisher struct {
	Publisher

	Counter Counter
}

// Publish implements Publisher.
func (c CountingPublisher) Publish(ctx context.Context, n Announcement) error {
	if err := c.Publisher.Publish(ctx, n); err != nil {
		return err
	}
	return c.Counter.CountLoad(ctx)
}
