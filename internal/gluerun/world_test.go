//go:build standin

package gluerun_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/firn-data/firn/internal/awsconfig"
	"github.com/firn-data/firn/internal/batch"
	"github.com/firn-data/firn/internal/contract"
	"github.com/firn-data/firn/internal/fault"
	"github.com/firn-data/firn/internal/gluerun"
	"github.com/firn-data/firn/internal/journal"
	"github.com/firn-data/firn/internal/laptop/laptoptest"
	"github.com/firn-data/firn/internal/object"
	"github.com/firn-data/firn/internal/work"
)

// Each run of a property deploys a stack, so that 20 runs take seconds. The flag
// -rapid.checks overrides the number.
const propertyRuns = "20"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", propertyRuns); err != nil {
		panic(err)
	}
	os.Exit(laptoptest.Main(m, "aws"))
}

const dataset = "shop.order"

// fixture has the laptop's journal and buckets, and a fake Glue service. The stand-in
// for Glue can't lose an answer.
type fixture struct {
	t        testing.TB
	runs     *gluerun.Runs
	journal  *killedJournal
	s3       *s3.Client
	landing  string
	curated  string
	service  *fakeGlue
	messages int
	// faults are the permanent faults, by object.
	faults map[object.ID][]*fault.Fault
}

var stacks atomic.Int64

func newFixture(t testing.TB) *fixture {
	t.Helper()
	ctx := context.Background()
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("Glue%d", stacks.Add(1))
	if err := laptoptest.Deploy(ctx, cfg, name); err != nil {
		t.Fatal(err)
	}
	outputs, err := laptoptest.Outputs(ctx, cfg, name)
	if err != nil {
		t.Fatal(err)
	}
	w := &fixture{t: t, faults: map[object.ID][]*fault.Fault{}, landing: outputs["LandingBucket"], curated: outputs["CuratedBucket"]}
	w.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	table := &journal.Table{Client: dynamodb.NewFromConfig(cfg), Name: outputs["JournalTable"], Now: time.Now}
	w.journal = &killedJournal{Table: table}
	w.service = &fakeGlue{fixture: w, broken: map[object.ID]bool{}, runs: map[string]*types.JobRun{}}
	ids := 0
	w.runs = &gluerun.Runs{
		Contracts: contract.Set{{
			Source: "shop", Entity: "order", Version: "1.0.0", Format: contract.CSV, Delimiter: ',',
			Columns: []contract.Column{{Name: "n", Header: "n", Type: contract.Integer}},
		}},
		Journal: w.journal, Service: w.service, Store: w.s3, Job: "job", Bucket: w.curated, Now: time.Now,
		NewID: func() string { ids++; return fmt.Sprintf("id%d", ids) },
	}
	return w
}

