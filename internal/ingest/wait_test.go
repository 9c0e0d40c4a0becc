package ingest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/local/fdsn"
)

var oneDayRun = journal.RunName{Dataset: "station.event", ID: "20180201T000000Z-20180202T000000Z"}

// receive passes oneDay to the stage as a receive of a message.
func (w *fixture) receive(receives int) *fault.Fault {
	failed := w.stage.Handler()(context.Background(), []batch.Message{{ID: "1", Body: oneDay, Receives: receives}})
	return fault.As(failed["1"])
}

// tries receives oneDay again and again, like SQS and the tick of alert, until the run
// ends or fails. It returns the wait after each try. After a fault the message comes
// back from the queue; otherwise the tick sends a new message.
func (w *fixture) tries(t *testing.T, most int) (waits []time.Duration, last *fault.Fault) {
	t.Helper()
	receives := 1
	for range most {
		f := w.receive(receives)
		run := w.runs[oneDayRun]
		switch {
		case f != nil && f.Disposition == fault.Permanent:
			return waits, f
		case f != nil: // the consumer records a delay in the queue
			tries := 1
			if run.Delay != nil {
				tries += run.Delay.Tries
			}
			wait := max(5*time.Second<<(receives-1), f.After)
			run.Delay = &journal.Delay{Code: f.Code, Tries: tries, Last: w.clock, Next: w.clock.Add(wait)}
			w.runs[oneDayRun] = run
			receives++
		case run.State == journal.RunFinished:
			return waits, nil
		default:
			if run.State != journal.RunWaiting {
				t.Fatalf("after %d tries the run is %s, and its message is gone", len(waits)+1, run.State)
			}
			receives = 1
		}
		waits = append(waits, run.Delay.Next.Sub(run.Delay.Last))
		w.clock = run.Delay.Next
	}
	return waits, nil
}

// TestWaitsGrowToAnHourWithoutLimitOfTries: the first waits are in the queue, and all
// further waits are in the journal. The run never fails, and lands each record after the
// outage.
func TestWaitsGrowToAnHourWithoutLimitOfTries(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(20)), 6)
	source := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) })
	waits, last := w.tries(t, 200)
	want := []time.Duration{
		5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second,
		160 * time.Second, 320 * time.Second, 640 * time.Second, 1280 * time.Second, 2560 * time.Second, time.Hour, time.Hour,
	}
	if len(waits) != 200 || last != nil {
		t.Fatalf("%d waits, then %v", len(waits), last)
	}
	if diff := cmp.Diff(want, waits[:len(want)]); diff != "" || waits[199] != time.Hour {
		t.Errorf("last wait %s, first waits (-want +got):\n%s", waits[199], diff)
	}
	run := w.runs[oneDayRun]
	if run.State != journal.RunWaiting || run.Delay.Tries != 200 || run.Delay.Code != fault.SourceAway || !strings.Contains(run.Delay.Cause, "502") {
		t.Errorf("during the outage: %s, %+v", run.State, run.Delay)
	}
	w.server.Config.Handler = source
	if f := w.receive(1); f != nil {
		t.Fatal(f)
	}
	if got, run := landedIDs(t, w), w.runs[oneDayRun]; got != idsOf(minutes(20)) || run.State != journal.RunFinished || run.Pages != 4 || run.Rows != 20 || run.Delay != nil {
		t.Errorf("after the outage: %+v, landed %s", run, got)
	}
}

// TestRetryAfterIsHonouredInTheJournal: the source's delay is longer than the backoff.
// MaxWait limits the delay.
func TestRetryAfterIsHonouredInTheJournal(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"600": 10 * time.Minute, "7200": 2 * time.Hour, "99999999999999": 6 * time.Hour,
	} {
		w := newFixture(t, collectionOf(minutes(20)), 6, fdsn.FailAt(3, 429, header))
		if f := w.receive(1); f != nil {
			t.Fatalf("Retry-After %s: %v", header, f)
		}
		run := w.runs[oneDayRun]
		if run.State != journal.RunWaiting || run.Delay.Next.Sub(w.clock) != want || run.Pages != 1 {
			t.Errorf("Retry-After %s: %s after %d pages, %+v", header, run.State, run.Pages, run.Delay)
		}
		w.clock = run.Delay.Next
		if f := w.receive(1); f != nil || landedIDs(t, w) != idsOf(minutes(20)) {
			t.Errorf("Retry-After %s: after the wait: %v, landed %s", header, f, landedIDs(t, w))
		}
	}
}

// TestMessageBeforeNextTryIsDone: a repeated message of a waiting run, for example of
// the schedule, sends no request to the source.
func TestMessageBeforeNextTryIsDone(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(20)), 6, fdsn.FailAt(1, 503, "600"))
	for range 3 {
		if f := w.receive(1); f != nil {
			t.Fatal(f)
		}
	}
	if n := w.requests.Load(); n != 1 {
		t.Errorf("%d requests to the source, want 1", n)
	}
}

// TestManyReceivesMoveTheWaitToTheJournal: the next wait in the queue would be long,
// because the message was received often. The run waits in the journal instead.
func TestManyReceivesMoveTheWaitToTheJournal(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(20)), 6, fdsn.FailAt(1, 503, ""))
	if f := w.receive(6); f != nil {
		t.Fatal(f)
	}
	if run := w.runs[oneDayRun]; run.State != journal.RunWaiting || run.Delay.Tries != 1 || run.Delay.Next.Sub(w.clock) != 5*time.Second {
		t.Errorf("%s, %+v", run.State, run.Delay)
	}
}

