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

// notes is a breaker that lets everybody in unless it is open, and writes down
// what it is told. The real one is in test/outage.
type notes struct {
	open error
	told []string
}

func (n *notes) Enter(context.Context) (breaker.Permit, error) { return breaker.Permit{}, n.open }

func (n *notes) Worked(context.Context, breaker.Permit) { n.told = append(n.told, "worked") }

func (n *notes) Failed(_ context.Context, _ breaker.Permit, f *fault.Fault) {
	n.told = append(n.told, "failed: "+string(f.Code))
}

// troubled is a warehouse of which one step fails.
type troubled struct {
	load.Warehouse

	opening, beginning, locking error
	logins                      int
}

func (w *troubled) Open(ctx context.Context, dataset, loadID string) (load.Session, error) {
	w.logins++
	if w.opening != nil {
		return nil, w.opening
	}
	session, err := w.Warehouse.Open(ctx, dataset, loadID)
	return &troubledSession{Session: session, of: w}, err
}

type troubledSession struct {
	load.Session

	of *troubled
}

func (s *troubledSession) Begin(ctx context.Context) error {
	if s.of.beginning != nil {
		return s.of.beginning
	}
	return s.Session.Begin(ctx)
}

func (s *troubledSession) TakeLock(ctx context.Context) (int64, error) {
	if s.of.locking != nil {
		return 0, s.of.locking
	}
	return s.Session.TakeLock(ctx)
}

// TestWhatTheBreakerLearns: that a login works proves little, what the lock's
// statement says proves all, and only what no loader could do anything about
// opens the breaker.
func TestWhatTheBreakerLearns(t *testing.T) {
	t.Parallel()
	away := func(code fault.Code) error { return fault.Dependency("do it", code, errors.New("no")) }
	tests := []struct {
		name      string
		warehouse troubled
		want      []string
	}{
		{"it works", troubled{}, []string{"worked"}},
		{"login refused", troubled{opening: away(fault.SnowflakeRefused)}, []string{"failed: snowflake_login_refused"}},
		{"no answer at login", troubled{opening: away(fault.SnowflakeAway)}, []string{"failed: snowflake_away"}},
		{"no answer after login", troubled{beginning: away(fault.SnowflakeAway)}, []string{"failed: snowflake_away"}},
		{"BEGIN refused", troubled{beginning: fault.Retried("begin", fault.Unexpected, errors.New("no"))}, nil},
		{"no warehouse", troubled{locking: away(fault.WarehouseAway)}, []string{"failed: warehouse_away"}},
		{"lock busy", troubled{locking: away(fault.LockBusy)}, []string{"worked"}},
		{"no grant", troubled{locking: away(fault.AccessDenied)}, []string{"worked"}},
		{"no table", troubled{locking: fault.Permanentf("take lock", fault.TableMissing, "no")}, []string{"worked"}},
		{"counted fault", troubled{locking: fault.Retried("take lock", fault.SnowflakeAway, errors.New("no"))}, []string{"worked"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := loadtest.NewFake()
			w := loadtest.NewWorld(t, fake)
			breaker := &notes{}
			test.warehouse.Warehouse = fake
			w.Loader = w.NewLoader(load.Guarded{Warehouse: &test.warehouse, Breaker: breaker})
			w.Handle(t, w.Deliver(t, loadtest.Delivery{Rows: 3}))
			if diff := cmp.Diff(test.want, breaker.told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheQuestionAfterACommitIsAnAnswer: whoever asks the ledger may be the one
// that probes.
func TestTheQuestionAfterACommitIsAnAnswer(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewWorld(t, fake)
	breaker := &notes{}
	w.Loader = w.NewLoader(load.Guarded{Warehouse: &loadtest.Unreliable{Warehouse: fake, Applied: true}, Breaker: breaker})
	w.MustHandle(t, w.Deliver(t, loadtest.Delivery{Rows: 3}))
	if diff := cmp.Diff([]string{"worked", "worked"}, breaker.told); diff != "" {
		t.Errorf("told by the lock and by the question (-want +got):\n%s", diff)
	}
}

// TestOwnEndIsNoOutage: a loader whose time is over can't tell.
func TestOwnEndIsNoOutage(t *testing.T) {
	t.Parallel()
	breaker := &notes{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	guarded := load.Guarded{
		Warehouse: &troubled{opening: fault.Dependency("log in", fault.SnowflakeAway, ctx.Err())}, Breaker: breaker,
	}
	if _, err := guarded.Open(ctx, "s.e", "l"); !errors.Is(err, context.Canceled) || len(breaker.told) != 0 {
		t.Errorf("got %v, told %v", err, breaker.told)
	}
}

// TestOpenBreaker: nobody logs in, and each object's message hears why.
func TestOpenBreaker(t *testing.T) {
	t.Parallel()
	fake := loadtest.NewFake()
	w := loadtest.NewWorld(t, fake)
	d := w.Deliver(t, loadtest.Delivery{Rows: 3})
	warehouse := &troubled{Warehouse: fake}
	open := fault.Dependency("wait for snowflake", fault.SnowflakeRefused, errors.New("away since noon"))
	w.Loader = w.NewLoader(load.Guarded{Warehouse: warehouse, Breaker: &notes{open: open}})
	loadtest.WantFault(t, w.Handle(t, d)[0], fault.SnowflakeRefused, fault.RetryAfter, d.ID)
	if warehouse.logins != 0 {
		t.Errorf("%d logins", warehouse.logins)
	}
	w.WantRows(t, map[object.ID]int64{})
}
