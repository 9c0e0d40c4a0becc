package load

import (
	"context"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/object"
)

// Breaker decides whether a loader may try the warehouse, and learns the result of each
// try.
type Breaker interface {
	// Enter returns a fault of the dependency during an outage.
	Enter(ctx context.Context) (breaker.Permit, error)
	Worked(ctx context.Context, p breaker.Permit)
	Failed(ctx context.Context, p breaker.Permit, f *fault.Fault)
}

// GuardedWarehouse is a warehouse behind a breaker: during an outage only the probe
// logs in. Each login asks the breaker, not each invocation: one batch may have ten
// datasets, and the second dataset must not repeat a refused login.
//
// A login doesn't need a warehouse. The first statement with a warehouse is the lock's
// statement, so only its answer closes the breaker.
type GuardedWarehouse struct {
	Warehouse Warehouse
	Breaker   Breaker
}

// Open implements Warehouse.
func (g GuardedWarehouse) Open(ctx context.Context, dataset, loadID string) (Session, error) {
	permit, err := g.Breaker.Enter(ctx)
	if err != nil {
		return nil, err
	}
	session, err := g.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		g.report(ctx, permit, err)
		return nil, err
	}
	return &guardedSession{Session: session, guarded: g, permit: permit}, nil
}

// guardedSession reports the warehouse's first answer to the breaker.
type guardedSession struct {
	Session

	guarded GuardedWarehouse
	permit  breaker.Permit
}

// Begin implements Session. BEGIN needs no warehouse, so only a failure is reported to
// the breaker.
func (s *guardedSession) Begin(ctx context.Context) error {
	err := s.Session.Begin(ctx)
	if err != nil && isOutage(fault.As(err)) {
		s.guarded.report(ctx, s.permit, err)
	}
	return err
}

// TakeLock implements Session.
func (s *guardedSession) TakeLock(ctx context.Context) (int64, error) {
	rows, err := s.Session.TakeLock(ctx)
	s.guarded.report(ctx, s.permit, err)
	return rows, err
}

// LoadedBy implements Session. After a COMMIT without an answer it is a session's first
// statement.
func (s *guardedSession) LoadedBy(ctx context.Context, loadID string) ([]object.ID, error) {
	objects, err := s.Session.LoadedBy(ctx, loadID)
	s.guarded.report(ctx, s.permit, err)
	return objects, err
}

// report reports an answer of the warehouse to the breaker. A fault other than an
// outage's fault is an answer, too. After the end of the caller's context an error says
// nothing about the warehouse.
func (g GuardedWarehouse) report(ctx context.Context, permit breaker.Permit, err error) {
	f := fault.As(err)
	switch {
	case err == nil, !isOutage(f):
		g.Breaker.Worked(ctx, permit)
	case ctx.Err() == nil:
		g.Breaker.Failed(ctx, permit, f)
	}
}

// isOutage reports whether a fault belongs to an outage: no load works. The codes also
// occur with other dispositions, for faults of one statement.
func isOutage(f *fault.Fault) bool {
	switch f.Code {
	case fault.SnowflakeAway, fault.SnowflakeRefused, fault.WarehouseAway:
		return f.Disposition == fault.RetryAfter
	default:
		return false
	}
}
