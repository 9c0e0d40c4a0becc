package load

import (
	"context"

	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/object"
)

// Breaker says whether the warehouse may be tried, and learns what came of it.
type Breaker interface {
	// Enter returns a dependency's fault while the warehouse is away.
	Enter(ctx context.Context) (journal.Pass, error)
	Worked(ctx context.Context, p journal.Pass)
	Failed(ctx context.Context, p journal.Pass, f *fault.Fault)
}

// Guarded is a warehouse behind a breaker: while it is away nobody logs in but
// one loader now and then. Each login asks, and not each invocation: one batch
// may bring ten datasets, and the second must not repeat the first one's
// refused login.
//
// A login alone is no proof that the warehouse works: that is the first
// statement that needs one, the lock's.
type Guarded struct {
	Warehouse Warehouse
	Breaker   Breaker
}

// Open implements Warehouse.
func (g Guarded) Open(ctx context.Context, dataset, loadID string) (Session, error) {
	pass, err := g.Breaker.Enter(ctx)
	if err != nil {
		return nil, err
	}
	session, err := g.Warehouse.Open(ctx, dataset, loadID)
	if err != nil {
		g.learn(ctx, pass, err)
		return nil, err
	}
	return &guardedSession{Session: session, guarded: g, pass: pass}, nil
}

// guardedSession tells the breaker what the warehouse answers first.
type guardedSession struct {
	Session

	guarded Guarded
	pass    journal.Pass
}

// Begin implements Session. It needs no warehouse, so only that Snowflake is
// away can be learned from it.
func (s *guardedSession) Begin(ctx context.Context) error {
	err := s.Session.Begin(ctx)
	if err != nil && isAway(fault.As(err)) {
		s.guarded.learn(ctx, s.pass, err)
	}
	return err
}

// TakeLock implements Session.
func (s *guardedSession) TakeLock(ctx context.Context) (int64, error) {
	rows, err := s.Session.TakeLock(ctx)
	s.guarded.learn(ctx, s.pass, err)
	return rows, err
}

// LoadedBy implements Session. After a COMMIT without an answer it is a session's
// first statement.
func (s *guardedSession) LoadedBy(ctx context.Context, loadID string) ([]object.ID, error) {
	objects, err := s.Session.LoadedBy(ctx, loadID)
	s.guarded.learn(ctx, s.pass, err)
	return objects, err
}

// learn passes on what an answer says of the warehouse: any other fault than its
// being away is an answer, too. What the caller's own end broke says nothing.
func (g Guarded) learn(ctx context.Context, pass journal.Pass, err error) {
	f := fault.As(err)
	switch {
	case err == nil, !isAway(f):
		g.Breaker.Worked(ctx, pass)
	case ctx.Err() == nil:
		g.Breaker.Failed(ctx, pass, f)
	}
}

// isAway reports whether a fault says that no loader gets on: the warehouse's, not
// one that a statement brought about.
func isAway(f *fault.Fault) bool {
	switch f.Code {
	case fault.SnowflakeAway, fault.SnowflakeRefused, fault.WarehouseAway:
		return f.Disposition == fault.RetryAfter
	default:
		return false
	}
}
