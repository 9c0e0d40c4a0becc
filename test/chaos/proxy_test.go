//go:build endtoend

package chaos_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// service is an AWS service that the proxy can throttle.
type service string

const (
	dynamoDB service = "DynamoDB"
	queues   service = "SQS"
	buckets  service = "S3"
	other    service = "another service"
)

// throttle is the answer of a throttled service, as in the documentation of its errors.
type throttle struct {
	status      int
	contentType string
	body        string
}

var throttles = map[service]throttle{
	dynamoDB: {
		http.StatusBadRequest, "application/x-amz-json-1.0",
		`{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded."}`,
	},
	queues: {
		http.StatusBadRequest, "application/x-amz-json-1.0",
		`{"__type":"com.amazonaws.sqs#RequestThrottled","message":"The request was denied due to request throttling."}`,
	},
	buckets: {
		http.StatusServiceUnavailable, "application/xml",
		`<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`,
	},
}

// proxy is the endpoint of the functions. It forwards requests to the AWS stand-in, and
// throttles requests on demand.
type proxy struct {
	server *http.Server

	mutex sync.Mutex
	// left is the number of requests that are still to throttle, and throttled the
	// number of throttled requests.
	left, throttled map[service]int
}

func newProxy(endpoint func() string) *proxy {
	p := &proxy{left: make(map[service]int), throttled: make(map[service]int)}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			target, err := url.Parse(endpoint())
			if err != nil {
				panic(err)
			}
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host // the signature covers the host
		},
		ErrorLog: log.New(io.Discard, "", 0), // the stand-in is down in the middle of a restart
	}
	p.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t, throttled := p.next(serviceOf(r)); throttled {
			w.Header().Set("Content-Type", t.contentType)
			w.WriteHeader(t.status)
			_, _ = io.WriteString(w, t.body)
			return
		}
		forward.ServeHTTP(w, r)
	})}
	return p
}

func (p *proxy) serve(listener net.Listener) { _ = p.server.Serve(listener) }

func (p *proxy) close() error { return p.server.Shutdown(context.Background()) }

// throttle throttles the next requests to a service.
func (p *proxy) throttle(s service, requests int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.left[s] += requests
}

// stop ends all throttles and returns the number of throttled requests.
func (p *proxy) stop() map[service]int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.left = make(map[service]int)
	return p.throttled
}

// next returns the answer to a throttled request, or false.
func (p *proxy) next(s service) (throttle, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.left[s] == 0 {
		return throttle{}, false
	}
	p.left[s]--
	p.throttled[s]++
	return throttles[s], true
}

// serviceOf returns the service of a request. S3 has neither a target nor a form.
func serviceOf(r *http.Request) service {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, "DynamoDB_"):
		return dynamoDB
	case strings.HasPrefix(target, "AmazonSQS."):
		return queues
	case target == "" && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return buckets
	default:
		return other
	}
}