// put puts an object and records the object in the journal.
func (w *fixture) put(key string) object.Object {
	w.t.Helper()
	body := "n\n1\n"
	output, err := w.s3.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(w.landing), Key: aws.String(key), Body: strings.NewReader(body),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	o := object.Object{Bucket: w.landing, Key: key, Version: aws.ToString(output.VersionId), Size: int64(len(body))}
	if _, err := w.journal.Receive(context.Background(), o, dataset); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// message returns a message with work for the object.
func (w *fixture) message(o object.Object) batch.Message {
	w.messages++
	return batch.Message{ID: fmt.Sprintf("m%d", w.messages), Body: work.Work{
		Stage: work.Glue, Dataset: dataset, Object: o, Generation: w.entry(o).Generation,
	}.Encode()}
}

// runEndMessage returns the message for the end of a run.
func (w *fixture) runEndMessage(run string) batch.Message {
	w.messages++
	return batch.Message{ID: fmt.Sprintf("m%d", w.messages), Body: fmt.Sprintf(
		`{"source":"aws.glue","detail-type":"Glue Job State Change","detail":{"jobName":"job","jobRunId":%q,"state":"x"}}`, run)}
}

// deliver delivers messages until each is done, like a queue. Permanent faults are
// recorded, like in the consumer.
func (w *fixture) deliver(messages ...batch.Message) {
	w.t.Helper()
	for try := 0; len(messages) > 0; try++ {
		if try == 100 {
			w.t.Fatalf("%d messages still fail after 100 deliveries", len(messages))
		}
		var failed []batch.Message
		for id, err := range w.handle(messages) {
			m := byID(messages, id)
			f := fault.As(err)
			if f.Disposition != fault.Permanent {
				failed = append(failed, m)
				continue
			}
			w.faults[object.ID(f.ObjectID)] = append(w.faults[object.ID(f.ObjectID)], f)
			if _, err := w.journal.Fail(context.Background(), f, "transform", "glue", m.Body); err != nil {
				w.t.Fatal(err)
			}
		}
		messages = failed
	}
}

// handle returns the result of Handle. A kill fails all messages.
func (w *fixture) handle(messages []batch.Message) (failed map[string]error) {
	defer func() {
		if cause := recover(); cause != nil {
			if !errors.Is(cause.(error), errKilled) {
				panic(cause)
			}
			failed = map[string]error{}
			for _, m := range messages {
				failed[m.ID] = fault.Retryable("killed", fault.Crashed, errKilled)
			}
		}
	}()
	return w.runs.Handle(context.Background(), messages)
}

func byID(messages []batch.Message, id string) batch.Message {
	for _, m := range messages {
		if m.ID == id {
			return m
		}
	}
	panic("unknown message " + id)
}

// finishRuns finishes the waiting runs and delivers their ends, until no run waits.
func (w *fixture) finishRuns() {
	w.t.Helper()
	for rounds := 0; len(w.service.waiting) > 0; rounds++ {
		if rounds > 200 {
			w.t.Fatal("more than 200 runs were started")
		}
		w.deliver(w.runEndMessage(w.service.finishNextRun()))
	}
}

func (w *fixture) entry(o object.Object) journal.Entry {
	w.t.Helper()
	e, err := w.journal.Get(context.Background(), o.ID())
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// fakeGlue is a Glue service with one run at a time, finished by finishNextRun.
type fakeGlue struct {
	fixture *fixture
	// broken objects make their run end as FAILED.
	broken map[object.ID]bool
	runs   map[string]*types.JobRun
	// order has all runs, newest first. waiting has the unfinished runs, oldest first.
	order, waiting []string
	// starts are the next results of StartJobRun: "" for a success, "refused", "lost"
	// for a lost answer after the start, "failed" for an error before the start.
	starts []string
}

func (s *fakeGlue) StartJobRun(_ context.Context, in *awsglue.StartJobRunInput, _ ...func(*awsglue.Options)) (*awsglue.StartJobRunOutput, error) {
	result := ""
	if len(s.starts) > 0 {
		result, s.starts = s.starts[0], s.starts[1:]
	}
	switch result {
	case "refused":
		return nil, &smithy.GenericAPIError{Code: "ConcurrentRunsExceededException", Message: "too many"}
	case "failed":
		return nil, &smithy.GenericAPIError{Code: "InternalServiceException", Message: "try again"}
	}
	id := fmt.Sprintf("jr_%d", len(s.order)+1)
	s.runs[id] = &types.JobRun{Id: aws.String(id), JobRunState: types.JobRunStateRunning, Arguments: in.Arguments, StartedOn: aws.Time(time.Now())}
	s.order = append([]string{id}, s.order...)
	s.waiting = append(s.waiting, id)
	if result == "lost" {
		return nil, errors.New("connection reset by peer")
	}
	return &awsglue.StartJobRunOutput{JobRunId: aws.String(id)}, nil
}

func (s *fakeGlue) GetJobRun(_ context.Context, in *awsglue.GetJobRunInput, _ ...func(*awsglue.Options)) (*awsglue.GetJobRunOutput, error) {
	run, found := s.runs[*in.RunId]
	if !found {
		return nil, &smithy.GenericAPIError{Code: "EntityNotFoundException"}
	}
	return &awsglue.GetJobRunOutput{JobRun: run}, nil
}

func (s *fakeGlue) GetJobRuns(context.Context, *awsglue.GetJobRunsInput, ...func(*awsglue.Options)) (*awsglue.GetJobRunsOutput, error) {
	output := &awsglue.GetJobRunsOutput{}
	for _, id := range s.order {
		output.JobRuns = append(output.JobRuns, *s.runs[id])
	}
	return output, nil
}

// finishNextRun finishes the oldest waiting run and returns its id.
func (s *fakeGlue) finishNextRun() string {
	id := s.waiting[0]
	s.waiting = s.waiting[1:]
	run := s.runs[id]
	run.JobRunState = types.JobRunStateSucceeded
	for _, a := range s.fixture.manifest(run).Objects {
		if s.broken[a.ObjectID] {
			run.JobRunState, run.ErrorMessage = types.JobRunStateFailed, aws.String("BrokenError: at "+a.Object.Key+": can't convert 'SSN078Mark1120'")
			break
		}
		s.fixture.transform(a)
	}
	return id
}

func (w *fixture) manifest(run *types.JobRun) work.Manifest {
	w.t.Helper()
	key := strings.TrimPrefix(run.Arguments["--manifest"], "s3://"+w.curated+"/")
	output, err := w.s3.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(w.curated), Key: aws.String(key)})
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(output.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := work.DecodeManifest(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// transform writes the receipt of an object and records the receipt in the journal,
// like route. The source must have the size of the object.
func (w *fixture) transform(a work.Assignment) {
	w.t.Helper()
	at := work.Location{Bucket: w.curated, Key: object.Attempt{Dataset: dataset, Object: a.ObjectID, Name: a.Attempt}.Receipt()}
	source, err := w.s3.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String(a.Source.Bucket), Key: aws.String(a.Source.Key)})
	if err != nil || aws.ToInt64(source.ContentLength) != a.Object.Size {
		w.t.Fatalf("source %v of object %v: %v", a.Source, a.Object, err)
	}
	receipt := work.Receipt{Object: a.Object, ObjectID: a.ObjectID, Dataset: dataset, Generation: a.Generation, Attempt: a.Attempt, Engine: "glue", Outcome: work.Accepted}
	body, err := json.Marshal(receipt)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(at.Bucket), Key: aws.String(at.Key), Body: bytes.NewReader(body)}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.journal.Transformed(context.Background(), receipt, at); err != nil {
		w.t.Fatal(err)
	}
}

