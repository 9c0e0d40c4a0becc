package load_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/object"
)

// fakeBreaker is a breaker that lets everybody in unless it is open, and writes down
// what it is told. The real one is in test/outage.
type fakeBreaker struct {
	open  error
	calls []string
}

func (n *fakeBreaker) Enter(context.Context) (breaker.Permit, error) { return breaker.Permit{}, n.open }

func (n *fakeBreaker) Worked(context.Context, breaker.Permit) { n.calls = append(n.calls, "worked") }

func (n *fakeBreaker) Failed(_ context.Context, _ breaker.Permit, f *fault.Fault) {
	n.calls = append(n.calls, "failed: "+string(f.Code))
}

// failingWarehouse is a warehouse of which one step fails.
type failingWarehouse struct {
	load.Warehouse

	opening, beginning, locking error
	logins                      int
}

func (w *failingWarehouse) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	w.logins++
	if w.opening != nil {
		return nil, w.opening
	}
	session, err := w.Warehouse.Open(ctx, dataset, loadID)
	return &failingSession{Session: session, of: w}, err
}

type failingSession struct {
	load.Session

	of *failingWarehouse
}

func (s *failingSession) Begin(ctx context.Context) error {
	if s.of.beginning != nil {
		return s.of.beginning
	}
	return s.Session.Begin(ctx)
}

func (s *failingSession) TakeLock(ctx context.Context) (int64, error) {
	if s.of.locking != nil {
		return 0, s.of.locking
	}
	return s.Session.TakeLock(ctx)
}

// TestBreakerGetsOutcomeOfEachStep: that a login works proves little, what the lock's
// statement says proves all, and only what no loader could do anything about
// opens the breaker.
func TestBreakerGetsOutcomeOfEachStep(t *testing.T) {
	t.Parallel()
	away := func(code fault.Code) error { return fault.Dependency("do it", code, errors.New("no")) }
	tests := []struct {
		name      string
		warehouse failingWarehouse
		want      []string
	}{
		{"it works", failingWarehouse{}, []string{"worked"}},
		{"login refused", failingWarehouse{opening: away(fault.SnowflakeRefused)}, []string{"failed: snowflake_login_refused"}},
		{"no answer at login", failingWarehouse{opening: away(fault.SnowflakeAway)}, []string{"failed: snowflake_away"}},
		{"no answer after login", failingWarehouse{beginning: away(fault.SnowflakeAway)}, []string{"failed: snowflake_away"}},
		{"BEGIN refused", failingWarehouse{beginning: fault.Retryable("begin", fault.Unexpected, errors.New("no"))}, nil},
		{"no warehouse", failingWarehouse{locking: away(fault.WarehouseAway)}, []string{"failed: warehouse_away"}},
		{"lock busy", failingWarehouse{locking: away(fault.LockBusy)}, []string{"worked"}},
		{"no grant", failingWarehouse{locking: away(fault.AccessDenied)}, []string{"worked"}},
		{"no table", failingWarehouse{locking: fault.Permanentf("take lock", fault.TableMissing, "no")}, []string{"worked"}},
		{"counted fault", failingWarehouse{locking: fault.Retryable("take lock", fault.SnowflakeAway, errors.New("no"))}, []string{"worked"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			w := loadtest.NewFixture(t, fake)
			breaker := &fakeBreaker{}
			test.warehouse.Warehouse = fake
			w.Loader = w.NewLoaderOn(load.GuardedWarehouse{Warehouse: &test.warehouse, Breaker: breaker})
			w.Handle(t, w.Deliver(t, loadtest.Delivery{Rows: 3}))
			if diff := cmp.Diff(test.want, breaker.calls); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLedgerCheckAfterCommitReportsToBreaker: whoever asks the ledger may be the one
// that probes.
func TestLedgerCheckAfterCommitReportsToBreaker(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewFixture(t, fake)
	breaker := &fakeBreaker{}
	w.Loader = w.NewLoaderOn(load.GuardedWarehouse{Warehouse: &loadtest.LostCommit{Warehouse: fake, Applied: true}, Breaker: breaker})
	w.MustHandle(t, w.Deliver(t, loadtest.Delivery{Rows: 3}))
	if diff := cmp.Diff([]string{"worked", "worked"}, breaker.calls); diff != "" {
		t.Errorf("told by the lock and by the question (-want +got):\n%s", diff)
	}
}

// TestOwnTimeoutOpensNoBreaker: a loader whose time is over can't tell.
func TestOwnTimeoutOpensNoBreaker(t *testing.T) {
	t.Parallel()
	breaker := &fakeBreaker{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	guarded := load.GuardedWarehouse{
		Warehouse: &failingWarehouse{opening: fault.Dependency("log in", fault.SnowflakeAway, ctx.Err())}, Breaker: breaker,
	}
	if _, err := guarded.Open(ctx, "s.e", "l"); !errors.Is(err, context.Canceled) || len(breaker.calls) != 0 {
		t.Errorf("got %v, told %v", err, breaker.calls)
	}
}

// TestOpenBreakerReturnsFaultForEachMessage: nobody logs in, and each object's message hears why.
func TestOpenBreakerReturnsFaultForEachMessage(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewFixture(t, fake)
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	warehouse := &failingWarehouse{Warehouse: fake}
	open := fault.Dependency("wait for snowflake", fault.SnowflakeRefused, errors.New("away since noon"))
	w.Loader = w.NewLoaderOn(load.GuardedWarehouse{Warehouse: warehouse, Breaker: &fakeBreaker{open: open}})
	loadtest.CheckFault(t, w.Handle(t, d)[0], fault.SnowflakeRefused, fault.RetryAfter, d.ID)
	if warehouse.logins != 0 {
		t.Errorf("%d logins", warehouse.logins)
	}
	w.CheckRows(t, map[object.ID]int64{})
}
