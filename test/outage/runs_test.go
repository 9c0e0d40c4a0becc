//go:build standin

package outage_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firn-data/firn/internal/alert"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/ingest"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/route"
	"github.com/firn-data/firn/internal/telemetry"
	"github.com/firn-data/firn/local/fdsn"
)

// sweep is the interval of the sweep's schedule.
const sweep = time.Hour

// runSimulation is the path of an ingestion run: the ingest stage, alert's tick and
// route's sweep, with a clock that only the test moves.
type runSimulation struct {
	clock  *clock
	table  *journal.Table
	source *switchedSource
	ingest *queue
	route  *queue
	// landed has the newest version of each landing object.
	landed   map[string][]byte
	stage    *ingest.Stage
	consumer *batch.Consumer
	router   *batch.Consumer
	resumer  *alert.Resumer
	waits    *alert.WaitWatcher
	mails    *fakeTopic
	// tickEvery and sweepEvery are the intervals of the schedules. A sweep makes many
	// requests.
	tickEvery, sweepEvery time.Duration
	nextTick, nextSweep   time.Time
}

var dayRun = ingest.Request{Dataset: "station.event", Interval: ingest.Interval{
	Start: time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2018, 2, 2, 0, 0, 0, 0, time.UTC),
}}

var dayRunName = journal.RunName{Dataset: dayRun.Dataset, ID: dayRun.RunID()}

// switchedSource is a source with twenty events. While down is set, down answers.
type switchedSource struct {
	mutex  sync.Mutex
	source http.Handler
	down   http.HandlerFunc
}

func (s *switchedSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	handler := s.source
	if s.down != nil {
		handler = s.down
	}
	s.mutex.Unlock()
	handler.ServeHTTP(w, r)
}

func (s *switchedSource) setDown(down http.HandlerFunc) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.down = down
}

