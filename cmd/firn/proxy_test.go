//go:build standin

package main_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// proxy is the address of a stand-in for the functions of one path. The proxy forwards
// each request, or answers in place of the stand-in.
type proxy struct {
	address *url.URL

	mutex  sync.Mutex
	answer standinAnswer
}

// standinAnswer answers a request in place of the stand-in, and reports whether it did. body is
// the body of the request without compression.
type standinAnswer func(w http.ResponseWriter, r *http.Request, body string) bool

// newProxy starts a proxy in front of the stand-in at the address.
func newProxy(t *testing.T, standin string) *proxy {
	t.Helper()
	target, err := url.Parse(standin)
	if err != nil {
		t.Fatal(err)
	}
	b := &proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host // the signature covers the host
		},
		ErrorLog: log.New(io.Discard, "", 0), // a test ends while a request runs
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if b.answers(w, r, plainBody(body)) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	if b.address, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *proxy) answers(w http.ResponseWriter, r *http.Request, body string) bool {
	b.mutex.Lock()
	answer := b.answer
	b.mutex.Unlock()
	return answer != nil && answer(w, r, body)
}

// set sets the answer; nil forwards each request.
func (b *proxy) set(a standinAnswer) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.answer = a
}

// plainBody returns a body without gzip, in which Snowflake's driver sends statements.
func plainBody(body []byte) string {
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return string(body)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		return string(body)
	}
	return string(plain)
}

// refuseAWS answers the requests of an operation of AWS with a status and a body.
// operation is a part of the header X-Amz-Target, or the action of a form. With a part,
// the answer is only for requests with the part in the body.
func refuseAWS(operation, part string, status int, text string) standinAnswer {
	return func(w http.ResponseWriter, r *http.Request, body string) bool {
		target := r.Header.Get("X-Amz-Target")
		if !strings.Contains(target, operation) && !strings.Contains(body, "Action="+operation) || !strings.Contains(body, part) {
			return false
		}
		if target != "" {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return true
	}
}

// refuseReads answers each GetObject of a bucket with a status and a code of S3.
func refuseReads(bucket string, status int, code string) standinAnswer {
	return func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/"+bucket+"/") {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>The read is refused.</Message></Error>")
		return true
	}
}

// dropSnowflake drops the connection of each request of Snowflake's driver.
func dropSnowflake(http.ResponseWriter, *http.Request, string) bool {
	panic(http.ErrAbortHandler) // net/http closes the connection without an answer
}

// refuseLogin answers each login with a refusal (docs.snowflake.com, error 390100).
func refuseLogin(w http.ResponseWriter, r *http.Request, _ string) bool {
	if !strings.Contains(r.URL.Path, "login-request") {
		return false
	}
	_, _ = io.WriteString(w, `{"data": null, "code": "390100", "message": "Incorrect username or password was specified.", "success": false}`)
	return true
}

// refuseLock answers the statements that take the lock with an error of Snowflake.
func refuseLock(number, state, message string) standinAnswer {
	return func(w http.ResponseWriter, _ *http.Request, body string) bool {
		if !strings.Contains(body, "~lock") {
			return false
		}
		fmt.Fprintf(w, `{"data": {"errorCode": %[1]q, "sqlState": %[2]q, "queryId": "01b2"}, "code": %[1]q, "message": %[3]q, "success": false}`, number, state, message)
		return true
	}
}

// dropCommit drops the connection of each COMMIT.
func dropCommit(w http.ResponseWriter, r *http.Request, body string) bool {
	return strings.Contains(strings.ToLower(body), `"commit`) && dropSnowflake(w, r, body)
}
