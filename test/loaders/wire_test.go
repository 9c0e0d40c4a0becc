//go:build endtoend

package processes_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// cut is what happens to one statement on its way.
type cut struct {
	// statement counts the session's requests from 1, its login among them; 0
	// lets everything through.
	statement int
	// forwarded tells whether Snowflake runs it and answers.
	forwarded bool
	// killed kills the loader, before the request goes on or before the answer
	// comes back. Else only the connection breaks, each time that the driver
	// asks again.
	killed bool
}

// proxy stands between one loader and Snowflake and cuts one statement.
type proxy struct {
	cut    cut
	target string

	mutex sync.Mutex
	// statements are the names of what was asked so far.
	statements []string
	// cutRequest is the request id of what was cut, once it was.
	cutRequest string
	kill       func()
}

// newProxy listens until the test ends; target is Snowflake's host:port.
func newProxy(t testing.TB, target string, c cut) (w *proxy, port int) {
	t.Helper()
	w = &proxy{cut: c, target: target}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return w, portOf(t, server.Listener.Addr())
}

// setKill names who is killed.
func (w *proxy) setKill(kill func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.kill = kill
}

// seen are the names of what was asked so far.
func (w *proxy) seen() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return append([]string(nil), w.statements...)
}

// cutNothing reports whether the cut never came.
func (w *proxy) cutNothing() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.cutRequest == ""
}

// ServeHTTP implements http.Handler.
func (w *proxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the loader is gone
	}
	if !w.shouldCut(r, body) {
		w.answer(rw, w.forward(r, body))
		return
	}
	if w.cut.forwarded {
		w.forward(r, body)
	}
	if w.cut.killed {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.kill()
	}
	panic(http.ErrAbortHandler) // the connection breaks, without an answer
}

// shouldCut counts a request, and reports whether it is the one to cut: it or
// its repetition, which has the same request id.
func (w *proxy) shouldCut(r *http.Request, body []byte) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	id := r.URL.Query().Get("requestId")
	if w.cutRequest != "" {
		return id == w.cutRequest
	}
	w.statements = append(w.statements, nameOf(r, body))
	if len(w.statements) != w.cut.statement {
		return false
	}
	w.cutRequest = id
	return true
}

// snowflakeAnswer is Snowflake's answer.
type snowflakeAnswer struct {
	status int
	header http.Header
	body   []byte
}

// forward asks Snowflake, whatever becomes of the loader meanwhile. Nil is no
// answer.
func (w *proxy) forward(r *http.Request, body []byte) *snowflakeAnswer {
	request := r.Clone(context.WithoutCancel(r.Context()))
	request.URL.Scheme, request.URL.Host, request.RequestURI = "http", w.target, ""
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

func (w *proxy) answer(rw http.ResponseWriter, a *snowflakeAnswer) {
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(rw.Header(), a.header)
	rw.WriteHeader(a.status)
	_, _ = rw.Write(a.body) // a loader that is gone reads nothing
}

// statementNames are the protocol's statements, the first that matches first.
var statementNames = []struct {
	name string
	text *regexp.Regexp
}{
	{"begin", regexp.MustCompile(`^begin`)},
	{"commit", regexp.MustCompile(`^commit`)},
	{"roll back", regexp.MustCompile(`^rollback`)},
	{"take the lock", regexp.MustCompile(`^update .*_loads set seq`)},
	{"ask the ledger for the load", regexp.MustCompile(`^select object from .*_loads where load_id`)},
	{"check the ledger", regexp.MustCompile(`^select count\(\*\).*_loads`)},
	{"read the ledger", regexp.MustCompile(`^select .*_loads where object = '~lock' or`)},
	{"forget", regexp.MustCompile(`^delete from \S+_loads `)},
	{"delete rejects", regexp.MustCompile(`^delete from \S+_rejects `)},
	{"delete rows", regexp.MustCompile(`^delete from `)},
	{"copy rejects", regexp.MustCompile(`^copy into \S+_rejects .*force = false`)},
	{"copy rejects by force", regexp.MustCompile(`^copy into \S+_rejects .*force = true`)},
	{"copy rows", regexp.MustCompile(`^copy into .*force = false`)},
	{"copy rows by force", regexp.MustCompile(`^copy into .*force = true`)},
	{"count rejects", regexp.MustCompile(`^select _firn_object, count\(\*\).*_rejects`)},
	{"count rows", regexp.MustCompile(`^select _firn_object, count\(\*\)`)},
	{"record", regexp.MustCompile(`^insert into \S+_loads `)},
}

// nameOf is what a request asks for, in the words of the protocol.
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
