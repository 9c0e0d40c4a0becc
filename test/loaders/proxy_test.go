//go:build endtoend

package processes_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// cut is a fault of one statement on its way to Snowflake.
type cut struct {
	// statement is the number of the request in the session, from 1. The login is
	// number 1. 0 cuts no request.
	statement int
	// forwarded is true if Snowflake runs the statement and answers.
	forwarded bool
	// killed kills the loader before the request is forwarded, or before the answer
	// comes back. If false, only the connection breaks, also for each repetition of the
	// request by the driver.
	killed bool
}

// proxy is between one process and a service, and cuts one request.
type proxy struct {
	cut    cut
	target string
	// name returns the name of a request. id returns the id of a request, which all
	// repetitions of the request have.
	name func(r *http.Request, body []byte) string
	id   func(r *http.Request) string

	mutex sync.Mutex
	// statements are the names of the requests so far.
	statements []string
	// cutRequest is the request id of the cut request; empty before the cut.
	cutRequest string
	kill       func()
}

// newProxy starts a proxy in front of Snowflake until the end of the test. The target is
// Snowflake's host:port.
func newProxy(t testing.TB, target string, c cut) (p *proxy, port int) {
	t.Helper()
	p = &proxy{cut: c, target: target, name: nameOf, id: func(r *http.Request) string { return r.URL.Query().Get("requestId") }}
	return p, portOf(t, p.listen(t))
}

// newAWSProxy starts a proxy in front of AWS until the end of the test. The target is
// AWS's host:port. The name of a request is its operation, or its method for S3.
func newAWSProxy(t testing.TB, target string, c cut) (p *proxy, address string) {
	t.Helper()
	p = &proxy{
		cut: c, target: target, id: func(r *http.Request) string { return r.Header.Get("Amz-Sdk-Invocation-Id") },
		name: func(r *http.Request, _ []byte) string { return cmp.Or(r.Header.Get("X-Amz-Target"), "S3 "+r.Method) },
	}
	return p, "http://" + p.listen(t).String()
}

func (p *proxy) listen(t testing.TB) net.Addr {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return server.Listener.Addr()
}

// setKill sets the function that kills the loader.
func (p *proxy) setKill(kill func()) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.kill = kill
}

// seen returns the names of the requests so far.
func (p *proxy) seen() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]string(nil), p.statements...)
}

// cutNothing reports whether no request was cut.
func (p *proxy) cutNothing() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.cutRequest == ""
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the loader is dead
	}
	if !p.shouldCut(r, body) {
		p.answer(rw, p.forward(r, body))
		return
	}
	if p.cut.forwarded {
		p.forward(r, body)
	}
	if p.cut.killed {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.kill()
	}
	panic(http.ErrAbortHandler) // breaks the connection without an answer
}

// shouldCut counts a request, and reports whether to cut the request. Repetitions of
// the cut request have the same request id and are cut too.
func (p *proxy) shouldCut(r *http.Request, body []byte) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	id := p.id(r)
	if p.cutRequest != "" {
		return id == p.cutRequest
	}
	p.statements = append(p.statements, p.name(r, body))
	if len(p.statements) != p.cut.statement {
		return false
	}
	p.cutRequest = id
	return true
}

// snowflakeAnswer is an HTTP response of Snowflake.
type snowflakeAnswer struct {
	status int
	header http.Header
	body   []byte
}

// forward sends the request to Snowflake, even if the loader dies. Nil means no answer.
func (p *proxy) forward(r *http.Request, body []byte) *snowflakeAnswer {
	request := r.Clone(context.WithoutCancel(r.Context()))
	request.URL.Scheme, request.URL.Host, request.RequestURI = "http", p.target, ""
	request.Body = io.NopCloser(bytes.NewReader(body))
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil
	}
	return &snowflakeAnswer{status: response.StatusCode, header: response.Header, body: content}
}

func (p *proxy) answer(rw http.ResponseWriter, a *snowflakeAnswer) {
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(rw.Header(), a.header)
	rw.WriteHeader(a.status)
	_, _ = rw.Write(a.body) // a dead loader reads nothing
}

// statementNames are the statements of the protocol. The first match decides.
var statementNames = []struct {
	name string
	text *regexp.Regexp
}{
	{"begin", regexp.MustCompile(`^begin`)},
	{"commit", regexp.MustCompile(`^commit`)},
	{"roll back", regexp.MustCompile(`^rollback`)},
	{"take the lock", regexp.MustCompile(`^update .*_loads set seq`)},
	{"ask the ledger for the load", regexp.MustCompile(`^select object from .*_loads where load_id`)},
	{"check the ledger", regexp.MustCompile(`^with wanted as \(.*\) select count\(\*\) .*_loads`)},
	{"read the ledger", regexp.MustCompile(`^with wanted as \(.*\) select ledger\.object, .*_loads`)},
	{"forget", regexp.MustCompile(`^delete from \S+_loads `)},
	{"delete rejects", regexp.MustCompile(`^delete from \S+_rejects `)},
	{"delete rows", regexp.MustCompile(`^delete from `)},
	{"copy rejects", regexp.MustCompile(`^copy into \S+_rejects .*force = false`)},
	{"copy rejects by force", regexp.MustCompile(`^copy into \S+_rejects .*force = true`)},
	{"copy rows", regexp.MustCompile(`^copy into .*force = false`)},
	{"copy rows by force", regexp.MustCompile(`^copy into .*force = true`)},
	{"count rejects", regexp.MustCompile(`^select _firn_object, count\(\*\).*_rejects`)},
	{"count rows", regexp.MustCompile(`^select _firn_object, count\(\*\)`)},
	{"read ended rows", regexp.MustCompile(`^select object from ops\.ended `)},
	{"read deliveries", regexp.MustCompile(`^with files as .*held_files`)},
	{"hold", regexp.MustCompile(`^update \S+_loads set held = true`)},
	{"release", regexp.MustCompile(`^update \S+_loads set held = false`)},
	{"accept", regexp.MustCompile(`^update \S+_loads set accepted_at`)},
	{"record ended rows", regexp.MustCompile(`^insert into ops\.ended `)},
	{"record", regexp.MustCompile(`^insert into \S+_loads `)},
}

// nameOf returns the name of a request's statement, in the words of the protocol.
func nameOf(r *http.Request, body []byte) string {
	switch {
	case strings.HasSuffix(r.URL.Path, "/login-request"):
		return "log in"
	case r.URL.Path == "/session":
		return "close"
	case r.URL.Path != "/queries/v1/query-request":
		return r.URL.Path
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		if unzipped, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(unzipped)
		}
	}
	var query struct {
		Text string `json:"sqlText"`
	}
	if err := json.Unmarshal(body, &query); err != nil {
		return err.Error()
	}
	text := strings.ToLower(strings.Join(strings.Fields(query.Text), " "))
	for _, p := range statementNames {
		if p.text.MatchString(text) {
			return p.name
		}
	}
	return text
}
