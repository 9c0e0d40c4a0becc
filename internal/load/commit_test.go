package load_test

import (
	"context"
	"errors"
	"testing"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// lateWarehouse loses the answer to COMMIT, and the invocation's time is over at this
// moment: COMMIT ends the context. Like a driver, it refuses every call with an ended
// context.
type lateWarehouse struct {
	load.Warehouse

	end context.CancelFunc
	// questions is the number of questions for the load after COMMIT.
	questions int
	// limited reports whether the last question had a deadline.
	limited bool
}

func (w *lateWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	session, err := w.Warehouse.Open(ctx, dataset, loadID)
	return &lateSession{Session: session, of: w}, err
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Dependency("run statement", fault.SnowflakeAway, err)
	}
	return nil
}

type lateSession struct {
	load.Session

	of *lateWarehouse
}

func (s *lateSession) Commit(ctx context.Context) error {
	if err := s.Session.Commit(ctx); err != nil {
		return err
	}
	s.of.end()
	return fault.Dependency("commit", fault.SnowflakeAway, errors.New("the connection broke"))
}

func (s *lateSession) LoadedBy(ctx context.Context, loadID string) ([]object.ID, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.of.questions++
	_, s.of.limited = ctx.Deadline()
	return s.Session.LoadedBy(ctx, loadID)
}

// TestQuestionAfterCommitOutlivesContext: the loader asks the ledger for the load also
// after the end of the invocation's time, and within a limit of its own.
func TestQuestionAfterCommitOutlivesContext(t *testing.T) {
	t.Parallel()
	fixture := loadtest.NewFixture(t, loadtest.NewFake())
	delivered := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	ctx, end := context.WithCancel(t.Context())
	late := &lateWarehouse{Warehouse: fixture.Warehouse, end: end}
	failed := fixture.NewLoaderOn(late).Handle(ctx, []batch.Message{fixture.Message(delivered)})
	if ctx.Err() == nil || late.questions != 1 || !late.limited {
		t.Errorf("%d questions, with a limit: %t; context: %v", late.questions, late.limited, ctx.Err())
	}
	for _, err := range failed {
		t.Errorf("the committed load failed: %v", err)
	}
	fixture.CheckRows(t, map[object.ID]int64{delivered.ID: 3})
	fixture.CheckState(t, delivered.ID, journal.Loaded)
}
