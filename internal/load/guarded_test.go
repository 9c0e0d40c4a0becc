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

// fakeBreaker is a breaker that records each report. It lets every caller in, unless it
// has an error in open. The real breaker is tested in test/outage.
type fakeBreaker struct {
	open  error
	calls []string
}

func (b *fakeBreaker) Enter(context.Context) (breaker.Permit, error) { return breaker.Permit{}, b.open }

func (b *fakeBreaker) Worked(context.Context, breaker.Permit) { b.calls = append(b.calls, "worked") }

func (b *fakeBreaker) Failed(_ context.Context, _ breaker.Permit, f *fault.Fault) {
	b.calls = append(b.calls, "failed: "+string(f.Code))
}

// failingWarehouse is a warehouse with a failing step.
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

// TestBreakerGetsOutcomeOfEachStep: a successful login isn't reported, and the answer
// of the lock's statement is always reported. Only a fault of an outage opens the
// breaker.
func TestBreakerGetsOutcomeOfEachStep(t *testing.T) {
	t.Parallel()
	unavailable := func(code fault.Code) error { return fault.Dependency("do it", code, errors.New("no")) }
	tests := []struct {
		name      string
		warehouse failingWarehouse
		want      []string
	}{
		{"no fault", failingWarehouse{}, []string{"worked"}},
		{"login refused", failingWarehouse{opening: unavailable(fault.SnowflakeRefused)}, []string{"failed: snowflake_login_refused"}},
		{"no answer at login", failingWarehouse{opening: unavailable(fault.SnowflakeAway)}, []string{"failed: snowflake_away"}},
		{"no answer after login", failingWarehouse{beginning: unavailable(fault.SnowflakeAway)}, []string{"failed: snowflake_away"}},
		{"BEGIN refused", failingWarehouse{beginning: fault.Retryable("begin", fault.Unexpected, errors.New("no"))}, nil},
		{"no warehouse", failingWarehouse{locking: unavailable(fault.WarehouseAway)}, []string{"failed: warehouse_away"}},
		{"lock busy", failingWarehouse{locking: unavailable(fault.LockBusy)}, []string{"worked"}},
		{"no grant", failingWarehouse{locking: unavailable(fault.AccessDenied)}, []string{"worked"}},
		{"no table", failingWarehouse{locking: fault.Permanentf("take lock", fault.TableMissing, "no")}, []string{"worked"}},
		{"counted fault", failingWarehouse{locking: fault.Retryable("take lock", fault.SnowflakeAway, errors.New("no"))}, []string{"worked"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			fixture := loadtest.NewFixture(t, fake)
			breaker := &fakeBreaker{}
			test.warehouse.Warehouse = fake
			fixture.Loader = fixture.NewLoaderOn(load.GuardedWarehouse{Warehouse: &test.warehouse, Breaker: breaker})
			fixture.Handle(t, fixture.Deliver(t, loadtest.Delivery{Rows: 3}))
			if diff := cmp.Diff(test.want, breaker.calls); diff != "" {
				t.Errorf("reports to the breaker (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLedgerCheckAfterCommitReportsToBreaker: the session after an error of COMMIT may
// be the probe.
func TestLedgerCheckAfterCommitReportsToBreaker(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fixture := loadtest.NewFixture(t, fake)
	breaker := &fakeBreaker{}
	fixture.Loader = fixture.NewLoaderOn(load.GuardedWarehouse{Warehouse: &loadtest.LostCommit{Warehouse: fake, Applied: true}, Breaker: breaker})
	fixture.MustHandle(t, fixture.Deliver(t, loadtest.Delivery{Rows: 3}))
	if diff := cmp.Diff([]string{"worked", "worked"}, breaker.calls); diff != "" {
		t.Errorf("reports of the lock and of the check after COMMIT (-want +got):\n%s", diff)
	}
}

// TestOwnTimeoutOpensNoBreaker: a loader without time left reports nothing.
func TestOwnTimeoutOpensNoBreaker(t *testing.T) {
	t.Parallel()
	breaker := &fakeBreaker{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	guarded := load.GuardedWarehouse{
		Warehouse: &failingWarehouse{opening: fault.Dependency("log in", fault.SnowflakeAway, ctx.Err())}, Breaker: breaker,
	}
	if _, err := guarded.Open(ctx, "s.e", "l"); !errors.Is(err, context.Canceled) || len(breaker.calls) != 0 {
		t.Errorf("got %v, reports %v", err, breaker.calls)
	}
}

// TestOpenBreakerReturnsFaultForEachMessage: the loader sends no login, and each
// message gets the breaker's fault.
func TestOpenBreakerReturnsFaultForEachMessage(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	fixture := loadtest.NewFixture(t, fake)
	d := fixture.Deliver(t, loadtest.Delivery{Rows: 3})
	warehouse := &failingWarehouse{Warehouse: fake}
	open := fault.Dependency("wait for snowflake", fault.SnowflakeRefused, errors.New("unavailable since noon"))
	fixture.Loader = fixture.NewLoaderOn(load.GuardedWarehouse{Warehouse: warehouse, Breaker: &fakeBreaker{open: open}})
	loadtest.CheckFault(t, fixture.Handle(t, d)[0], fault.SnowflakeRefused, fault.RetryAfter, d.ID)
	if warehouse.logins != 0 {
		t.Errorf("%d logins, want 0", warehouse.logins)
	}
	fixture.CheckRows(t, map[object.ID]int64{})
}