func newRunSimulation(t *testing.T, tickEvery, sweepEvery time.Duration) *runSimulation {
	t.Helper()
	var features []string
	for n := range 20 {
		at := dayRun.Start.Add(time.Duration(n) * time.Minute).UnixMilli()
		features = append(features, fmt.Sprintf(`{"type":"Feature","properties":{"time":%d,"mag":1},"id":"e%02d"}`, at, n))
	}
	handler, err := fdsn.NewHandler(strings.NewReader(`{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := &runSimulation{
		clock: &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}, source: &switchedSource{source: handler}, landed: make(map[string][]byte),
		tickEvery: tickEvery, sweepEvery: sweepEvery,
	}
	server := httptest.NewServer(s.source)
	t.Cleanup(server.Close)
	s.table = newTable(t, s.clock)
	s.ingest, s.route = &queue{clock: s.clock, name: "ingest"}, &queue{clock: s.clock, name: "route"}
	s.nextTick, s.nextSweep = s.clock.now.Add(tickEvery), s.clock.now.Add(sweepEvery)
	contracts := contract.Set{{
		Source: "station", Entity: "event", KeyPrefix: "station/event/", Version: "1.0.0",
		Ingest: &contract.Ingest{API: ingest.FDSNEvent, URL: server.URL + fdsn.QueryPath, PageSize: 6},
	}}
	s.stage = &ingest.Stage{
		Contracts: contracts, Landing: ingest.Landing{S3: s, Bucket: "landing"}, Runs: s.table,
		SQS: s.ingest, QueueURL: urlOf("ingest"), Now: s.clock.read, Backoff: backoff,
	}
	s.useClient(server.Client())
	router := &route.Router{
		Contracts: contracts, Journal: s.table, Lister: s, Sender: s, Now: s.clock.read,
		LandingBucket: "landing", CuratedBucket: "curated", RouteURL: urlOf("route"), IngestURL: urlOf("ingest"),
	}
	s.consumer = s.consumerOf(s.ingest, s.stage.Handler())
	s.router = s.consumerOf(s.route, router.Handle)
	s.resumer = &alert.Resumer{Runs: s.table, Sender: s, IngestURL: urlOf("ingest")}
	s.mails = &fakeTopic{}
	s.waits = &alert.WaitWatcher{
		Waits: s.table, Outages: s.table, Notices: s.table, Now: s.clock.read,
		Mailer: alert.Mailer{Topic: s.mails, ARN: "arn:alerts", Site: alert.Site{Environment: "test"}, Counter: s.table, Limit: 30, Now: s.clock.read},
	}
	return s
}

func urlOf(queue string) string { return "https://sqs/1/" + queue }

// useClient sets the HTTP client of the source.
func (s *runSimulation) useClient(client *http.Client) {
	api := ingest.HTTP{Client: client, Agent: "firn/test", MaximumBytes: 1 << 20, Now: s.clock.read}
	s.stage.APIs = map[string]ingest.API{ingest.FDSNEvent: api.FDSN}
}

func (s *runSimulation) consumerOf(q *queue, handler batch.Handler) *batch.Consumer {
	return &batch.Consumer{
		Stage: q.name, Queues: []batch.Queue{{URL: urlOf(q.name), DeadLetterURL: urlOf(q.name + "-dead")}}, SQS: q,
		Journal: s.table, Handler: handler, Attempts: 3, Backoff: backoff, Log: telemetry.Discard(),
	}
}

// PutObject implements ingest.S3.
func (s *runSimulation) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	s.landed[aws.ToString(in.Key)] = body
	return &s3.PutObjectOutput{}, err
}

// ListObjectVersions implements route.Lister. The journal knows all objects.
func (*runSimulation) ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	return &s3.ListObjectVersionsOutput{IsTruncated: aws.Bool(false)}, nil
}

// ListObjectsV2 implements route.Lister.
func (*runSimulation) ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return &s3.ListObjectsV2Output{}, nil
}

// SendMessageBatch implements sqsbatch.Client.
func (s *runSimulation) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	to := map[string]*queue{urlOf("ingest"): s.ingest, urlOf("route"): s.route}[aws.ToString(in.QueueUrl)]
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		to.put(aws.ToString(e.MessageBody))
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// order orders the run and sends its message, like `firn ingest`.
func (s *runSimulation) order(t *testing.T) {
	t.Helper()
	if _, err := s.table.OrderRun(t.Context(), journal.RunOrder{RunName: dayRunName, Message: dayRun.Encode()}); err != nil {
		t.Fatal(err)
	}
	s.ingest.put(dayRun.Encode())
}

// run returns the run, or false after its end.
func (s *runSimulation) run(t *testing.T) (journal.Run, bool) {
	t.Helper()
	runs, err := s.table.Runs(t.Context(), dayRun.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) == 0 {
		return journal.Run{}, false
	}
	return runs[0], true
}

// pass moves the clock by a time. Each message, tick and sweep in between is handled at
// its time.
func (s *runSimulation) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for end := s.clock.read().Add(d); ; {
		q, at := s.nextMessage()
		if q == nil || at.After(s.nextTick) {
			q, at = nil, s.nextTick
		}
		if at.After(end) {
			s.clock.set(end)
			return
		}
		if at.After(s.clock.read()) {
			s.clock.set(at)
		}
		if q == nil {
			s.tick(t)
			continue
		}
		s.handle(t, q)
	}
}

// nextMessage returns the queue with the earliest visible message; nil without a message.
func (s *runSimulation) nextMessage() (*queue, time.Time) {
	var first *queue
	var at time.Time
	for _, q := range []*queue{s.ingest, s.route} {
		if next, found := q.next(); found && (first == nil || next.Before(at)) {
			first, at = q, next
		}
	}
	return first, at
}

// handle is one invocation of the queue's function.
func (s *runSimulation) handle(t *testing.T, q *queue) {
	t.Helper()
	consumer := s.consumer
	if q == s.route {
		consumer = s.router
	}
	event := q.receive()
	response, err := consumer.Consume(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	q.settle(event, response)
}

// tick is a tick of alert. The sweep's message comes with the first tick after its time.
func (s *runSimulation) tick(t *testing.T) {
	t.Helper()
	s.nextTick = s.nextTick.Add(s.tickEvery)
	for _, check := range []alert.Check{s.resumer.Resume, s.waits.Check} {
		if err := check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if now := s.clock.read(); !now.Before(s.nextSweep) {
		s.nextSweep = s.nextSweep.Add(s.sweepEvery)
		s.route.put(fmt.Sprintf(`{"sweep":%q}`, now.Format(time.RFC3339)))
	}
}

// checkFinished checks that the run is finished and landed each event once.
func (s *runSimulation) checkFinished(t *testing.T) {
	t.Helper()
	if run, found := s.run(t); found {
		t.Errorf("the run isn't finished: %+v, delay %+v", run, run.Delay)
	}
	if s.landed["station/event/run="+dayRun.RunID()+"/"+ingest.ManifestName] == nil {
		t.Error("the manifest is missing")
	}
	if ids := s.landedIDs(t); len(ids) != 20 || len(slices.Compact(ids)) != 20 {
		t.Errorf("landed events: %v", ids)
	}
	if len(s.ingest.dead)+len(s.route.dead) != 0 {
		t.Errorf("dead letters: %v %v", s.ingest.dead, s.route.dead)
	}
}

// landedIDs returns the ids of the events in the landed parts, sorted.
func (s *runSimulation) landedIDs(t *testing.T) []string {
	t.Helper()
	var ids []string
	for key, body := range s.landed {
		if !strings.HasSuffix(key, ".gz") {
			continue
		}
		plain, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(plain); lines.Scan(); {
			var event struct{ ID string }
			if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, event.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// TestRunOutlivesRetentionOfQueue: the source is away for six days. SQS deletes a message
// after four days, but the run waits in the journal. A mail reports the wait within an
// hour. The run finishes within the longest wait after the source is back, and a second
// mail reports the end of the wait.
func TestRunOutlivesRetentionOfQueue(t *testing.T) {
	t.Parallel()
	const every = 30 * time.Minute // fewer requests than in a deployed stack
	s := newRunSimulation(t, every, 24*time.Hour)
	s.source.setDown(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s.order(t)
	for day := 1; day <= 6; day++ {
		s.pass(t, 24*time.Hour)
		run, found := s.run(t)
		if !found || run.State != journal.RunWaiting || run.Delay.Code != fault.SourceAway || run.Delay.Tries < 15*day {
			t.Fatalf("day %d: %+v, delay %+v", day, run, run.Delay)
		}
		if wait := run.Delay.Next.Sub(s.clock.read()); wait > time.Hour || wait < -every || s.ingest.receives() != 0 {
			t.Errorf("day %d: the next try is in %s, and the queue has a message with %d receives", day, wait, s.ingest.receives())
		}
		if delayed := s.delayed(t, s.clock.read().Add(-time.Hour)); len(delayed) != 1 {
			t.Errorf("day %d: runs with a delay: %v", day, delayed)
		}
		if want := []string{"firn [test]: station.event: 1 run waits: source_away"}; !slices.Equal(s.mails.subjects, want) {
			t.Errorf("day %d: mails %q, want %q", day, s.mails.subjects, want)
		}
	}
	s.source.setDown(nil)
	s.pass(t, time.Hour+2*every)
	s.checkFinished(t)
	if delayed := s.delayed(t, s.clock.read()); len(delayed) != 0 {
		t.Errorf("after the end: runs with a delay: %v", delayed)
	}
	if len(s.mails.subjects) != 2 || !strings.HasPrefix(s.mails.subjects[1], "firn [test]: station.event: no wait any more after ") {
		t.Errorf("mails %q, want a second one about the end", s.mails.subjects)
	}
}

// delayed lists the runs with a delay and without progress since before the time.
func (s *runSimulation) delayed(t *testing.T, before time.Time) (names []journal.RunName) {
	t.Helper()
	runs, err := s.table.Runs(t.Context(), dayRun.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if r.Delay != nil && r.Progressed.Before(before) {
			names = append(names, r.RunName)
		}
	}
	return names
}

// TestSweepResumesRunWithLostMessage: the queue loses the message before the first try, or
// after the first page. The next sweep after six hours sends the message again.
func TestSweepResumesRunWithLostMessage(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*testing.T, *runSimulation){
		"ordered": func(*testing.T, *runSimulation) {},
		"running": func(t *testing.T, s *runSimulation) {
			calls := 0
			s.source.setDown(func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls > 2 { // a count and a page
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				s.source.source.ServeHTTP(w, r)
			})
			s.pass(t, time.Second)
			s.source.setDown(nil)
			if run, _ := s.run(t); run.State != journal.RunRunning || run.Pages != 1 {
				t.Fatalf("before the loss: %+v", run)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRunSimulation(t, tick, sweep)
			s.order(t)
			before(t, s)
			s.ingest.lose()
			s.pass(t, 5*time.Hour)
			if run, found := s.run(t); !found || run.SweepCount != 0 {
				t.Fatalf("after five hours: found %t, %+v", found, run)
			}
			s.pass(t, 2*time.Hour+tick)
			s.checkFinished(t)
		})
	}
}

// lose deletes all messages, like a purge of the queue.
func (q *queue) lose() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.messages = nil
}

// TestRunWithoutEffectOfMessagesFails: each message of the run is lost, so the run fails
// after three more messages, with a dead letter for the mail.
func TestRunWithoutEffectOfMessagesFails(t *testing.T) {
	t.Parallel()
	s := newRunSimulation(t, 15*time.Minute, 7*time.Hour)
	s.order(t)
	s.ingest.lose()
	s.ingest.broken = true
	s.pass(t, 29*time.Hour)
	run, found := s.run(t)
	if !found || run.State != journal.RunFailed || run.Code != string(fault.Stuck) || run.Stage != "ingest" || run.SweepCount != 4 {
		t.Errorf("found %t, %+v", found, run)
	}
	if len(s.route.dead) != 1 {
		t.Errorf("dead letters: %v", s.route.dead)
	}
	// An operator orders the run again.
	s.ingest.broken = false
	s.order(t)
	s.pass(t, time.Minute)
	s.route.dead = nil
	s.checkFinished(t)
}

// TestTwoTicksSendOneMessage: two ticks at the same time find the same run.
func TestTwoTicksSendOneMessage(t *testing.T) {
	t.Parallel()
	s := newRunSimulation(t, tick, sweep)
	s.source.setDown(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s.order(t)
	s.pass(t, time.Second)
	s.clock.set(s.clock.read().Add(10 * time.Minute))
	var ticks sync.WaitGroup
	for range 8 {
		ticks.Go(func() {
			if err := s.resumer.Resume(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ticks.Wait()
	if n := len(s.ingest.messages); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// unknownHost is the transport of a source whose host has no DNS record.
type unknownHost struct{}

func (unknownHost) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}}
}

// TestMisspeltHostFailsAndIsReported: the run fails within an hour, with a dead letter
// for the mail. After a fix of the contract, another order finishes the run.
func TestMisspeltHostFailsAndIsReported(t *testing.T) {
	t.Parallel()
	s := newRunSimulation(t, tick, sweep)
	s.useClient(&http.Client{Transport: unknownHost{}})
	s.order(t)
	s.pass(t, 14*time.Minute)
	if run, _ := s.run(t); run.State != journal.RunWaiting || run.Delay.Code != fault.SourceUnknownHost {
		t.Errorf("after 14 minutes: %+v, delay %+v", run, run.Delay)
	}
	s.pass(t, 46*time.Minute)
	run, _ := s.run(t)
	if run.State != journal.RunFailed || run.Code != string(fault.SourceUnknownHost) || !strings.Contains(run.Hint, "firn.ingest.url") || len(s.ingest.dead) != 1 {
		t.Errorf("after an hour: %+v, dead letters %v", run, s.ingest.dead)
	}
	s.useClient(http.DefaultClient)
	s.order(t)
	s.pass(t, time.Minute)
	s.ingest.dead = nil
	s.checkFinished(t)
}
