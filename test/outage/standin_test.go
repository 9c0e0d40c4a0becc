//go:build standin

package outage_test

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/snowflake"
)

// proxy passes connections on to the stand-in, until it is cut.
type proxy struct {
	listener net.Listener
	to       string

	mutex sync.Mutex
	cut   bool
	open  []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &proxy{listener: listener, to: to}
	t.Cleanup(func() {
		_ = listener.Close()
		w.set(true)
	})
	go w.serve()
	return w
}

func (w *proxy) serve() {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.forward(conn)
	}
}

// forward copies both ways until either end closes.
func (w *proxy) forward(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer to.Close()
	if !w.track(from, to) {
		return
	}
	ended := make(chan struct{}, 2)
	for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(ends[0], ends[1])
			ended <- struct{}{}
		}()
	}
	<-ended
}

func (w *proxy) track(ends ...net.Conn) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.open = append(w.open, ends...)
	return !w.cut
}

// set cuts the wire with all that goes through it, or mends it.
func (w *proxy) set(cut bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.cut = cut
	for _, conn := range w.open {
		_ = conn.Close()
	}
	w.open = nil
}

// stageMutex keeps two tests from making the one stage at once.
var stageMutex sync.Mutex

// snowflakeBehindProxy is the stand-in for Snowflake, by the driver, behind a wire.
func snowflakeBehindProxy(t *testing.T) (*loadtest.Snowflake, *proxy) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := newProxy(t, net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT")))
	stageMutex.Lock()
	defer stageMutex.Unlock()
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	return loadtest.NewLaptop(t, w.listener.Addr().String(), store), w
}

// TestCutConnectionOpensAndClosesBreaker: the real driver loses the stand-in, in the middle of a
// transaction and at the login after it; the breaker opens, and what works closes
// it.
func TestCutConnectionOpensAndClosesBreaker(t *testing.T) {
	t.Parallel()
	laptop, wire := snowflakeBehindProxy(t)
	laptop.Create(t, "wire.cut")
	c := &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}
	table := newTable(t, c)
	guarded := load.GuardedWarehouse{
		Warehouse: laptop,
		Breaker:   &breaker.Breaker{Store: table, Dependency: breaker.Snowflake, Backoff: backoff, Now: c.read},
	}
	session, err := guarded.Open(t.Context(), "wire.cut", "l1")
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	wire.set(true)
	_, err = session.TakeLock(t.Context())
	wantAway(t, err)
	_ = session.Close() // nobody hears it
	wantFailures(t, table, 1)
	c.set(c.read().Add(backoff))
	_, err = guarded.Open(t.Context(), "wire.cut", "l2")
	wantAway(t, err)
	wantFailures(t, table, 2)
	wire.set(false)
	c.set(c.read().Add(2 * backoff))
	again, err := guarded.Open(t.Context(), "wire.cut", "l3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if err := again.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err := again.TakeLock(context.WithoutCancel(t.Context())); err != nil && !fault.Is(err, fault.LockBusy) || err == nil && rows != 1 {
		t.Fatalf("%d lock rows, %v", rows, err) // the cut session's lock may stand for a while
	}
	if o, err := table.Outage(t.Context(), breaker.Snowflake); err != nil || o.Open {
		t.Errorf("the breaker is %+v, %v", o, err)
	}
}

func wantAway(t *testing.T, err error) {
	t.Helper()
	if f := fault.As(err); f == nil || f.Code != fault.SnowflakeAway || f.Disposition != fault.RetryAfter {
		t.Errorf("got %v, want %s", err, fault.SnowflakeAway)
	}
}

func wantFailures(t *testing.T, table *journal.Table, want int) {
	t.Helper()
	if o, err := table.Outage(t.Context(), breaker.Snowflake); err != nil || !o.Open || o.Failures != want {
		t.Errorf("the breaker is %+v, %v; want it open after %d failures", o, err, want)
	}
}

// TestStandInFaultsMatchRunbookTable: what the stand-in can say of the runbook's table.
func TestStandInFaultsMatchRunbookTable(t *testing.T) {
	t.Parallel()
	laptop, _ := snowflakeBehindProxy(t)
	laptop.Create(t, "outage.file")
	tests := []struct {
		name, statement string
		limit           time.Duration
		code            fault.Code
		disposition     fault.Disposition
	}{
		{"no table", "update RAW.NOWHERE_LOADS set seq = seq + 1", time.Minute, fault.TableMissing, fault.Permanent},
		{"no file", "copy into RAW.OUTAGE_FILE from @RAW.CURATED files = ('a.parquet') file_format = (type = parquet)", time.Minute, fault.ReceiptMissing, fault.Permanent},
		{
			"statement timeout", "select count(*) from table(generator(rowcount => 2000000)) a cross join table(generator(rowcount => 1000)) b where random() > 2",
			time.Second, fault.StatementTimeout, fault.RetryAfter,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			login := laptop.Config
			login.StatementTimeout = test.limit
			session, err := snowflake.Open(t.Context(), login)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			_, err = session.Query(t.Context(), "do it", test.statement)
			if f := fault.As(err); f == nil || f.Code != test.code || f.Disposition != test.disposition {
				t.Errorf("got %v, want %s, %s", err, test.code, test.disposition)
			}
		})
	}
}
