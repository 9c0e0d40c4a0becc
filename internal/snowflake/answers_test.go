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

// queryID is the id of every failed statement.
const queryID = "01b2c3d4-0000-0001"

// fakeSnowflake is a fake Snowflake server for the real driver. The server accepts or
// refuses logins and answers statements with one error. Tests need the real driver
// because the driver wraps the error numbers before the package reads them.
type fakeSnowflake struct {
	// login and statement are the answers. The zero value accepts each request.
	login, statement failure

	logins atomic.Int64
}

// failure is one way to fail.
type failure struct {
	// number, state and message are a Snowflake error in an answer with HTTP status
	// 200.
	number, state, message string
	// status is the HTTP status of an answer without a body.
	status int
	// cut ends the connection without an answer.
	cut bool
}

// listen starts the server and returns a configuration for the server's address.
func (a *fakeSnowflake) listen(t *testing.T) snowflake.Config {
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
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { failure{}.answer(w, nil) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return configAt(t, server.Listener.Addr())
}

// configAt returns a configuration with a key pair login, which needs no AWS
// environment.
func configAt(t *testing.T, address net.Addr) snowflake.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return snowflake.Config{Account: "org-account", User: "FIRN_LOADER", PrivateKey: privateKey(t), Host: host, Port: number, Protocol: "http"}
}

func (f failure) answer(w http.ResponseWriter, data any) {
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

// privateKey returns one key for all tests: a new key takes a while.
func privateKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var sharedKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
