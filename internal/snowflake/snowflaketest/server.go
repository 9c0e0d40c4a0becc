// Package snowflaketest is a Snowflake server for tests that choose the answer to each
// statement. The tests use the real driver.
package snowflaketest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/firn-data/firn/internal/snowflake"
)

// QueryID is the id of every statement.
const QueryID = "01b2c3d4-0000-0001"

// Answer is the answer to a statement: an error, or rows.
type Answer struct {
	// Number, State and Message are an error, for example "100038". An empty Number is
	// a success.
	Number, State, Message string
	// Changed is the number of changed rows of an INSERT, UPDATE or DELETE.
	Changed int
	// Columns and Rows are the result of a query. Every column is a text.
	Columns []string
	Rows    [][]*string
}

// Server answers statements. The zero value answers every statement with success.
type Server struct {
	// Answer returns the answer to a statement.
	Answer func(statement string) Answer

	mutex      sync.Mutex
	statements []string
}

// Statements returns the statements so far.
func (s *Server) Statements() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]string{}, s.statements...)
}

// Listen starts the server until the end of the test, and returns a configuration with
// a key pair.
func (s *Server) Listen(t testing.TB) snowflake.Config {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/session/v1/login-request", func(w http.ResponseWriter, _ *http.Request) {
		write(w, Answer{}, map[string]any{"token": "t", "masterToken": "m", "sessionId": 1, "parameters": []any{}})
	})
	mux.HandleFunc("/queries/v1/query-request", s.query)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { write(w, Answer{}, nil) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	key, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return snowflake.Config{Account: "org-account", User: "FIRN_LOADER", PrivateKey: key, Host: host, Port: number, Protocol: "http"}
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	var request struct {
		SQLText string `json:"sqlText"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &request)
	}
	if err != nil {
		panic(err)
	}
	s.mutex.Lock()
	s.statements = append(s.statements, request.SQLText)
	s.mutex.Unlock()
	var answer Answer
	if s.Answer != nil {
		answer = s.Answer(request.SQLText)
	}
	write(w, answer, answer.data(request.SQLText))
}

// statementTypes are the driver's numbers of the statements that change rows
// (gosnowflake v2.1.0, connection_util.go).
var statementTypes = map[string]int{"insert": 0x3000 + 0x100, "update": 0x3000 + 0x200, "delete": 0x3000 + 0x300}

func (a Answer) data(statement string) map[string]any {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(statement)), " ")
	columns, rows := a.Columns, a.Rows
	if kind := statementTypes[word]; kind != 0 {
		columns, rows = []string{"number of rows changed"}, [][]*string{{new(strconv.Itoa(a.Changed))}}
	}
	types := make([]map[string]any, len(columns))
	for i, name := range columns {
		types[i] = map[string]any{"name": name, "type": "text", "nullable": true}
	}
	if rows == nil {
		rows = [][]*string{}
	}
	return map[string]any{
		"queryId": QueryID, "sqlState": a.State, "statementTypeId": statementTypes[word], "queryResultFormat": "json",
		"total": len(rows), "returned": len(rows), "rowset": rows, "rowtype": types,
	}
}

func write(w http.ResponseWriter, a Answer, data any) {
	body := map[string]any{"data": data, "code": nil, "message": nil, "success": a.Number == ""}
	if a.Number != "" {
		body["code"], body["message"] = a.Number, a.Message
	}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// sharedKey returns one key for all tests: a new key takes a while.
var sharedKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