// TestUnrecordedWaitStaysInTheQueue: without the journal, the message comes back.
func TestUnrecordedWaitStaysInTheQueue(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(20)), 6, fdsn.FailAt(1, 503, "600"))
	w.delayErr = fault.Dependency("write journal", fault.JournalAway, errors.New("no answer"))
	if f := w.receive(1); f == nil || f.Code != fault.SourceAway || f.Disposition != fault.RetryAfter || f.RunID != oneDayRun.ID {
		t.Errorf("got %v", f)
	}
	if run := w.runs[oneDayRun]; run.State != journal.RunRunning {
		t.Errorf("the run is %s", run.State)
	}
}

// nameServer starts a DNS server that answers each question with the response code
// (RFC 1035, 4.1.1), and returns a client that asks only this server.
func nameServer(t *testing.T, code byte) *http.Client {
	t.Helper()
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		question := make([]byte, 512)
		for {
			n, from, err := listener.ReadFrom(question)
			if err != nil {
				return
			}
			question[2], question[3] = question[2]|0x80, 0x80|code // an answer, with recursion
			_, _ = listener.WriteTo(question[:n], from)
		}
	}()
	dialer := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", listener.LocalAddr().String())
	}}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
}

// useSource replaces the source of the fixture.
func (w *fixture) useSource(client *http.Client, url string) {
	source := ingest.HTTP{Client: client, Agent: "firn/test", MaximumBytes: 8 << 20, Now: func() time.Time { return w.clock }}
	w.stage.APIs = map[string]ingest.API{ingest.FDSNEvent: source.FDSN}
	w.stage.Contracts[1].Ingest.URL = url
}

const (
	serverFailure byte = 2
	nameError     byte = 3
)

// TestMisspeltHostFailsWithItsCode: DNS servers say that the host doesn't exist. The run
// fails within half an hour, and the mail gets the hint.
func TestMisspeltHostFailsWithItsCode(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(3)), 500)
	w.useSource(nameServer(t, nameError), "http://sorce.test./query")
	began := w.clock
	waits, f := w.tries(t, 100)
	if f == nil || f.Code != fault.SourceUnknownHost || f.RunID != oneDayRun.ID || len(waits) < 2 {
		t.Fatalf("after %v: %v", waits, f)
	}
	if lasted := w.clock.Sub(began); lasted < 15*time.Minute || lasted > 30*time.Minute {
		t.Errorf("failed after %s", lasted)
	}
	for _, part := range []string{"no such host", "4 tries since " + began.UTC().Format(time.DateTime)} {
		if !strings.Contains(f.Cause(), part) {
			t.Errorf("the cause lacks %q: %s", part, f.Cause())
		}
	}
	if !strings.Contains(f.Advice(), "firn.ingest.url") {
		t.Errorf("hint: %s", f.Advice())
	}
}

// TestTemporaryDNSFailureIsAnOutage: a DNS server that fails doesn't prove that the host
// doesn't exist.
func TestTemporaryDNSFailureIsAnOutage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(3)), 500)
	w.useSource(nameServer(t, serverFailure), "http://source.test./query")
	if waits, f := w.tries(t, 20); len(waits) != 20 || f != nil || w.runs[oneDayRun].Delay.Code != fault.SourceAway {
		t.Errorf("after %v: %v, %+v", waits, f, w.runs[oneDayRun].Delay)
	}
}

// TestUnknownHostAfterLongOutageIsCountedFromItsOwnStart: twenty tries of another outage
// don't count, and another outage in between starts the count again.
func TestUnknownHostAfterLongOutageIsCountedFromItsOwnStart(t *testing.T) {
	t.Parallel()
	w := newFixture(t, collectionOf(minutes(3)), 500)
	away, unknown := nameServer(t, serverFailure), nameServer(t, nameError)
	for _, phase := range []struct {
		client *http.Client
		tries  int
	}{{away, 20}, {unknown, 3}, {away, 1}, {unknown, 3}} {
		w.useSource(phase.client, "http://source.test./query")
		if waits, f := w.tries(t, phase.tries); len(waits) != phase.tries || f != nil {
			t.Fatalf("after %v: %v", waits, f)
		}
	}
	if d := w.runs[oneDayRun].Delay; d.Tries != 27 || d.Repeats != 3 || d.Code != fault.SourceUnknownHost {
		t.Errorf("delay %+v", d)
	}
	if _, f := w.tries(t, 5); f == nil || f.Code != fault.SourceUnknownHost || f.Disposition != fault.Permanent {
		t.Errorf("got %v", f)
	}
}

// TestUntrustedCertificate: a certificate of another host or of an unknown authority
// fails the run. An expired certificate is an outage, because the source will renew it.
func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		config *tls.Config
		host   string
		want   fault.Code
		cause  string
	}{
		{"unknown authority", &tls.Config{RootCAs: x509.NewCertPool()}, "127.0.0.1", fault.SourceUntrusted, "unknown authority"},
		{"another host", &tls.Config{RootCAs: trusted}, "localhost", fault.SourceUntrusted, "localhost"},
		{
			"expired", &tls.Config{RootCAs: trusted, Time: func() time.Time { return server.Certificate().NotAfter.Add(time.Hour) }},
			"127.0.0.1", fault.SourceAway, "expired",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, collectionOf(minutes(3)), 500)
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: test.config}}
			w.useSource(client, "https://"+net.JoinHostPort(test.host, port)+"/query")
			waits, f := w.tries(t, 12)
			permanent := f != nil && f.Disposition == fault.Permanent
			if permanent != (test.want == fault.SourceUntrusted) {
				t.Fatalf("after %v: %v", waits, f)
			}
			code, cause := w.runs[oneDayRun].Delay.Code, w.runs[oneDayRun].Delay.Cause
			if code != test.want || !strings.Contains(cause, test.cause) {
				t.Errorf("%s: %s", code, cause)
			}
		})
	}
}
