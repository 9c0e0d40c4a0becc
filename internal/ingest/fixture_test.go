package ingest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/local/fdsn"
)

const wholeWeek = `{"dataset":"station.event","start":"2018-01-31T00:00:00Z","end":"2018-02-07T02:00:00Z","hop":0}`

const weekPrefix = "station/event/run=20180131T000000Z-20180207T020000Z/"

// tester is a test or a check of a property.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// fixture has a stage and its environment: a search over HTTP, and a bucket, a journal
// and a queue in memory.
type fixture struct {
	stage       *ingest.Stage
	server      *httptest.Server
	requests    atomic.Int64
	clock       time.Time
	puts        map[string][][]byte
	checkpoints map[journal.RunName][]byte
	// runs keeps runs by the rules of the journal.
	runs map[journal.RunName]journal.Run
	// delayErr is the error of DelayRun.
	delayErr error
	sent     []string
	// steps counts the calls of the stage to its environment. Step number killAt panics
	// instead.
	steps, killAt int
	// putTakes is the time for the write of an object.
	putTakes time.Duration
}

var (
	_ ingest.S3   = (*fixture)(nil)
	_ ingest.SQS  = (*fixture)(nil)
	_ ingest.Runs = (*fixture)(nil)
)

func newFixture(t testing.TB, geojson []byte, pageSize int, options ...fdsn.Option) *fixture {
	t.Helper()
	w := startFixture(t, geojson, pageSize, options...)
	t.Cleanup(w.server.Close)
	return w
}

func startFixture(t tester, geojson []byte, pageSize int, options ...fdsn.Option) *fixture {
	t.Helper()
	handler, err := fdsn.NewHandler(bytes.NewReader(geojson), options...)
	if err != nil {
		t.Fatalf("start the search: %v", err)
	}
	return serve(handler, pageSize)
}

func serve(handler http.Handler, pageSize int) *fixture {
	w := &fixture{
		clock: time.Now(), puts: make(map[string][][]byte),
		checkpoints: make(map[journal.RunName][]byte), runs: make(map[journal.RunName]journal.Run),
	}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		handler.ServeHTTP(rw, r)
	}))
	source := ingest.HTTP{
		Client: w.server.Client(), Agent: "firn/test", MaximumBytes: 8 << 20,
		Now: func() time.Time { return w.clock },
	}
	w.stage = &ingest.Stage{
		Contracts: contract.Set{
			{Source: "shop", Entity: "order", KeyPrefix: "shop/order/"},
			{Source: "station", Entity: "event", KeyPrefix: "station/event/", Version: "1.0.0", Ingest: &contract.Ingest{
				API: ingest.FDSNEvent, URL: w.server.URL + fdsn.QueryPath, PageSize: pageSize,
			}},
		},
		APIs:    map[string]ingest.API{ingest.FDSNEvent: source.FDSN},
		Landing: ingest.Landing{S3: w, Bucket: "landing"}, Runs: w,
		SQS: w, QueueURL: "https://queue.test/ingest",
		Now: func() time.Time { return w.clock },
	}
	return w
}

// countStep is called before every call of the environment.
func (w *fixture) countStep() {
	w.steps++
	if w.steps == w.killAt {
		panic("killed")
	}
}

func (w *fixture) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	w.countStep()
	if *in.Bucket != "landing" {
		return nil, fmt.Errorf("no bucket %q", *in.Bucket)
	}
	body, err := io.ReadAll(in.Body)
	w.puts[*in.Key] = append(w.puts[*in.Key], body)
	w.clock = w.clock.Add(w.putTakes)
	return &s3.PutObjectOutput{}, err
}

func (w *fixture) StartRun(_ context.Context, o journal.RunOrder) (journal.Run, bool, error) {
	w.countStep()
	run := w.runs[o.RunName]
	if run.State == journal.RunFinished || run.State == journal.RunWaiting && w.clock.Before(run.Delay.Next) {
		return run, false, nil
	}
	run.RunName, run.State, run.Message = o.RunName, journal.RunRunning, o.Message
	w.runs[o.RunName] = run
	return run, true, nil
}

func (w *fixture) Checkpoint(_ context.Context, name journal.RunName, into any) (bool, error) {
	w.countStep()
	body, found := w.checkpoints[name]
	if !found {
		return false, nil
	}
	return true, json.Unmarshal(body, into)
}

func (w *fixture) SaveCheckpoint(_ context.Context, name journal.RunName, value any, p journal.RunProgress) error {
	w.countStep()
	body, err := json.Marshal(value)
	w.checkpoints[name] = body
	run := w.runs[name]
	run.State, run.Delay, run.Pages, run.Rows = journal.RunRunning, nil, p.Pages, p.Rows
	if p.Finished {
		run.State = journal.RunFinished
	}
	w.runs[name] = run
	return err
}

func (w *fixture) DelayRun(_ context.Context, name journal.RunName, d journal.Delay) error {
	w.countStep()
	run := w.runs[name]
	run.State, run.Delay = journal.RunWaiting, &d
	if w.delayErr == nil {
		w.runs[name] = run
	}
	return w.delayErr
}

func (w *fixture) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	w.countStep()
	w.sent = append(w.sent, *in.MessageBody)
	return &sqs.SendMessageOutput{}, nil
}

// handle passes a message to the stage, like the consumer.
func (w *fixture) handle(body string) error {
	return w.handleUntil(context.Background(), body)
}

func (w *fixture) handleUntil(ctx context.Context, body string) error {
	return w.stage.Handler()(ctx, []batch.Message{{ID: "1", Body: body, Receives: 1}})["1"]
}

// parts returns the newest version of every part, by key.
func (w *fixture) parts() map[string][]byte {
	newest := make(map[string][]byte)
	for key, versions := range w.puts {
		if strings.HasSuffix(key, ".ndjson.gz") {
			newest[key] = versions[len(versions)-1]
		}
	}
	return newest
}

// rows returns the records of the newest parts, in the order of the keys.
func (w *fixture) rows(t tester) []string {
	t.Helper()
	parts := w.parts()
	var rows []string
	for _, key := range sortedKeys(parts) {
		plain, err := gzip.NewReader(bytes.NewReader(parts[key]))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		lines := bufio.NewScanner(plain)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if lines.Text() != "" {
				rows = append(rows, lines.Text())
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	return rows
}

func (w *fixture) manifest(t tester, key string) ingest.Manifest {
	t.Helper()
	versions := w.puts[key]
	if len(versions) == 0 {
		t.Fatalf("no manifest %s; there are %v", key, sortedKeys(w.puts))
	}
	var m ingest.Manifest
	if err := json.Unmarshal(versions[len(versions)-1], &m); err != nil {
		t.Fatalf("manifest %s: %v", key, err)
	}
	return m
}

func sortedKeys[V any](values map[string]V) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
