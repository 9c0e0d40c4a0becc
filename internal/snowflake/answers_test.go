package snowflake_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/firn-data/firn/internal/snowflake"
)

// queryID is the id of every statement that fails.
const queryID = "01b2c3d4-0000-0001"

// answers plays Snowflake's end of the wire for the real driver: it lets in, or
// not, and answers statements with one error. What a number means is the driver's
// to wrap and ours to read, so a test must go through both.
type answers struct {
	// login and statement are what each fails with. The zero value lets in, and
	// says yes.
	login, statement failing

	logins atomic.Int64
}

// failing is one way to fail.
type failing struct {
	// number, state and message are Snowflake's own error, in an answer with
	// status 200.
	number, state, message string
	// status is an answer without words, of HTTP.
	status int
	// cut ends the connection without an answer.
	cut bool
}

// listen serves the answers and returns how to reach them.
func (a *answers) listen(t *testing.T) snowflake.Config {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/session/v1/login-request", func(w http.ResponseWriter, _ *http.Request) {
		a.logins.Add(1)
		a.login.answer(w, map[string]any{"token": "t", "masterToken": "m", "sessionId": 1, "parameters": []any{}})
	})
	mux.HandleFunc("/queries/v1/query-request", func(w http.ResponseWriter, _ *http.Request) {
		a.statement.answer(w, map[string]any{
			"queryId": queryID, "sqlState": a.statement.state, "queryResultFormat": "json", "total": 0, "rowset": []any{}, "rowtype": []any{},
		})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { failing{}.answer(w, nil) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return configAt(t, server.Listener.Addr())
}

// configAt logs in by key pair, which needs nothing of the environment.
func configAt(t *testing.T, at net.Addr) snowflake.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return snowflake.Config{Account: "org-account", User: "FIRN_LOADER", PrivateKey: privateKey(t), Host: host, Port: number, Protocol: "http"}
}

func (f failing) answer(w http.ResponseWriter, data any) {
	switch {
	case f.cut:
		panic(http.ErrAbortHandler)
	case f.status != 0:
		w.WriteHeader(f.status)
		return
	}
	body := map[string]any{"data": data, "code": nil, "message": nil, "success": f.number == ""}
	if f.number != "" {
		body["code"], body["message"] = f.number, f.message
	}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(errors.Join(http.ErrAbortHandler, err))
	}
}

// privateKey is one for all tests: it takes a while to make.
func privateKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := oneKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
