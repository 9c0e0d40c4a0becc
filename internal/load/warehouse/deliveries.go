package warehouse

import (
	"context"

	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/snowflake/ddl"
)

// Deliveries implements load.Session.
func (s *statements) Deliveries(ctx context.Context, c *contract.Contract) ([]load.Delivery, error) {
	result, err := s.session.Query(ctx, "read deliveries", ddl.DeliveriesQuery(c))
	if err != nil {
		return nil, err
	}
	deliveries := make([]load.Delivery, len(result.Rows))
	for i := range result.Rows {
		deliveries[i] = load.Delivery{
			Name: result.Text(i, "delivery"), Files: result.Number(i, "files"), Rows: result.Number(i, "row_count"),
			Complete: result.Bool(i, "complete"), Held: result.Number(i, "held_files"), Accepted: result.Number(i, "accepted_files"),
		}
	}
	return deliveries, nil
}

// Hold implements load.Session.
func (s *statements) Hold(ctx context.Context, c *contract.Contract, deliveries []string, held bool) error {
	mark := "false"
	if held {
		mark = "true"
	}
	condition, args, err := textsAmong(ddl.DeliveryOf(c), deliveries)
	if err != nil {
		return err
	}
	_, err = s.session.Exec(ctx, "hold deliveries", "update "+s.names.ledger+" set held = "+mark+" where object <> '"+load.LockRow+"' and "+condition, args...)
	return err
}

// Accept implements load.Session.
func (s *statements) Accept(ctx context.Context, c *contract.Contract, delivery, by string) (int64, error) {
	result, err := s.session.Exec(ctx, "accept delivery", "update "+s.names.ledger+
		" set accepted_at = current_timestamp(), accepted_by = ? where object <> '"+load.LockRow+"' and "+ddl.DeliveryOf(c)+" = ?", by, delivery)
	return result.Affected, err
}