// errKilled is the error of a killed function.
var errKilled = errors.New("killed")

// killedJournal is the journal with a kill at a write.
type killedJournal struct {
	*journal.Table

	// killAt is the number of writes until the kill, 0 for no kill. With before, the
	// last write isn't made.
	killAt int
	before bool
}

func (f *killedJournal) write(do func() error) error {
	if f.killAt == 0 {
		return do()
	}
	f.killAt--
	if f.killAt > 0 {
		return do()
	}
	if !f.before {
		if err := do(); err != nil {
			return err
		}
	}
	panic(errKilled)
}

func (f *killedJournal) Assign(ctx context.Context, id object.ID, owner, manifest string) (ok bool, err error) {
	err = f.write(func() (err error) { ok, err = f.Table.Assign(ctx, id, owner, manifest); return err })
	return ok, err
}

func (f *killedJournal) Reassign(ctx context.Context, id object.ID, from, to string) (ok bool, err error) {
	err = f.write(func() (err error) { ok, err = f.Table.Reassign(ctx, id, from, to); return err })
	return ok, err
}

func (f *killedJournal) SetRun(ctx context.Context, id object.ID, manifest, run string) error {
	return f.write(func() error { return f.Table.SetRun(ctx, id, manifest, run) })
}

func (f *killedJournal) Start(ctx context.Context, w work.Work, owner string, until time.Time) (e journal.Entry, ok bool, err error) {
	err = f.write(func() (err error) { e, ok, err = f.Table.Start(ctx, w, owner, until); return err })
	return e, ok, err
}
