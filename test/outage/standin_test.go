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

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/breaker"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/load"
	"github.com/firn-data/firn/internal/load/loadtest"
	"github.com/firn-data/firn/internal/snowflake"
)

// proxy forwards connections to the stand-in until the cut.
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
	p := &proxy{listener: listener, to: to}
	t.Cleanup(func() {
		_ = listener.Close()
		p.set(true)
	})
	go p.serve()
	return p
}

func (p *proxy) serve() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.forward(conn)
	}
}

// forward copies data in both directions until one end closes.
func (p *proxy) forward(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer to.Close()
	if !p.track(from, to) {
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

func (p *proxy) track(ends ...net.Conn) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.open = append(p.open, ends...)
	return !p.cut
}

// set(true) closes all connections and refuses new connections; set(false) allows new
// connections.
func (p *proxy) set(cut bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.cut = cut
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
}

// stageMutex prevents two tests from creating the only stage at the same time.
var stageMutex sync.Mutex

// snowflakeBehindProxy returns Snowflake's stand-in, with the real driver and a proxy.
func snowflakeBehindProxy(t *testing.T) (*loadtest.Snowflake, *proxy) {
	t.Helper()
	cfg, err := awsconfig.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, net.JoinHostPort(os.Getenv("SNOWFLAKE_HOST"), os.Getenv("SNOWFLAKE_PORT")))
	stageMutex.Lock()
	defer stageMutex.Unlock()
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	return loadtest.NewLaptop(t, p.listener.Addr().String(), store), p
}

// TestCutConnectionOpensAndClosesBreaker: the real driver loses the stand-in during a
// transaction and at the next login. The breaker opens. A later successful login closes
// the breaker.
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
	_ = session.Close() // the connection is cut
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
		t.Fatalf("%d lock rows, %v", rows, err) // the lock of the cut session may remain for a while
	}
	if o, err := table.Outage(t.Context(), breaker.Snowflake); err != nil || o.Open {
		t.Errorf("breaker %+v, %v; want it closed", o, err)
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
		t.Errorf("breaker %+v, %v; want it open with %d failures", o, err, want)
	}
}

// TestStandInFaultsMatchRunbookTable checks the faults in the runbook's table that the
// stand-in can return.
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
		{"missing table", "update RAW.NOWHERE_LOADS set seq = seq + 1", time.Minute, fault.TableMissing, fault.RetryAfter},
		{"missing file", "copy into RAW.OUTAGE_FILE from @RAW.CURATED files = ('a.parquet') file_format = (type = parquet)", time.Minute, fault.ReceiptMissing, fault.Permanent},
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
			_, err = session.Query(t.Context(), "run statement", test.statement)
			if f := fault.As(err); f == nil || f.Code != test.code || f.Disposition != test.disposition {
				t.Errorf("got %v, want %s, %s", err, test.code, test.disposition)
			}
		})
	}
}
